package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/seriesctl/seriesctl/internal/report"
	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/series"
)

// mailGCPercent is the collector's setting while mail is read: with the usual one half of the memory that a large
// mailbox takes is garbage.
const mailGCPercent = 10

func (a *app) loadCommand() *cobra.Command {
	var revision int
	var lore string
	cmd := &cobra.Command{
		Use:   "load INPUT…",
		Short: "read a series from mail and store it",
		Long: `load reads the mail of a series: mbox files (also .gz), maildirs, patch files or directories of them,
"-" for standard input, a git range REPO:A..B, or a thread of a mail archive: a link to lore.kernel.org or a
message-id. Only these two use the network. It stores every series it finds; the newest one becomes the
current one, which the other commands take when none is named.`,
		Example: `  seriesctl load thread.mbox
  seriesctl load ~/linux:v6.12..topic
  seriesctl load https://lore.kernel.org/r/<message-id>`,
		Args: atLeast(1, "an mbox, maildir, patch file or git range"),
		RunE: func(cmd *cobra.Command, args []string) error {
			defer debug.SetGCPercent(debug.SetGCPercent(mailGCPercent))
			box, err := a.readMail(cmd.Context(), args, lore)
			if err != nil {
				return err
			}
			s, err := box.Pick(revision)
			if err != nil {
				return err
			}
			st, err := a.open(true)
			if err != nil {
				return err
			}
			defer func() { _ = st.Close() }()
			// The picked one last: it is the current one from now on.
			var rows []store.SeriesRow
			for _, other := range box.Series {
				if other.ID != s.ID {
					rows = append(rows, store.SeriesRow{ID: other.ID, Revision: other.Revision})
				}
			}
			if err := st.PutSeries(box, append(rows, store.SeriesRow{ID: s.ID, Revision: s.Revision})...); err != nil {
				return err
			}
			if err := a.printSeries(s); err != nil {
				return err
			}
			return complete("load", s)
		},
	}
	cmd.Flags().IntVar(&revision, "revision", 0, "which `revision` to make the current one, when the mail holds several (default: the newest)")
	cmd.Flags().StringVar(&lore, "lore", "", "`URL` of the mail archive, a public-inbox server (default: $SERIESCTL_LORE, else "+series.DefaultArchive+")")
	return cmd
}

// readMail reads the inputs of load. A thread fetched from the archive at lore is kept in the workspace, and
// progress is shown while it comes.
func (a *app) readMail(ctx context.Context, inputs []string, lore string) (*series.Mailbox, error) {
	if lore == "" {
		lore = os.Getenv("SERIESCTL_LORE")
	}
	dir, err := a.workspaceDir()
	if err != nil {
		return nil, err
	}
	var p *report.Progress
	archive := series.Archive{URL: lore, Cache: filepath.Join(dir, "mail"), Progress: func(what string, done, total int64) {
		if p == nil {
			p = a.progress()
		}
		if done == total {
			p.Finished(fmt.Sprintf("%s: %d KiB", what, (done+1023)>>10))
			return
		}
		p.Step(report.Step{What: fmt.Sprintf("%s: %d KiB", what, done>>10), Stage: "fetch"})
	}}
	box, err := archive.Read(ctx, inputs, untilDone(ctx, a.in))
	if p != nil {
		p.Close()
	}
	return box, err
}

// complete returns an error that says which patches of s no message gives.
func complete(verb string, s *series.Series) error {
	if len(s.Missing) == 0 {
		return nil
	}
	what := fmt.Sprintf("patch %d/%d is missing", s.Missing[0], s.Total)
	if n := len(s.Missing); n > 1 {
		what = fmt.Sprintf("%d of %d patches are missing, the first is %d/%d", n, s.Total, s.Missing[0], s.Total)
	}
	return &foundError{fmt.Sprintf("%s %s: %s", verb, s.ID, what),
		"load it together with the missing mail, or go on with some of it: --patches " + presentPatches(s)}
}

