package report

import (
	"strings"
	"testing"

	"github.com/seriesctl/seriesctl/qemu"
)

func TestDoctor(t *testing.T) {
	var b strings.Builder
	err := Doctor(&b, []qemu.Check{
		{Name: "qemu", OK: true, Required: true, Detail: "7.2.0"},
		{Name: "mkfs.gfs2", Required: true, Detail: "mkfs.gfs2 not found", Fix: "sudo apt-get install gfs2-utils"},
		{Name: "kvm", Detail: "no \x1b[2Jaccess", Fix: "use TCG"},
	})
	want := `ok       qemu       7.2.0
MISSING  mkfs.gfs2  mkfs.gfs2 not found
                    fix: sudo apt-get install gfs2-utils
warn     kvm        no access
                    fix: use TCG
`
	if err != nil || b.String() != want {
		t.Errorf("%v\n%s\nwant\n%s", err, b.String(), want)
	}
}

func TestJudge(t *testing.T) {
	var b strings.Builder
	err := Judge(&b, []JudgedLog{
		{File: "a.log"},
		{File: "b.log", LogVerdict: qemu.LogVerdict{Type: "BUG", Title: "kernel BUG in f", Alternatives: []string{"x in f"}, Corrupted: true, Report: "one\r\n\x1b]0;t\x07two\n"}},
		{File: "c.log"},
	})
	want := `a.log: no crash
b.log: BUG: kernel BUG in f (the report is cut or interleaved)
  also: x in f
  | one
  | two

c.log: no crash
`
	if err != nil || b.String() != want {
		t.Errorf("%v\n%s\nwant\n%s", err, b.String(), want)
	}
}
