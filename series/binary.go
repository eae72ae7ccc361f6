package series

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// binaryData is the forward half of a "GIT binary patch".
type binaryData struct {
	isDelta bool
	size    int    // bytes when inflated
	deflate []byte // zlib stream
}

// binary reads what follows "GIT binary patch": the forward data, and the backward data, which is not kept.
func (p *diffParser) binary(f *fileDiff) error {
	data, err := p.binaryHunk()
	if err != nil {
		return err
	}
	if data == nil {
		return p.errorf("bad binary patch")
	}
	f.binary = data
	_, err = p.binaryHunk()
	return err
}

// binaryHunk reads one "literal" or "delta"; nil when there is none.
func (p *diffParser) binaryHunk() (*binaryData, error) {
	line := p.peek()
	method, count, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), " ")
	if method != "literal" && method != "delta" {
		return nil, nil
	}
	size, err := strconv.Atoi(count)
	if err != nil || size < 0 {
		return nil, p.errorf("bad binary patch")
	}
	if size > maxBlob {
		return nil, p.errorf("binary patch of %d bytes: the limit is %d", size, maxBlob)
	}
	p.skip(line)
	b := &binaryData{isDelta: method == "delta", size: size}
	for {
		line := p.peek()
		if len(line) == 1 && line[0] == '\n' {
			p.skip(line)
			return b, nil
		}
		if len(line) < 7 || (len(line)-2)%5 != 0 || line[len(line)-1] != '\n' {
			return nil, p.errorf("corrupt binary patch")
		}
		var n int
		switch c := line[0]; {
		case c >= 'A' && c <= 'Z':
			n = int(c-'A') + 1
		case c >= 'a' && c <= 'z':
			n = int(c-'a') + 27
		}
		most := (len(line) - 2) / 5 * 4
		if n == 0 || n > most || n <= most-4 {
			return nil, p.errorf("corrupt binary patch")
		}
		group, ok := decode85(line[1:len(line)-1], n)
		if !ok {
			return nil, p.errorf("corrupt binary patch")
		}
		b.deflate = append(b.deflate, group...)
		p.skip(line)
	}
}

// base85 is the alphabet of RFC 1924, which git uses.
const base85 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"

var base85Value = func() (v [256]int8) {
	for i := range v {
		v[i] = -1
	}
	for i := range len(base85) {
		v[base85[i]] = int8(i)
	}
	return v
}()

// decode85 decodes groups of five characters to n bytes.
func decode85(s []byte, n int) ([]byte, bool) {
	out := make([]byte, 0, len(s)/5*4)
	for ; len(s) >= 5; s = s[5:] {
		var acc uint64
		for _, c := range s[:5] {
			v := base85Value[c]
			if v < 0 {
				return nil, false
			}
			acc = acc*85 + uint64(v)
		}
		if acc > 0xffffffff {
			return nil, false
		}
		out = append(out, byte(acc>>24), byte(acc>>16), byte(acc>>8), byte(acc))
	}
	return out[:n], true
}

// apply makes the new contents out of the old.
func (b *binaryData) apply(old []byte) ([]byte, error) {
	z, err := zlib.NewReader(bytes.NewReader(b.deflate))
	if err != nil {
		return nil, fmt.Errorf("inflate binary patch: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(z, int64(b.size)+1))
	if err != nil {
		return nil, fmt.Errorf("inflate binary patch: %w", err)
	}
	if len(data) != b.size {
		return nil, fmt.Errorf("inflate binary patch: it does not have the %d bytes it says", b.size)
	}
	if !b.isDelta {
		return data, nil
	}
	return applyDelta(old, data)
}

var errBadDelta = errors.New("corrupt binary delta")

// applyDelta applies a delta in the form of git's packs (gitformat-pack(5), "Deltified representation").
func applyDelta(old, delta []byte) ([]byte, error) {
	oldSize, delta, ok1 := deltaSize(delta)
	newSize, delta, ok2 := deltaSize(delta)
	if !ok1 || !ok2 || oldSize != uint64(len(old)) {
		return nil, errBadDelta
	}
	if newSize > maxBlob {
		return nil, fmt.Errorf("binary delta to %d bytes: the limit is %d", newSize, maxBlob)
	}
	var out []byte
	for len(delta) > 0 {
		op := delta[0]
		delta = delta[1:]
		var from []byte
		switch {
		case op&0x80 != 0:
			var offset, size uint64
			for i := range 7 {
				if op&(1<<i) == 0 {
					continue
				}
				if len(delta) == 0 {
					return nil, errBadDelta
				}
				if i < 4 {
					offset |= uint64(delta[0]) << (8 * i)
				} else {
					size |= uint64(delta[0]) << (8 * (i - 4))
				}
				delta = delta[1:]
			}
			if size == 0 {
				size = 0x10000
			}
			if offset+size > uint64(len(old)) {
				return nil, errBadDelta
			}
			from = old[offset : offset+size]
		case op == 0 || int(op) > len(delta):
			return nil, errBadDelta
		default:
			from, delta = delta[:op], delta[op:]
		}
		if uint64(len(out)+len(from)) > newSize {
			return nil, errBadDelta
		}
		out = append(out, from...)
	}
	if uint64(len(out)) != newSize {
		return nil, errBadDelta
	}
	return out, nil
}

func deltaSize(b []byte) (size uint64, rest []byte, ok bool) {
	for shift := 0; len(b) > 0 && shift < 63; shift += 7 {
		c := b[0]
		b = b[1:]
		size |= uint64(c&0x7f) << shift
		if c&0x80 == 0 || len(b) == 0 { // git takes a size that is cut as it is
			return size, b, true
		}
	}
	return 0, nil, false
}