// presentPatches writes the patches there are as --patches takes them: "1-2,4-9".
func presentPatches(s *series.Series) string {
	var out string
	for i := 0; i < len(s.Patches); {
		j := i
		for j+1 < len(s.Patches) && s.Patches[j+1].Index == s.Patches[j].Index+1 {
			j++
		}
		if out != "" {
			out += ","
		}
		out += strconv.Itoa(s.Patches[i].Index)
		if j > i {
			out += "-" + strconv.Itoa(s.Patches[j].Index)
		}
		i = j + 1
	}
	return out
}

func (a *app) printSeries(s *series.Series) error {
	if a.json {
		return report.WriteJSON(a.out, s)
	}
	return report.Series(a.out, s, a.options(a.out).Width)
}

// printPatch prints patch n of s.
func (a *app) printPatch(s *series.Series, n int) error {
	i := slices.IndexFunc(s.Patches, func(p *series.Patch) bool { return p.Index == n })
	if i < 0 {
		return &userError{fmt.Sprintf("show patch %d: %s has none of that number", n, s.ID), "it has " + presentPatches(s)}
	}
	if a.json {
		return report.WriteJSON(a.out, s.Patches[i])
	}
	return report.Patch(a.out, s, n)
}

func (a *app) listCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "the series in the workspace",
		Long: `list prints the series of the workspace, the current one first: the name by which the other commands know it, revision,
subject, author, date, and how many of its patches are there.`,
		Args: takes(0, 0),
		RunE: func(*cobra.Command, []string) error {
			st, err := a.open(false)
			if err != nil {
				return err
			}
			defer func() { _ = st.Close() }()
			rows, err := st.Series()
			if err != nil {
				return err
			}
			all := []report.ListEntry{}
			boxes := map[string]*series.Mailbox{}
			for i, r := range rows {
				if boxes[r.Mail] == nil {
					if boxes[r.Mail], err = mailOf(st, r); err != nil {
						return err
					}
				}
				s, err := seriesOf(boxes[r.Mail], r)
				if err != nil {
					return err
				}
				all = append(all, report.ListEntry{ID: s.ID, Subject: s.Subject, Revision: s.Revision, Author: s.Author,
					Date: s.Date, Patches: len(s.Patches), Total: s.Total, Current: i == 0})
			}
			if a.json {
				return report.WriteJSON(a.out, all)
			}
			return report.List(a.out, all)
		},
	}
}

func (a *app) showCommand() *cobra.Command {
	var f sourceFlags
	var deps bool
	var format string
	cmd := &cobra.Command{
		Use:         "show [SERIES] [N]",
		Annotations: annotated(ofSeries),
		Short:       "the series: patches, trailers, replies, problems; with N one patch and its replies",
		Long: `show prints the series, or with N one patch of it and the replies to it. With --deps it prints what each
patch needs of the ones before it: what it uses of what they introduce, and whose lines it changes. With
--source too, patches are applied there without each other, in memory, to prove it.`,
		Args: takes(0, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			n := 0
			if len(args) > 0 {
				if v, err := strconv.Atoi(args[len(args)-1]); err == nil {
					n, args = v, args[:len(args)-1]
				}
			}
			name, rest := seriesAnd(args, 0)
			if len(rest) > 0 {
				return &userError{fmt.Sprintf("show patch %s: not a number", rest[0]), "like `seriesctl show 4`"}
			}
			return a.with(name, func(st *store.Store, s *series.Series) error {
				switch {
				case deps:
					return a.showDeps(cmd.Context(), st, s, &f, format)
				case cmd.Flags().Changed("format"):
					return &userError{"read --format: it is for --deps", "--json is the series as a document"}
				case n == 0:
					return a.printSeries(s)
				}
				return a.printPatch(s, n)
			})
		},
	}
	cmd.Flags().BoolVar(&deps, "deps", false, "what the patches need of each other")
	cmd.Flags().StringVar(&format, "format", "text", "`format` of --deps: text, json or dot")
	f.add(cmd)
	return cmd
}
