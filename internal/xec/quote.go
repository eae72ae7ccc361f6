package xec

import (
	"strings"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

// safeWord is a word that every shell takes as it is.
var safeWord = pattern.New(`\A[A-Za-z0-9_./=:,+@%-]+\z`)

// Quote writes a word as one types it: in single quotes where a shell would not take it as it is.
func Quote(word string) string {
	if safeWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
