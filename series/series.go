// Package series reads patch series from mail and applies them to kernel trees.
//
// It guarantees that no message is dropped in silence (each has a Disposition), that applying happens in
// memory on git objects and gives the tree `git am` gives, hash for hash, and that the user's repository or
// source tree is never written to. It knows nothing of building, running or judging.
package series

import "time"

// Series is the patches of one posting (one revision), its cover letter and the replies to it.
type Series struct {
	ID            string    `json:"id"`      // short, stable, for the command line: slug of the subject and "-vN"
	Subject       string    `json:"subject"` // the cover's (else the first patch's), without prefixes
	Revision      int       `json:"revision"`
	Prefix        string    `json:"prefix"` // the bracketed words, as written: "RFC PATCH v2 net-next"
	Author        string    `json:"author"` // "Name <address>"
	Date          time.Time `json:"date"`
	Cover         string    `json:"cover"` // the cover letter's body, "" without one
	Total         int       `json:"total"` // the M of N/M
	Patches       []*Patch  `json:"patches"`
	CoverReplies  []Reply   `json:"cover_replies"` // replies to the cover letter
	Missing       []int     `json:"missing"`       // indices 1..Total that no message gives
	BaseCommit    string    `json:"base_commit"`   // as written: any revision; "" where nothing says
	ChangeID      string    `json:"change_id"`     // b4's, the same for all revisions; "" without one
	Prerequisites []string  `json:"prerequisites"` // patch-ids and message-ids it says it needs
	Problems      []Problem `json:"problems"`
	Messages      []Message `json:"messages"` // every message of the input, in its order
}

// Patch is one patch of a Series.
type Patch struct {
	Index      int       `json:"index"` // from 1
	Subject    string    `json:"subject"`
	Author     string    `json:"author"`
	Date       time.Time `json:"date"`
	MessageID  string    `json:"message_id"` // without < >
	PatchID    string    `json:"patch_id"`   // as `git patch-id --stable` gives
	Files      []string  `json:"files"`      // new names, old ones for deletions; sorted
	Insertions int       `json:"insertions"`
	Deletions  int       `json:"deletions"`
	Trailers   []Trailer `json:"trailers"`
	Replies    []Reply   `json:"replies"`

	// CommitMessage is the message `git am` gives the commit: subject, blank line, body up to "---".
	CommitMessage string `json:"-"`
	// Diff is the patch text from its first diff header to its last hunk, signature cut.
	Diff []byte `json:"-"`
}

// Trailer is one "Key: value" line that belongs to a patch.
type Trailer struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	From  string `json:"from"` // "patch" or "reply"
	// Stale: a reply gave it for an older revision of a patch that was changed since.
	Stale bool `json:"stale,omitempty"`
}

// Reply is a message that answers a patch or the cover letter.
type Reply struct {
	From      string    `json:"from"`
	Date      time.Time `json:"date"`
	MessageID string    `json:"message_id"`
	Depth     int       `json:"depth"` // 1 answers the patch itself
	Body      string    `json:"-"`
}

// Problem is a doubt about the series that a person should know of.
type Problem struct {
	Kind   string `json:"kind"` // kebab-case: "missing-patch", "unreadable-message", …
	Detail string `json:"detail"`
}

// Message says what became of one message of the input.
type Message struct {
	MessageID   string      `json:"message_id"`
	Subject     string      `json:"subject"`
	Disposition Disposition `json:"disposition"`
}

// Disposition is what became of a message.
type Disposition string

// All dispositions.
const (
	IsPatch      Disposition = "patch"
	IsCover      Disposition = "cover"
	IsReply      Disposition = "reply"
	IsDuplicate  Disposition = "duplicate"    // another copy of a message that is used
	IsSuperseded Disposition = "superseded"   // a patch or cover of another revision or posting of this series
	IsOther      Disposition = "other-series" // belongs to another series of the same input
	IsNotAPatch  Disposition = "not-a-patch"
	IsUnreadable Disposition = "unreadable"
)
