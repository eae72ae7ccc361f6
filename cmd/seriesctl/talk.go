package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/internal/report"
)

// talker is the dialogue of a bisection by hand: a line for a line, so that it goes through ssh, a pipe, a script.
type talker struct {
	a    *app
	h    *judging
	k    kernels
	in   *typing
	echo bool // nobody sees what is typed: it is printed too
	told map[int]bool
}

var errLeave = errors.New("left")

// help is what `?` says.
func (d *talker) help() string {
	words := d.h.sess.Words()
	text := fmt.Sprintf(`  %-16s the prefix asked about is %s or %s; with N it is said of prefix N
  skip [N]         it can't be judged
  Enter            yes, where an answer is proposed
  undo [N]         take the last answer back, or that of prefix N
  s [COMMAND]      a shell in its virtual machine, with the file systems and reproducers at hand
  v [N]            its patch, or patch N
  c                the case's runs: output, stacks, console
  r                run the case once more
  log              the answers, as git bisect log has them
  replay FILE      take those of such a log instead
  q                leave; seriesctl bisect --manual goes on here
`, words[0]+", "+words[1]+" [N]", words[0], words[1])
	return text
}

// short are the letters that can be typed for a word. Those of the answers hold for good and bad only.
var short = map[string]string{"g": lab.WordGood, "b": lab.WordBad, "x": lab.WordSkip, "u": "undo", "h": "?", "help": "?", "shell": "s", "patch": "v", "console": "c", "quit": "q", "exit": "q"}

// talk asks until nothing is left to judge, or the person leaves.
func (d *talker) talk(ctx context.Context) error {
	d.told = map[int]bool{}
	fmt.Fprintf(d.a.out, "%s by hand: ? is help\n", plain.Line(d.h.s.ID))
	for {
		if err := d.sayPassedOver(); err != nil {
			return err
		}
		step := d.h.sess.Next()
		if step.Done {
			return nil
		}
		if err := report.Standing(d.a.out, d.h.sess, d.a.options(d.a.out)); err != nil {
			return err
		}
		lost, err := d.ready(ctx, step)
		if err != nil {
			return err
		}
		if lost {
			continue
		}
		if err := d.ask(ctx, step.Prefix); errors.Is(err, errLeave) {
			fmt.Fprintln(d.a.out, "left; `seriesctl bisect --manual` goes on here")
			return nil
		} else if err != nil {
			return err
		}
	}
}

// sayPassedOver says once which prefixes are not asked about, and why.
func (d *talker) sayPassedOver() error {
	over := d.h.sess.PassedOver()
	for _, v := range d.h.sess.Spec.Variants {
		status, ok := over[v.Index]
		if !ok || d.told[v.Index] || status == lab.PrefixPending {
			continue
		}
		d.told[v.Index] = true
		if err := report.PassedOver(d.a.out, d.h.sess, v.Index, d.a.options(d.a.out)); err != nil {
			return err
		}
	}
	return nil
}

// ready makes what the person judges by: the case's runs, or the kernel once both ends are known: what the ends are people
// often know without. lost says that there is no kernel to be had.
func (d *talker) ready(ctx context.Context, step lab.Step) (lost bool, err error) {
	sess := d.h.sess
	switch {
	case sess.Case != "":
		least := max(sess.Spec.Runs, sess.Spec.Cases[0].Runs, 1)
		if c := sess.Cell(step.Prefix); c == nil || c.Runs < least {
			err = d.k.Run(ctx, step.Prefix, least)
		}
	case step.First > 0:
		err = d.k.Image(ctx, step.Prefix)
	}
	if err := d.trouble(ctx, err); err != nil {
		return false, err
	}
	return d.lost(step.Prefix)
}

// lost looks whether a prefix turned out to have no kernel.
func (d *talker) lost(prefix int) (bool, error) {
	if err := d.h.sess.Refresh(d.h.st); err != nil {
		return false, err
	}
	_, over := d.h.sess.PassedOver()[prefix]
	return over, nil
}

// trouble prints an error that the dialogue survives and returns one that it does not.
func (d *talker) trouble(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var status statusError
	switch {
	case err == nil, errors.As(err, &status):
		return nil
	}
	d.a.exit(err)
	return nil
}

