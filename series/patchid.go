package series

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"hash"
)

// PatchID is the id `git patch-id --stable` gives a diff: a hash over each file's lines without white space
// and line numbers, summed, so that the order of the files does not count. "" for a text without a diff.
func PatchID(diff []byte) string {
	p := idState{h: sha1.New(), before: -1, after: -1}
	for len(diff) > 0 {
		n := lineLen(diff)
		if !p.line(diff[:n]) {
			break
		}
		diff = diff[n:]
	}
	p.flush()
	if p.length == 0 {
		return ""
	}
	return hex.EncodeToString(p.sum[:])
}

type idState struct {
	h             hash.Hash
	sum           [sha1.Size]byte
	length        int
	before, after int // lines left in the hunk; before is -1 in a file's header
	binary        bool
	old, new      []byte // the blobs of the index line
	buf           []byte
}

// line takes one line of the diff; false where the patch ends.
func (p *idState) line(line []byte) bool {
	starts := func(prefix string) bool { return bytes.HasPrefix(line, []byte(prefix)) }
	if starts(`\ `) && len(line) > 12 {
		return true
	}
	if p.length == 0 && !starts("diff ") {
		return true
	}
	if p.before == -1 {
		switch {
		case starts("GIT binary patch"), starts("Binary files"):
			p.binary = true
			p.before = 0
			p.h.Write(p.old)
			p.h.Write(p.new)
			p.flush()
			return true
		case starts("index "):
			from, to, ok := bytes.Cut(bytes.TrimRight(line[len("index "):], "\n"), []byte(".."))
			if ok {
				to, _, _ = bytes.Cut(to, []byte(" "))
				p.old, p.new = from, to
			}
			return true
		case starts("--- "):
			p.before, p.after = 1, 1
		case !isAlpha(line[0]):
			return false
		}
	}
	if p.binary {
		if starts("diff ") {
			p.binary = false
			p.before = -1
		}
		return true
	}
	if p.before == 0 && p.after == 0 {
		if starts("@@ -") {
			p.before, p.after, _ = hunkCounts(line)
			return true
		}
		if !starts("diff ") {
			return false
		}
		p.flush()
		p.before, p.after = -1, -1
	}
	if line[0] == '-' || line[0] == ' ' {
		p.before--
	}
	if line[0] == '+' || line[0] == ' ' {
		p.after--
	}
	p.buf = p.buf[:0]
	for _, c := range line {
		if !isSpace(c) {
			p.buf = append(p.buf, c)
		}
	}
	p.h.Write(p.buf)
	p.length += len(p.buf)
	return true
}

// flush adds the hash of one file to the sum, with carry from byte to byte.
func (p *idState) flush() {
	carry := 0
	for i, b := range p.h.Sum(nil) {
		carry += int(p.sum[i]) + int(b)
		p.sum[i] = byte(carry)
		carry >>= 8
	}
	p.h.Reset()
}

func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
