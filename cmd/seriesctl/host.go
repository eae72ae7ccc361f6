package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/seriesctl/seriesctl/internal/report"
	"github.com/seriesctl/seriesctl/qemu"
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "check this host and say how to mend what is missing",
		Long: `doctor checks what building and running kernels takes: QEMU, whether a guest really runs with KVM, compiler and build tools,
the programs that make file systems, bubblewrap, memory and disk space. Beside what is missing it says how to get it. Its exit
status is 3 when something is missing without which nothing runs.`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := a.workspaceDir()
			if err != nil {
				return err
			}
			p := a.progress()
			p.Step(report.Step{What: "checking the host"})
			checks := qemu.CheckHost(cmd.Context(), dir)
			p.Close()
			if err := cmd.Context().Err(); err != nil {
				return err
			}
			if a.json {
				err = report.WriteJSON(a.out, checks)
			} else {
				err = report.Doctor(a.out, checks)
			}
			if err != nil {
				return err
			}
			for _, c := range checks {
				if c.Required && !c.OK {
					return &qemu.InfraError{Op: "check host", Err: fmt.Errorf("%s: %s", c.Name, c.Detail), Hint: c.Fix}
				}
			}
			return nil
		},
	}
}

func (a *app) judgeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "judge LOG…",
		Short: "say what console logs from anywhere show",
		Long: `judge reads console logs of any size, whatever they come from, and says of each what it shows first: the type of the incident, its
title after syzkaller's convention, and its report. "-" is standard input. A log that shows nothing is no error.`,
		Example: `  seriesctl judge console.log
  ssh testbox dmesg | seriesctl judge -`,
		Args: atLeast(1, "a console log, or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			verdicts := []report.JudgedLog{}
			for _, name := range args {
				v, err := a.judgeLog(cmd.Context(), name)
				if err := cmd.Context().Err(); err != nil {
					return err
				}
				if err != nil {
					return unreadable("log", name, err)
				}
				verdicts = append(verdicts, report.JudgedLog{File: name, LogVerdict: v})
			}
			if a.json {
				return report.WriteJSON(a.out, verdicts)
			}
			return report.Judge(a.out, verdicts)
		},
	}
}

func (a *app) judgeLog(ctx context.Context, name string) (qemu.LogVerdict, error) {
	if name == "-" {
		return qemu.JudgeLog(untilDone(ctx, a.in))
	}
	f, err := os.Open(name)
	if err != nil {
		return qemu.LogVerdict{}, err
	}
	defer func() { _ = f.Close() }()
	return qemu.JudgeLog(untilDone(ctx, f))
}