// ask asks about one prefix until something changed.
func (d *talker) ask(ctx context.Context, prefix int) error {
	sess := d.h.sess
	if err := report.Ran(d.a.out, sess, prefix, d.a.options(d.a.out)); err != nil {
		return err
	}
	words := sess.Words()
	for {
		prompt := fmt.Sprintf("prefix %d: %s, %s or skip? ", prefix, words[0], words[1])
		if p := sess.Propose(prefix); p != "" {
			prompt += "[" + p + "] "
		}
		fmt.Fprint(d.a.out, prompt)
		line, err := d.in.line(ctx)
		if errors.Is(err, io.EOF) {
			fmt.Fprintln(d.a.out)
			return errLeave
		} else if err != nil {
			fmt.Fprintln(d.a.out)
			return err
		}
		if d.echo {
			fmt.Fprintln(d.a.out, plain.Line(line))
		}
		changed, err := d.do(ctx, prefix, line)
		if errors.Is(err, errLeave) {
			return err
		}
		if err := d.trouble(ctx, err); err != nil || changed {
			return err
		}
	}
}

// do does one line and says whether the answers, or what is known of the kernels, changed.
func (d *talker) do(ctx context.Context, prefix int, line string) (changed bool, err error) {
	sess := d.h.sess
	word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	rest = strings.TrimSpace(rest)
	words := sess.Words()
	if full, ok := short[word]; ok && !slices.Contains(words[:], word) {
		word = full
	}
	if word == "" {
		if word = sess.Propose(prefix); word == "" {
			return false, &userError{fmt.Sprintf("bisect by hand: is prefix %d %s or %s?", prefix, words[0], words[1]), "skip where it can't be said; ? is help"}
		}
	}
	switch word {
	case words[0], words[1], lab.WordSkip, "undo":
		list, err := d.h.prefixes(word, strings.Fields(rest))
		if err != nil {
			return false, err
		}
		before := slices.Clone(sess.Answers)
		for _, p := range list {
			if err := answer(sess, word, p); err != nil {
				sess.Answers = before
				return false, err
			}
		}
		return true, d.h.keep()
	case "replay":
		f, err := os.Open(rest)
		if err != nil {
			return false, replayError(rest, err)
		}
		defer func() { _ = f.Close() }()
		if err := sess.Replay(f); err != nil {
			return false, err
		}
		return true, d.h.keep()
	case "log":
		_, err := io.WriteString(d.a.out, sess.Log())
		return false, err
	case "s":
		if err := d.k.Shell(ctx, prefix, rest); err != nil {
			return false, err
		}
		return d.lost(prefix)
	case "v":
		return false, d.patch(prefix, rest)
	case "c":
		return false, d.console(prefix)
	case "r":
		if sess.Case == "" {
			return false, &userError{"bisect by hand: there is no case to run", "a bisection that is started with --case CASE has one"}
		}
		runs := 0
		if c := sess.Cell(prefix); c != nil {
			runs = c.Runs
		}
		return true, d.k.Run(ctx, prefix, runs+1)
	case "?":
		_, err := io.WriteString(d.a.out, d.help())
		return false, err
	case "q":
		return false, errLeave
	}
	return false, &userError{fmt.Sprintf("bisect by hand: %q is not known", plain.Line(word)), "? is help"}
}

// patch prints the last patch of a prefix, or the one that number names.
func (d *talker) patch(prefix int, number string) error {
	n := d.h.sess.Spec.Patches[prefix]
	if number != "" {
		list, err := d.h.prefixes("v", []string{number})
		if err != nil {
			return err
		}
		n = list[0]
	}
	if n == 0 {
		return &userError{"bisect by hand: the base has no patch", "`v N` shows patch N"}
	}
	return d.a.printPatch(d.h.s, n)
}

// console prints the runs of the case on a prefix.
func (d *talker) console(prefix int) error {
	sess := d.h.sess
	cell := sess.Cell(prefix)
	if cell == nil {
		return &userError{fmt.Sprintf("bisect by hand: nothing was run on prefix %d", prefix), "a bisection that is started with --case CASE runs it"}
	}
	runs, err := lab.Runs(d.h.st, sess.Spec, prefix, cell.Case)
	if err != nil {
		return err
	}
	return report.Log(d.a.out, fmt.Sprintf("prefix %d", cell.Prefix), *cell, runs, opener(d.h.st), d.a.options(d.a.out))
}
