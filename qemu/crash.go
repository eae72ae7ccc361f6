package qemu

import (
	"regexp"
	"strings"
)

// maxIncidents bounds how many incidents of one console are told apart; a kernel in an endless loop of
// warnings says nothing new after that many.
const maxIncidents = 64

// FirstCrash returns the incident of a console that decides what happened, nil when there is none.
//
// That is the first one, non-fatal ones included, unless it is non-fatal and a fatal one follows: then it is
// the first fatal one. A panic or oops line that only states the consequence of an incident (panic_on_warn, "Fatal
// exception", the oops header after "kernel BUG at") belongs to that incident and is none of its own. The file
// systems' own complaints ("EXT4-fs error") and warnings said in passing give way to a report, whatever the order.
//
// It takes time linear in the console's length and never panics, whatever the bytes.
func FirstCrash(console []byte) *Crash {
	var first, complaint *Crash
	for in := range incidents(console) {
		switch {
		case in.rule.complaint && complaint == nil:
			c := in.crash()
			complaint = &c
		case in.rule.complaint:
		case in.fatal():
			c := in.crash()
			return &c
		case first == nil:
			c := in.crash()
			first = &c
		}
	}
	if first != nil {
		return first
	}
	return complaint
}

// Crashes returns the incidents of a console in order, at most the first 64.
func Crashes(console []byte) []Crash {
	var list []Crash
	for in := range incidents(console) {
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
var collectionHeader = regexp.MustCompile(`\A(?:TITLE|ALT|TYPE|FRAME|EXECUTOR|CORRUPTED|SUPPRESSED|START|END|REPORT)\b:?[^\n]*\n(?:[A-Z][A-Z-]*:?[^\n]*\n)*\n`)

// JudgeLog says what a console log from anywhere shows: its first incident in the order of the log (what comes later
// is most often its consequence), or, when there is none, the first complaint of a file system. A header as
// collections of such logs have it, which tells the answer, is not part of the console and is not read.
func JudgeLog(console []byte) LogVerdict {
	console = console[len(collectionHeader.Find(console)):]
	v := LogVerdict{Alternatives: []string{}}
	for in := range incidents(console) {
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
	return v
}

// crash names an incident.
func (in *incident) crash() Crash {
	n := in.name()
	return Crash{
		Type:         n.typ,
		Title:        clip(n.title, 200),
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
	return strings.ToValidUTF8(strings.ReplaceAll(string(in.raw), "\r", ""), "�")
}

func clip(s string, n int) string {
	s = strings.ToValidUTF8(s, "")
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
