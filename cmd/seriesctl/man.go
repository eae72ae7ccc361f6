package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seriesctl/seriesctl/internal/manpage"
	"github.com/seriesctl/seriesctl/internal/tui"
)

// The manual pages are written from what the commands say of themselves, and from the TUI's tables of keys, when the
// program is built: `make man`. What is said here is what no command says.

// manCommand writes the manual pages. It is for who builds or packages the program.
func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "write the manual pages into a directory",
		Hidden: true,
		Args:   takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("write manual: %w", err)
			}
			for name, page := range manPages(cmd.Root()) {
				if err := writePage(filepath.Join(args[0], name+".1"), page); err != nil {
					return fmt.Errorf("write manual: %w", err)
				}
			}
			return nil
		},
	}
}

func writePage(path string, p *manpage.Page) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = p.WriteTo(f)
	return errors.Join(err, f.Close())
}

// tuiPage is the name of the page about the TUI, which is no command.
const tuiPage = "seriesctl-tui"

// manPages are the pages by their names: of the program, of each of its commands, and of the TUI.
func manPages(root *cobra.Command) map[string]*manpage.Page {
	pages := map[string]*manpage.Page{root.Name(): programPage(root), tuiPage: keysPage()}
	for _, c := range documented(root) {
		pages[pageName(c)] = commandPage(c)
		for _, sub := range documented(c) {
			pages[pageName(sub)] = commandPage(sub)
		}
	}
	return pages
}

// documented are the subcommands that have a page: not cobra's own, which say all there is with --help.
func documented(c *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, sub := range c.Commands() {
		if !sub.Hidden && sub.Name() != "help" && sub.Name() != "completion" {
			all = append(all, sub)
		}
	}
	return all
}

func pageName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

func newPage(name, short string) *manpage.Page {
	date := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" {
				date, _, _ = strings.Cut(s.Value, "T")
			}
		}
	}
	p := manpage.New(name, "1", date, "seriesctl "+version(), "seriesctl manual")
	p.Section("NAME")
	p.Text(name + " - " + short)
	return p
}

func programPage(root *cobra.Command) *manpage.Page {
	p := newPage(root.Name(), root.Short)
	p.Section("SYNOPSIS")
	p.Synopsis("seriesctl")
	p.Synopsis("seriesctl COMMAND [ARGUMENT…]")
	p.Section("DESCRIPTION")
	p.Text(root.Long)
	p.Text(theWords)
	p.Section("COMMANDS")
	for _, c := range documented(root) {
		p.Item(pageName(c)+"(1)", c.Short)
	}
	p.Item("seriesctl completion bash|zsh|fish", "write a completion script for a shell")
	p.Section("OPTIONS")
	p.Text("They go with every command.")
	flags(p, root.PersistentFlags())
	for _, s := range theRest {
		p.Section(s.title)
		for _, i := range s.items {
			p.Item(i[0], i[1])
		}
		p.Text(s.text)
	}
	p.Section("EXAMPLES")
	p.Text(theExample)
	p.Section("SEE ALSO")
	var also []string
	for _, c := range documented(root) {
		also = append(also, pageName(c)+"(1)")
	}
	also = append(also, tuiPage+"(1)", "b4(1)", "git-am(1)", "git-bisect(1)", "git-range-diff(1)")
	p.Text(strings.Join(also, ",\n"))
	return p
}

func commandPage(c *cobra.Command) *manpage.Page {
	p := newPage(pageName(c), c.Short)
	p.Section("SYNOPSIS")
	if c.Runnable() {
		usage := c.CommandPath() + strings.TrimPrefix(c.Use, c.Name())
		if c.HasAvailableLocalFlags() {
			usage += " [OPTION…]"
		}
		p.Synopsis(usage)
	}
	for _, sub := range documented(c) {
		p.Synopsis(sub.CommandPath() + strings.TrimPrefix(sub.Use, sub.Name()))
	}
	p.Section("DESCRIPTION")
	p.Text(cmp.Or(c.Long, c.Short+"."))
	if subs := documented(c); len(subs) > 0 {
		p.Section("COMMANDS")
		for _, sub := range subs {
			p.Item(pageName(sub)+"(1)", sub.Short)
		}
	}
	if c.HasAvailableLocalFlags() {
		p.Section("OPTIONS")
		flags(p, c.LocalFlags())
		p.Text("The options of all commands, the exit status, environment and files are in seriesctl(1).")
	}
	if c.Example != "" {
		p.Section("EXAMPLES")
		p.Text(c.Example)
	}
	p.Section("SEE ALSO")
	also := []string{pageName(c.Parent()) + "(1)"}
	for _, other := range documented(c.Parent()) {
		if other != c {
			also = append(also, pageName(other)+"(1)")
		}
	}
	p.Text(strings.Join(also, ",\n"))
	return p
}

// flags adds the flags that are not hidden.
func flags(p *manpage.Page, set *pflag.FlagSet) {
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		switch {
		case f.NoOptDefVal != "" && value != "":
			name += "[=<" + value + ">]"
		case value != "":
			name += " <" + value + ">"
		}
		if f.DefValue != "" && !slices.Contains([]string{"0", "false", "[]"}, f.DefValue) {
			usage += " (default: " + f.DefValue + ")"
		}
		p.Item(name, usage)
	})
}

// keysPage is about the TUI: its keys and words, screen by screen.
func keysPage() *manpage.Page {
	p := newPage(tuiPage, "the screens of seriesctl and their keys")
	p.Section("SYNOPSIS")
	p.Synopsis("seriesctl")
	p.Section("DESCRIPTION")
	p.Text(theScreens)
	p.Section("KEYS OF ALL SCREENS")
	everywhere := tui.Everywhere().Bindings
	common := map[string]bool{}
	keys := func(all []tui.Binding) {
		var rows [][2]string
		for _, b := range all {
			if !common[b.Label+b.Help] {
				rows = append(rows, [2]string{b.Label, b.Help})
			}
		}
		p.Rows(rows)
	}
	keys(everywhere)
	for _, b := range everywhere {
		common[b.Label+b.Help] = true
	}
	for _, t := range tui.Keys() {
		p.Section(strings.ToUpper(t.Title))
		p.Text(ofScreen[t.Title])
		keys(t.Bindings)
		if len(t.Legend) > 0 {
			p.Sub("What it says")
			p.Lines(t.Legend)
		}
	}
	p.Section("SEE ALSO")
	p.Text("seriesctl(1)")
	return p
}
