package qemu

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

// maxIncidents bounds how many incidents of one console are told apart; a kernel in an endless loop of
// warnings says nothing new after that many.
const maxIncidents = 64

// FirstCrash returns the incident of a console that decides what happened, nil when there is none.
//
// That is the first one, non-fatal ones included, unless it is non-fatal and a fatal one follows: then it is
// the first fatal one. After a report of memory that was written or read where it must not be (KASAN, KFENCE) a fatal one only
// says how that ended. A panic or oops line that only states the consequence of an incident (panic_on_warn, "Fatal
// exception", the oops header after "kernel BUG at") belongs to that incident and is none of its own. The file
// systems' own complaints ("EXT4-fs error") and warnings said in passing give way to a report, whatever the order.
//
// Where the order is chance it does not decide: of reports that CPUs print at the same time, and of those that timers
// make of a hang, the one by the better witness counts, see rank.
//
// It takes time linear in the console's length and never panics, whatever the bytes.
func FirstCrash(console []byte) *Crash {
	var first *Crash
	var of *incident
	for in := range incidents(bytes.NewReader(console)) {
		if of != nil && of.fatal() && in.race != of.race {
			break
		}
		if of != nil && in.fatal() && in.race != of.race && badMemory(first.Type) {
			first.Fatal = true
			break
		}
		if in.rule.remark && (passing.MatchString(in.head) || !lineStartRE.MatchString(in.head)) {
			continue
		}
		chance := of != nil && (in.race == of.race || of.rank() == hangRank && in.rank() == hangRank)
		if of != nil && (in.class() > of.class() || in.class() == of.class() && !chance) {
			continue
		}
		c := in.crash()
		if of == nil || in.class() < of.class() || in.rank() < of.rank() || in.rank() == of.rank() && precedes(in.rule, c.Title, of.rule, first.Title) {
			first, of = &c, in
		}
	}
	return first
}

// badMemory says of a type whether the kernel's memory may be damaged after it.
func badMemory(typ string) bool {
	return strings.HasPrefix(typ, "KASAN") || strings.HasPrefix(typ, "KFENCE")
}

// class orders incidents by what they say of a run: 0 the kernel or the task died of it, 1 a report, 2 a remark.
func (in *incident) class() int {
	switch {
	case in.rule.complaint || in.rule.remark:
		return 2
	case in.fatal():
		return 0
	}
	return 1
}

// hangRank is the rank of those who notice a hang: they only wait.
const hangRank = 4

// rank orders incidents by how near their witness is to the cause: who checks each access, the access that failed, a broken
// rule, a check that failed, a timer.
func (in *incident) rank() int {
	switch typ := in.rule.typ; {
	case in.rule.detail != nil || strings.HasPrefix(typ, "KASAN") || strings.HasPrefix(typ, "KCSAN") || strings.HasSuffix(typ, "UBSAN"):
		return 0
	case in.rule.fatal:
		return 1
	case typ == "LOCKDEP" || typ == "ATOMIC_SLEEP":
		return 2
	case typ == "HANG":
		return hangRank
	}
	return 3
}

// precedes orders incidents of one rank: by their rules, then by title.
func precedes(a *rule, aTitle string, b *rule, bTitle string) bool {
	if a != b {
		return slices.Index(rules, a) < slices.Index(rules, b)
	}
	return aTitle < bTitle
}

var (
	lineStartRE = pattern.New(`^(?:\[ )?(?:WARNING|INFO):`)
	// passing is what a kernel says of its configuration and of the programs it runs.
	passing = pattern.New(`[Ss]pectre|rcu_tasks|will be removed|deprecated|obsolete|cpumask|Unable to (?:find|open)|not (?:found|supported)|[Uu]nsupported|stack (?:depth|size)|task .* (?:uses|is)|Support for|may be|[Ll]oading|HOSTNAME|bypass|fallback`)
)

// Crashes returns the incidents of a console in order, at most the first 64.
func Crashes(console []byte) []Crash {
	var list []Crash
	for in := range incidents(bytes.NewReader(console)) {
		list = append(list, in.crash())
		if len(list) == maxIncidents {
			break
		}
	}
	return list
}

// LogVerdict is what `judge` says of one console log. The zero value is a log that shows nothing.
type LogVerdict struct {
	// Type is the kind of the first failure, see Crash.Type.
	Type  string `json:"type"`
	Title string `json:"title"` // its normalised signature; "" where the log shows no incident
	// Alternatives are other titles the same bug may go by; never nil.
	Alternatives []string `json:"alternatives"`
	Corrupted    bool     `json:"corrupted"` // the report is cut or interleaved
	Report       string   `json:"report"`    // the log's lines from the incident's first to its last
}

// collectionHeader is "TITLE: …", "TYPE: …" and the like, up to a blank line.
var collectionHeader = pattern.New(`\A(?:TITLE|ALT|TYPE|FRAME|EXECUTOR|CORRUPTED|SUPPRESSED|START|END|REPORT)\b:?[^\n]*\n(?:[A-Z][A-Z-]*:?[^\n]*\n)*\n`)

// JudgeLog says what a console log from anywhere shows: its first incident in the order of the log (what comes later
// is most often its consequence), or, when there is none, the first complaint of a file system. A header as
// collections of such logs have it, which tells the answer, is not part of the console and is not read.
//
// It reads as far as that incident's report goes, and keeps no more of the log in memory than that. The error is the
// reader's.
func JudgeLog(console io.Reader) (LogVerdict, error) {
	source := failing{Reader: console}
	b := bufio.NewReaderSize(&source, 64<<10)
	head, _ := b.Peek(8 << 10)
	_, _ = b.Discard(len(collectionHeader.Compiled().Find(head)))
	v := LogVerdict{Alternatives: []string{}}
	for in := range incidents(b) {
		if in.rule.complaint && v.Title != "" {
			continue
		}
		c := in.crash()
		v = LogVerdict{Type: c.Type, Title: c.Title, Alternatives: c.Alternatives, Corrupted: c.Corrupted, Report: c.Report}
		if v.Alternatives == nil {
			v.Alternatives = []string{}
		}
		if !in.rule.complaint {
			break
		}
	}
	return v, source.err
}

// failing is a reader that remembers the error it failed with.
type failing struct {
	io.Reader
	err error
}

func (r *failing) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// crash names an incident.
func (in *incident) crash() Crash {
	n := in.name()
	return Crash{
		Type:         n.typ,
		Title:        n.title,
		Fatal:        in.fatal(),
		Report:       in.report(),
		Alternatives: n.alternatives,
		Corrupted:    n.corrupted,
	}
}

// fatal says whether the kernel, or at least the task, did not go on after the incident.
func (in *incident) fatal() bool { return in.rule.fatal || in.died }

// report is the incident as it was printed, without carriage returns.
func (in *incident) report() string {
	shown := in.raw
	if in.shown > 0 {
		shown = shown[:in.shown]
	}
	return strings.ToValidUTF8(strings.ReplaceAll(string(shown), "\r", ""), "�")
}
