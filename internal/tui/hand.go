package tui

import (
	"fmt"
	"strings"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/xec"
)

// handText is how to do the shown run by hand: the commands, whole, to be copied.
func (v *cellView) handText(run *lab.Run) string {
	var b strings.Builder
	section := func(what string, commands ...string) {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		v.wrap(&b, "", what)
		for _, c := range commands {
			for _, line := range continued(v.text(c), v.room()-2) {
				b.WriteString("  " + line + "\n")
			}
		}
	}
	cell := xec.Quote(v.series) + " " + xec.Quote(v.argument)
	shell := fmt.Sprintf("seriesctl shell %s --case %s", cell, xec.Quote(v.caseName))
	section("In a shell on the kernel of "+v.where+", with the case started:", shell)
	if v.kernel != "" {
		v.wrap(&b, "  ", fmt.Sprintf("(the shell boots the plan's first kernel; this case ran on %s)", v.kernel))
	}
	section("The same, stopped until gdb comes:", shell+" --gdb=wait")
	section("What its runs showed, in full:", fmt.Sprintf("seriesctl log %s %s", cell, xec.Quote(v.caseName)))
	if run.Command != "" {
		section("What the case runs, in the directory of its file system:", run.Command)
	}
	if d := run.Disk; d.Type != "" {
		mount := []string{"mount", "-t", d.Type}
		if d.Options != "" {
			mount = append(mount, "-o", d.Options)
		}
		made := append([]string{}, d.Mkfs...)
		for i, arg := range made {
			made[i] = xec.Quote(arg)
		}
		section(fmt.Sprintf("How its file system is made, on a disk of %d MiB, and mounted:", d.Size>>20),
			strings.Join(append(made, "DISK"), " "), strings.Join(append(mount, "DISK", "/mnt"), " "))
	}
	if p := run.Observation.Console; p != "" {
		section("Its console, in the workspace:", p)
	}
	return b.String()
}

// continued breaks a command between its words where it is longer than width, so that a shell still reads it as one.
func continued(command string, width int) []string {
	var lines []string
	line := ""
	words := strings.Split(command, " ")
	for i := 0; i < len(words); i++ {
		word := words[i]
		if strings.HasPrefix(word, "-") && i+1 < len(words) && !strings.HasPrefix(words[i+1], "-") {
			// A flag stays with its value.
			i++
			word += " " + words[i]
		}
		switch {
		case line == "":
			line = word
		case textWidth(line)+1+textWidth(word)+2 > width:
			lines = append(lines, line+" \\")
			line = "  " + word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}
