package testplan

import (
	"fmt"
	"slices"
	"strings"
)

// Expect is the outcome that a plan says is right for a case, where that is not a pass: `expect: fail EFAULT`.
//
// It changes what counts as good, never what is shown: a run that fails with EFAULT is judged `fail read EFAULT`
// whether expected or not. With an expectation, a run that meets it is good and everything else, a pass
// included, is a failure: a patch that makes the case pass then "regresses" it.
type Expect struct {
	Outcome Outcome  // "" is pass
	Words   []string // each must be a word of the signature
}

// outcomes in the order of their declaration, without Infra, which nobody can expect.
var expectable = []Outcome{Pass, Fail, Deadlock, Livelock, Crash, Warn, Timeout}

// ParseExpect reads an outcome followed by words of its signature: "pass", "fail EFAULT", "fail read EFAULT",
// "crash kernel BUG".
func ParseExpect(s string) (Expect, error) {
	words := strings.Fields(s)
	if len(words) == 0 {
		return Expect{}, fmt.Errorf("parse expectation: nothing there")
	}
	o := Outcome(words[0])
	if !slices.Contains(expectable, o) {
		return Expect{}, fmt.Errorf("parse expectation: unknown outcome %q", words[0])
	}
	if o == Pass {
		if len(words) > 1 {
			return Expect{}, fmt.Errorf("parse expectation: a pass has no signature")
		}
		return Expect{}, nil
	}
	return Expect{Outcome: o, Words: words[1:]}, nil
}

// Met says whether a run is as expected.
func (e Expect) Met(j Judgement) bool {
	if e.Outcome == "" || e.Outcome == Pass {
		return j.Outcome == Pass
	}
	if j.Outcome != e.Outcome {
		return false
	}
	have := strings.FieldsFunc(j.Signature, func(r rune) bool { return r == ' ' || r == '+' })
	for _, w := range e.Words {
		if !slices.Contains(have, w) {
			return false
		}
	}
	return true
}

// IsZero says that a pass is expected.
func (e Expect) IsZero() bool { return e.Outcome == "" && len(e.Words) == 0 }

func (e Expect) String() string {
	if e.Outcome == "" {
		return string(Pass)
	}
	return strings.Join(append([]string{string(e.Outcome)}, e.Words...), " ")
}

// MarshalText makes JSON carry the form that plans use.
func (e Expect) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (e *Expect) UnmarshalText(b []byte) error {
	v, err := ParseExpect(string(b))
	if err == nil {
		*e = v
	}
	return err
}
