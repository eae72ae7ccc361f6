package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// reason is why something failed, without the path that the message has anyway.
func reason(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return path.Err
	}
	return err
}

// unreadable is an input that can't be read: bad input, whatever the reason.
func unreadable(what, name string, err error) error {
	return &userError{fmt.Sprintf("read %s %s: %v", what, name, reason(err)), "give a file that can be read, or - for standard input"}
}

// takes is how many arguments a command takes; the error shows how it is called.
func takes(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		var reason string
		switch {
		case len(args) < least && len(args) == 0:
			reason = "there are none"
		case len(args) < least:
			reason = fmt.Sprintf("%d are too few", len(args))
		case len(args) > most && most == 0:
			reason = fmt.Sprintf("%q is one too many, it takes none", args[0])
		case len(args) > most:
			reason = fmt.Sprintf("%d are too many", len(args))
		default:
			return nil
		}
		return &userError{fmt.Sprintf("read arguments of %s: %s", ownName(cmd), reason), fmt.Sprintf("`%s`", called(cmd))}
	}
}

// atLeast is takes with an error that says what is missing.
func atLeast(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= n {
			return nil
		}
		return &userError{fmt.Sprintf("read arguments of %s: it needs %s", ownName(cmd), what), fmt.Sprintf("`%s`", called(cmd))}
	}
}

// ownName is a command's name without the program's.
func ownName(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}

// called is how a command is called, without its flags.
func called(cmd *cobra.Command) string { return strings.TrimSuffix(cmd.UseLine(), " [flags]") }

// known refuses what is no subcommand of a command that is nothing without one.
func known(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := fmt.Sprintf("`%s --help` lists the commands", cmd.CommandPath())
	if cmd.SuggestionsMinimumDistance <= 0 {
		cmd.SuggestionsMinimumDistance = 2 // as cobra does where it looks for one
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return &userError{fmt.Sprintf("find command %s: there is none of that name", args[0]), hint}
}

// strict makes cobra's own commands refuse what they do not know. They are there when all others are.
func strict(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch {
		case c.Name() == "help":
			c.Args = func(_ *cobra.Command, args []string) error {
				of, rest, err := root.Find(args)
				if err != nil || len(rest) > 0 {
					return known(of, slices.Concat(rest, args)) // no rest where there is an error
				}
				return nil
			}
		case c.HasSubCommands() && !c.Runnable():
			c.Args, c.RunE = known, func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
}

// flagError is what is wrong with a flag, in our words.
func flagError(cmd *cobra.Command, err error) error {
	var (
		unknown *pflag.NotExistError
		missing *pflag.ValueRequiredError
		invalid *pflag.InvalidValueError
		what    = err.Error()
	)
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		what = fmt.Sprintf("read -%.1s: there is no such flag", unknown.GetSpecifiedName())
	case errors.As(err, &unknown):
		what = fmt.Sprintf("read --%s: there is no such flag", unknown.GetSpecifiedName())
	case errors.As(err, &missing):
		what = fmt.Sprintf("read --%s: its value is missing", missing.GetFlag().Name)
	case errors.As(err, &invalid):
		what = fmt.Sprintf("read --%s: %q is not %s", invalid.GetFlag().Name, invalid.GetValue(), valueOf(invalid.GetFlag()))
	}
	return &userError{what, fmt.Sprintf("`%s --help` lists the flags", cmd.CommandPath())}
}

// valueOf is what a flag takes.
func valueOf(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "int":
		return "a whole number"
	case "float64":
		return "a number"
	case "bool":
		return "true or false"
	}
	return "what it takes"
}
