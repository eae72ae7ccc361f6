package qemu

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

//go:embed agent/*.c agent/*.h
var agentFiles embed.FS

// What the agent is told to wait before it calls a case stuck, in the guest's looks at it (see agent/watch.c).
const (
	deadlockAfter = 1800 * time.Millisecond
	livelockAfter = 3 * time.Second // and then, for some, two more until it is proved
)

// What the agent calls two of its kinds of hang: system time and nothing else goes by; the same pages are faulted in again and again.
const (
	hangLivelock = "livelock"
	hangRefault  = "refault"
)

// agentMessage bounds one message of the agent, in bytes.
const agentMessage = 256 << 10

// agentSource is the agent's source, by file name.
func agentSource() map[string]string {
	files := map[string]string{}
	entries, err := fs.ReadDir(agentFiles, "agent")
	if err != nil {
		panic(err) // embedded: cannot be missing
	}
	for _, e := range entries {
		b, err := agentFiles.ReadFile("agent/" + e.Name())
		if err != nil {
			panic(err)
		}
		files[e.Name()] = string(b)
	}
	return files
}

// buildAgent compiles the agent, once per content.
func buildAgent(ctx context.Context, cacheDir string) (string, error) {
	return CompileStatic(ctx, "agent", agentSource(), cacheDir)
}

// message is one message of the agent: "TYPE NONCE LENGTH\n" and LENGTH bytes (see agent/agent.h).
type message struct {
	kind  string
	nonce string
	data  []byte
}

// messageParser cuts the agent's bytes into messages. What is not a message is skipped up to the next newline: the guest
// can write anything.
type messageParser struct {
	mu  sync.Mutex
	buf []byte
}

// feed takes the next bytes and returns the messages they complete.
func (p *messageParser) feed(b []byte) []message {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.buf = append(p.buf, b...)
	var out []message
	for {
		i := bytes.IndexByte(p.buf, '\n')
		if i < 0 {
			if len(p.buf) > 256 {
				p.buf = p.buf[:0]
			}
			return out
		}
		m, n, ok := parseHeader(string(p.buf[:i]))
		if !ok {
			p.buf = p.buf[i+1:]
			continue
		}
		if len(p.buf) < i+1+n {
			return out
		}
		m.data = append([]byte(nil), p.buf[i+1:i+1+n]...)
		p.buf = append([]byte(nil), p.buf[i+1+n:]...)
		out = append(out, m)
	}
}

// reset forgets an unfinished message: the guest that was writing it is gone.
func (p *messageParser) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.buf = nil
}

func parseHeader(line string) (message, int, bool) {
	f := strings.Split(line, " ")
	if len(f) != 3 || f[0] == "" || f[1] == "" {
		return message{}, 0, false
	}
	n, err := strconv.Atoi(f[2])
	if err != nil || n < 0 || n > agentMessage {
		return message{}, 0, false
	}
	return message{kind: f[0], nonce: f[1]}, n, true
}

// runCommand is the message that starts a case. disk is the serial number of the file system's disk, "" for one without. A case
// without a file system has none with a type.
func runCommand(nonce string, c Case, disk string, f Filesystem) []byte {
	var p bytes.Buffer
	system, scratch := "", ""
	if c.System {
		system = systemSerial
		if c.Scratch {
			scratch = "scratch-" + disk
		}
	}
	for _, s := range append([]string{
		fmt.Sprint(c.Timeout.Milliseconds()), fmt.Sprint(deadlockAfter.Milliseconds()), fmt.Sprint(livelockAfter.Milliseconds()),
		disk, f.Type, f.Options, system, scratch,
	}, c.Argv...) {
		p.WriteString(strings.ReplaceAll(s, "\x00", ""))
		p.WriteByte(0)
	}
	return append(fmt.Appendf(nil, "run %s %d\n", nonce, p.Len()), p.Bytes()...)
}

// parseHang reads the data of a "hang" message: "KIND SECONDS", then per task the lines "T pid tid state", "c comm",
// "w wchan" and "f frame", innermost first; then, of tasks in a transfer of a file, "I tid", "i read|write file" and "b file" for
// each file that the memory for it is mapped from.
func parseHang(data []byte) (kind string, h *Hang) {
	h = &Hang{}
	var s *Stack
	for i, line := range strings.Split(string(data), "\n") {
		if i == 0 {
			f := strings.Fields(line)
			if len(f) == 2 {
				kind = f[0]
				h.Seconds, _ = strconv.ParseFloat(f[1], 64)
			}
			h.Livelock = kind == hangLivelock || kind == hangRefault
			continue
		}
		tag, rest, _ := strings.Cut(line, " ")
		switch tag {
		case "T":
			h.Tasks = append(h.Tasks, Stack{})
			s = &h.Tasks[len(h.Tasks)-1]
			if f := strings.Fields(rest); len(f) == 3 {
				s.PID, _ = strconv.Atoi(f[1])
				s.State = f[2]
			}
			continue
		case "I":
			pid, err := strconv.Atoi(rest)
			s = nil
			if i := slices.IndexFunc(h.Tasks, func(t Stack) bool { return t.PID == pid }); err == nil && i >= 0 {
				s = &h.Tasks[i]
			}
		}
		if s == nil {
			continue
		}
		switch tag {
		case "c":
			s.Comm = rest
		case "w":
			if rest != "0" {
				s.Wchan = rest
			}
		case "f":
			s.Frames = append(s.Frames, rest)
		case "i":
			if op, file, ok := strings.Cut(rest, " "); ok {
				s.IO = &IO{Op: op, File: file}
			}
		case "b":
			if s.IO != nil {
				s.IO.Memory = append(s.IO.Memory, rest)
			}
		}
	}
	return kind, h
}
