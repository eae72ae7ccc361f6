package testplan

import (
	"bufio"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/seriesctl/seriesctl/qemu"
)

// interpreters are the shells that a script may be for.
var interpreters = []string{"sh", "bash", "dash", "ksh", "zsh"}

// script reads a case that is a shell script beside the plan. The interpreter is the one that its first line names, sh when it
// names none.
func (p *parser) script(f map[string]*yaml.Node, c *Case, args []string) string {
	file := p.existing(f["script"], "script", c.Reproducer)
	argv := p.interpreter(f["script"], file)
	c.Run.Tools = []string{argv[0]}
	if n := f["tools"]; n != nil {
		c.Run.Tools = append(c.Run.Tools, p.tools(n)...)
		slices.Sort(c.Run.Tools)
		c.Run.Tools = slices.Compact(c.Run.Tools)
	}
	if n := f["ktap"]; n != nil {
		c.KTAP = p.boolean(n, "ktap")
	}
	inside := path.Join(guestDir, filepath.Base(file))
	c.Files = map[string]string{inside: file}
	c.Run.Argv = append(append(argv, inside), args...)
	return baseName(file)
}

// interpreter is how the first line of a script says it is run.
func (p *parser) interpreter(n *yaml.Node, file string) []string {
	in, err := os.Open(file)
	if err != nil {
		p.failAt(n, "", "script: %v", err)
	}
	defer in.Close()
	line, _ := bufio.NewReaderSize(in, 4096).ReadString('\n')
	words := strings.Fields(strings.TrimPrefix(line, "#!"))
	if !strings.HasPrefix(line, "#!") || len(words) == 0 {
		return []string{"sh"}
	}
	if path.Base(words[0]) == "env" && len(words) > 1 {
		words = words[1:]
	}
	words[0] = path.Base(words[0])
	if !slices.Contains(interpreters, words[0]) {
		p.failAt(n, "shells are "+strings.Join(interpreters, ", "), "script: %s is for %q, which is no shell", filepath.Base(file), words[0])
	}
	return words
}

// The exit statuses with which a script says that it does not apply here: those of kselftest and automake.
const (
	skipKselftest = 4
	skipAutomake  = 77
)

func isSkip(status int) bool { return status == skipKselftest || status == skipAutomake }

// judgeScript judges a script: one that says with its exit status that it skipped itself, and did no harm, has no outcome.
func judgeScript(o qemu.Observation) Judgement {
	if !o.Exited || !isSkip(o.Status) || resultLine(o.Output) != "" {
		return Judge(o)
	}
	status := o.Status
	o.Status = 0
	j := Judge(o)
	if j.Outcome == Pass {
		j = Judgement{None, Skipped, after(fmt.Sprintf("exit status %d: it does not apply here", status), o.Output)}
	}
	return j
}
