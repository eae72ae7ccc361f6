package qemu

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

// What a console log keeps of a flood: its beginning, the first incident after that, its end. In bytes.
const (
	consoleHead     = 384 << 10
	consoleIncident = 256 << 10
	consoleTail     = 384 << 10
	consoleLine     = 8 << 10 // a longer line is broken
	incidentLead    = 4 << 10
)

var (
	// incidentWords are in the first line of anything worth keeping; broad, as they judge nothing. They are looked for in every
	// line of a flood, and a regular expression takes ten times as long.
	incidentWords = [][]byte{[]byte("BUG"), []byte("Oops"), []byte("WARNING"), []byte("Kernel panic"), []byte("general protection"),
		[]byte("Unable to handle"), []byte("INFO: "), []byte("possible "), []byte("stack segment"), []byte("divide error")}
	panicStart = []byte("Kernel panic - not syncing")
	panicEnd   = []byte("---[ end Kernel panic")
	hostStamp  = pattern.New(`(?m)^\[host \+[0-9.]+\] `)
)

// console records what a guest prints, within bounds whatever it prints. A line that the kernel did not stamp gets the
// host's time since the start of the recording, as "[host +1.234] ".
type console struct {
	mu       sync.Mutex
	start    time.Time
	line     []byte
	head     []byte
	incident []byte
	tail     []byte
	headFull bool
	cut      int // bytes dropped

	total int       // bytes printed
	last  time.Time // of the last byte
	panic time.Time // of the first panic line; zero without
	ended bool      // the panic's last line was there
}

func newConsole() *console { return &console{start: time.Now()} }

// Write records b; it never fails.
func (c *console) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(b)
	c.total += n
	c.last = time.Now()
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			c.line = append(c.line, b...)
			b = nil
		} else {
			c.line = append(c.line, b[:i+1]...)
			b = b[i+1:]
		}
		if i >= 0 || len(c.line) >= consoleLine {
			c.endLine()
		}
	}
	return n, nil
}

func (c *console) endLine() {
	if len(c.line) == 0 {
		return
	}
	line := bytes.TrimRight(c.line, "\r\n")
	if c.panic.IsZero() && bytes.Contains(line, panicStart) && !bytes.Contains(line, panicEnd) {
		c.panic = time.Now()
	}
	c.ended = c.ended || bytes.Contains(line, panicEnd)
	var out []byte
	if !kernelStamp(line) {
		out = fmt.Appendf(out, "[host +%.3f] ", time.Since(c.start).Seconds())
	}
	out = append(out, line...)
	out = append(out, '\n')
	c.line = c.line[:0]
	c.keep(out)
}

func (c *console) keep(line []byte) {
	if !c.headFull && len(c.head)+len(line) <= consoleHead {
		c.head = append(c.head, line...)
		return
	}
	c.headFull = true
	if c.incident == nil && slices.ContainsFunc(incidentWords, func(w []byte) bool { return bytes.Contains(line, w) }) {
		lead := c.tail[max(0, len(c.tail)-incidentLead):]
		c.cut += len(c.tail) - len(lead)
		c.incident = append([]byte{}, lead...)
		c.tail = nil
	}
	if c.incident != nil && len(c.tail) == 0 && len(c.incident)+len(line) <= consoleIncident {
		c.incident = append(c.incident, line...)
		return
	}
	c.tail = append(c.tail, line...)
	if len(c.tail) > 2*consoleTail {
		drop := len(c.tail) - consoleTail
		c.cut += drop
		c.tail = append(c.tail[:0], c.tail[drop:]...)
	}
}

// text is the whole record.
func (c *console) text() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endLine()
	return append(slices.Clone(c.head), c.rest()...)
}

// rest is what the record has beyond its beginning.
func (c *console) rest() []byte {
	tail := c.tail[max(0, len(c.tail)-consoleTail):]
	var out []byte
	if cut := c.cut + len(c.tail) - len(tail); cut > 0 {
		out = fmt.Appendf(out, "[... %d bytes cut ...]\n", cut)
	}
	out = append(out, c.incident...)
	return append(out, tail...)
}

// crash is the first incident of the record.
func (c *console) crash() *Crash { return FirstCrash(hostStamp.ReplaceAll(c.text(), nil)) }

// save writes the whole record. Who follows the file never finds it empty on the way.
func (c *console) save(path string) error {
	text := c.text()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Truncate(int64(len(text))), f.Close())
}

// paniced tells whether a panic's report is there in full: its last line came, or it has been quiet, or it took too long.
func (c *console) paniced() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.panic.IsZero() && (c.ended || time.Since(c.last) > panicQuiet || time.Since(c.panic) > panicMax)
}

// quietFor is how long nothing has been printed.
func (c *console) quietFor() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last.IsZero() {
		return time.Since(c.start)
	}
	return time.Since(c.last)
}

func (c *console) printed() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}

// written is how much of the record's text there is so far; 0 once that can still change.
func (c *console) written() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.headFull {
		return 0
	}
	return int64(len(c.head))
}

// kernelStamp tells whether line begins with a printk time stamp, "[    1.234567]".
func kernelStamp(line []byte) bool {
	if len(line) == 0 || line[0] != '[' {
		return false
	}
	i := bytes.IndexByte(line, ']')
	if i < 0 || i > 24 {
		return false
	}
	digits := 0
	for _, b := range line[1:i] {
		switch {
		case b >= '0' && b <= '9':
			digits++
		case b != ' ' && b != '.':
			return false
		}
	}
	return digits > 0
}
