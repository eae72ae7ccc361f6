package qemu

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/u-root/u-root/pkg/cpio"

	"github.com/seriesctl/seriesctl/internal/xec"
)

// fakeMonitor answers commands as QEMU does.
func fakeMonitor(t *testing.T, answer func(name string, args json.RawMessage) string) net.Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		fmt.Fprintln(theirs, `{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}}, "capabilities": ["oob"]}}`)
		dec := json.NewDecoder(theirs)
		for {
			var c struct {
				Execute   string
				Arguments json.RawMessage
				ID        int
			}
			if dec.Decode(&c) != nil {
				return
			}
			a := answer(c.Execute, c.Arguments)
			if a == "" {
				return
			}
			fmt.Fprintln(theirs, strings.ReplaceAll(a, "ID", fmt.Sprint(c.ID)))
		}
	}()
	t.Cleanup(func() { _ = ours.Close() })
	return ours
}

func TestMonitor(t *testing.T) {
	events := make(chan qmpEvent, 10)
	conn := fakeMonitor(t, func(name string, args json.RawMessage) string {
		switch name {
		case "qmp_capabilities":
			return `{"return": {}, "id": ID}`
		case "stop":
			return `{"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 2}}` + "\n" + `{"return": {}, "id": ID}`
		case "human-monitor-command":
			if strings.Contains(string(args), "loadvm good") {
				return `{"return": "", "id": ID}`
			}
			return `{"return": "Error: no such snapshot\r\n", "id": ID}`
		case "cont":
			return `{"error": {"class": "GenericError", "desc": "not now"}, "id": ID}`
		case "hang":
			return `{"event": "NOTHING", "data": {}}`
		}
		return "" // closes
	})
	q, err := dialQMP(t.Context(), conn, func(e qmpEvent) { events <- e })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.command(t.Context(), "stop", nil); err != nil {
		t.Fatal(err)
	}
	if e := <-events; e.Name != "STOP" {
		t.Fatalf("got event %+v", e)
	}
	if err := q.silent(t.Context(), "loadvm good"); err != nil {
		t.Fatal(err)
	}
	if err := q.silent(t.Context(), "loadvm bad"); err == nil || !strings.Contains(err.Error(), "no such snapshot") {
		t.Fatalf("got %v", err)
	}
	if _, err := q.command(t.Context(), "cont", nil); err == nil || !strings.Contains(err.Error(), "not now") {
		t.Fatalf("got %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := q.command(ctx, "hang", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	if _, err := q.command(t.Context(), "close", nil); err == nil {
		t.Fatal("no error from a closed monitor")
	}
	if _, err := q.command(t.Context(), "stop", nil); err == nil {
		t.Fatal("no error from a closed monitor")
	}
}

func TestMessageParser(t *testing.T) {
	tests := []struct {
		name string
		in   string
		want []string
	}{
		{"one", "ready 0 0\n", []string{"ready 0 "}},
		{"data with newlines", "out ab 4\na\nb\nexit ab 3\n0 0", []string{"out ab a\nb\n", "exit ab 0 0"}},
		{"rubbish before", "\x00\xff\n\n garbage \nready 0 0\n", []string{"ready 0 "}},
		{"impossible length", "out ab 99999999999\nready 0 0\n", []string{"ready 0 "}},
		{"negative length", "out ab -1\nready 0 0\n", []string{"ready 0 "}},
		{"unfinished", "out ab 10\nabc", nil},
		{"long line without end", strings.Repeat("x", 1000), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, step := range []int{1, 3, 10000} {
				var p messageParser
				var got []string
				for i := 0; i < len(tt.in); i += step {
					for _, m := range p.feed([]byte(tt.in[i:min(i+step, len(tt.in))])) {
						got = append(got, m.kind+" "+m.nonce+" "+string(m.data))
					}
				}
				if !reflect.DeepEqual(got, tt.want) {
					t.Fatalf("in steps of %d: got %q, want %q", step, got, tt.want)
				}
			}
		})
	}
}

func TestMessageParserReset(t *testing.T) {
	var p messageParser
	p.feed([]byte("out old 100\nabc"))
	p.reset()
	if got := p.feed([]byte("start new 0\n")); len(got) != 1 || got[0].nonce != "new" {
		t.Fatalf("got %+v", got)
	}
}

func TestRunCommand(t *testing.T) {
	c := Case{Argv: []string{"read", "a b", ""}, Timeout: time.Second}
	for _, tt := range []struct {
		name            string
		system, scratch bool
		disks           string
	}{
		{"static program", false, false, "\x00\x00"},
		{"in the system", true, false, "system\x00\x00"},
		{"with a scratch disk", true, true, "system\x00scratch-case-0\x00"},
	} {
		c.System, c.Scratch = tt.system, tt.scratch
		got := string(runCommand("n1", c, "case-0", Filesystem{Type: "gfs2", Options: "noatime"}))
		want := "1000\x001800\x003000\x00case-0\x00gfs2\x00noatime\x00" + tt.disks + "read\x00a b\x00\x00"
		if got != fmt.Sprintf("run n1 %d\n%s", len(want), want) {
			t.Errorf("%s: got %q", tt.name, got)
		}
	}
}

func TestParseHang(t *testing.T) {
	kind, h := parseHang([]byte("refault 5.2\nT 30 30 R\nT 30 35 D\nI 35\ni write /mnt/a b\nb /mnt/c\nb /mnt/d e\nI 36\ni read /mnt/z\n"))
	if want := (&Hang{Livelock: true, Seconds: 5.2, Tasks: []Stack{{PID: 30, State: "R"}, {PID: 35, State: "D",
		IO: &IO{Op: "write", File: "/mnt/a b", Memory: []string{"/mnt/c", "/mnt/d e"}}}}}); kind != hangRefault || !reflect.DeepEqual(h, want) {
		t.Fatalf("got %q %+v", kind, h)
	}
	kind, h = parseHang([]byte("deadlock 1.8\nT 30 30 S\nc my prog\nw do_wait\nf do_wait+0x1/0x2\nf entry+0x3/0x4\nT 30 35 D\nc )(\nw 0\n"))
	want := &Hang{Seconds: 1.8, Tasks: []Stack{
		{PID: 30, Comm: "my prog", State: "S", Wchan: "do_wait", Frames: []string{"do_wait+0x1/0x2", "entry+0x3/0x4"}},
		{PID: 35, Comm: ")(", State: "D"},
	}}
	if kind != "deadlock" || !reflect.DeepEqual(h, want) {
		t.Fatalf("got %q %+v", kind, h)
	}
	for _, odd := range []string{"", "\n", "x\nf y\n", "a b c\nT\nT 1\nc", "deadlock 1\nI 7\ni\nb\nT 1 7 D\nI 7\nb x\ni x\nI x\nc y", "livelock x\nT a b c\n"} {
		parseHang([]byte(odd))
	}
}

func TestConsoleIsBounded(t *testing.T) {
	c := newConsole()
	line := []byte(strings.Repeat("y", 70) + "\r\n")
	for range 20000 {
		_, _ = c.Write(line)
	}
	_, _ = c.Write([]byte("[    5.000000] kernel BUG at fs/x.c:1!\n"))
	for range 20000 {
		_, _ = c.Write(line)
	}
	_, _ = c.Write([]byte("the end"))
	text := c.text()
	if len(text) > 1100<<10 || !bytes.Contains(text, []byte("bytes cut")) || !bytes.HasSuffix(text, []byte("the end\n")) {
		t.Fatalf("%d bytes, ends %q", len(text), text[len(text)-50:])
	}
	if !bytes.Contains(text, []byte("\n[    5.000000] kernel BUG at fs/x.c:1!\n")) {
		t.Fatal("the incident is lost")
	}
}

func TestConsoleStampsAndPanics(t *testing.T) {
	c := newConsole()
	_, _ = c.Write([]byte("SeaBIOS\r\n[    0.10"))
	_, _ = c.Write([]byte("0000] Linux\r\n\x00\xff\x1b[2J\n[    1.0][   T1] Kernel panic - not syncing: x\n"))
	if c.paniced() {
		t.Fatal("panic is over before its end")
	}
	_, _ = c.Write([]byte("---[ end Kernel panic - not syncing: x ]---\n"))
	if !c.paniced() {
		t.Fatal("panic is not over")
	}
	lines := strings.Split(string(c.text()), "\n")
	if !hostStamp.MatchString(lines[0]) || !strings.HasSuffix(lines[0], "] SeaBIOS") || lines[1] != "[    0.100000] Linux" ||
		!hostStamp.MatchString(lines[2]) || lines[3] != "[    1.0][   T1] Kernel panic - not syncing: x" {
		t.Fatalf("got %q", lines)
	}
}

func TestOutputIsBounded(t *testing.T) {
	var o output
	for i := range 100000 {
		o.Write(fmt.Appendf(nil, "line %d\n", i))
	}
	s := o.String()
	if len(s) > 64<<10 || !strings.HasPrefix(s, "line 0\n") || !strings.HasSuffix(s, "line 99999\n") || !strings.Contains(s, "bytes cut") {
		t.Fatalf("%d bytes", len(s))
	}
	large := output{size: 1 << 20}
	for i := range 200000 {
		large.Write(fmt.Appendf(nil, "line %d\n", i))
	}
	if s := large.String(); len(s) > 1<<20 || len(s) < 1000<<10 || !strings.HasSuffix(s, "line 199999\n") {
		t.Fatalf("%d bytes of a MiB", len(s))
	}
	var short output
	short.Write([]byte("all"))
	if short.String() != "all" {
		t.Fatalf("got %q", short.String())
	}
}

func TestStreamFlush(t *testing.T) {
	a, b := socketPair(t)
	var got bytes.Buffer
	s := newStream(a, func(p []byte) { got.Write(p) })
	for i := range 200 {
		if _, err := fmt.Fprintf(b, "%d,", i); err != nil {
			t.Fatal(err)
		}
		s.flush()
		if !strings.HasSuffix(got.String(), fmt.Sprintf("%d,", i)) {
			t.Fatalf("after flush %d: %q", i, got.String())
		}
	}
	_ = b.Close()
	<-s.done
	s.flush() // does not wait for ever
	s.close()
}

func socketPair(t *testing.T) (*net.UnixConn, *net.UnixConn) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b, err := net.DialUnix("unix", nil, l.Addr().(*net.UnixAddr))
	if err != nil {
		t.Fatal(err)
	}
	a, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

func TestInitramfs(t *testing.T) {
	dir := t.TempDir()
	agent, prog := filepath.Join(dir, "a"), filepath.Join(dir, "p")
	for _, p := range []string{agent, prog} {
		if err := os.WriteFile(p, []byte("content of "+filepath.Base(p)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var one, two bytes.Buffer
	if err := writeInitramfs(&one, agent, map[string]string{"y": prog, "x": prog}); err != nil {
		t.Fatal(err)
	}
	if err := writeInitramfs(&two, agent, map[string]string{"x": prog, "y": prog}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one.Bytes(), two.Bytes()) {
		t.Error("equal input, different bytes")
	}
	records, err := cpio.ReadAllRecords(cpio.Newc.Reader(bytes.NewReader(one.Bytes())))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range records {
		names = append(names, r.Name)
	}
	if want := "bin dev mnt proc sys tmp dev/console init bin/x bin/y"; strings.Join(names, " ") != want {
		t.Errorf("got %v, want %s", names, want)
	}
	for _, bad := range []string{"../x", "a/b", "", ".", ".."} {
		if err := writeInitramfs(&two, agent, map[string]string{bad: prog}); err == nil {
			t.Errorf("program name %q is accepted", bad)
		}
	}
}

func TestQcow2IsWhatQEMUReads(t *testing.T) {
	img, err := xec.Find("qemu-img")
	if err != nil {
		t.Skip("qemu-img is not installed")
	}
	dir := t.TempDir()
	raw := filepath.Join(dir, "raw.img")
	if err := os.WriteFile(raw, bytes.Repeat([]byte("seven b"), 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(raw, 7<<20); err != nil {
		t.Fatal(err)
	}
	over := filepath.Join(dir, "over.qcow2")
	if err := overlay(over, raw, 0); err != nil {
		t.Fatal(err)
	}
	if err := (xec.Cmd{Name: img, Args: []string{"check", "-q", over}}).Run(t.Context()); err != nil {
		t.Error(err)
	}
	if err := (xec.Cmd{Name: img, Args: []string{"compare", "-q", over, raw}}).Run(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestQcow2Refuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	for _, size := range []int64{-1, 0, 1 << 60} {
		if writeQcow2(path, "", size) == nil {
			t.Errorf("size %d is accepted", size)
		}
	}
	if writeQcow2(path, "/"+strings.Repeat("x", 1100), 1<<20) == nil {
		t.Error("a long backing name is accepted")
	}
}

func TestMachineKey(t *testing.T) {
	if _, err := xec.Find(emulator); err != nil {
		t.Skip(emulator + " is not installed")
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		return p
	}
	mkfs := write("mkfs.one", "#!/bin/sh\n")
	base := func() Machine {
		return Machine{CPUs: 2, MemoryMB: 256, Accel: TCG,
			Filesystems: []Filesystem{{Name: "a", Type: "a", Mkfs: []string{mkfs, "-q"}, Size: 1 << 20}},
			Programs:    map[string]string{"p": write("p1", "program")}}
	}
	key := func(m Machine) string {
		k, err := m.Key()
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	want := key(base())
	same := base()
	same.Programs["p"] = write("elsewhere", "program")
	same.CPUs, same.MemoryMB, same.Accel = 0, 0, ""
	if key(same) != want {
		t.Error("a program's path, or a default written out, changes the key")
	}
	for name, change := range map[string]func(*Machine){
		"cpus":         func(m *Machine) { m.CPUs = 1 },
		"memory":       func(m *Machine) { m.MemoryMB = 512 },
		"accel":        func(m *Machine) { m.Accel = KVM },
		"program":      func(m *Machine) { m.Programs["p"] = write("p2", "other") },
		"program name": func(m *Machine) { m.Programs = map[string]string{"q": write("p1", "program")} },
		"options":      func(m *Machine) { m.Filesystems[0].Options = "noatime" },
		"size":         func(m *Machine) { m.Filesystems[0].Size = 2 << 20 },
		"mkfs args":    func(m *Machine) { m.Filesystems[0].Mkfs = []string{mkfs} },
		"mkfs program": func(m *Machine) { m.Filesystems[0].Mkfs[0] = write("mkfs.two", "#!/bin/sh\n#\n") },
		"type":         func(m *Machine) { m.Filesystems[0].Type = "b" },
	} {
		m := base()
		change(&m)
		if key(m) == want {
			t.Errorf("%s does not change the key", name)
		}
	}
}

func TestMakeDiskOnce(t *testing.T) {
	dir := t.TempDir()
	mkfs := filepath.Join(dir, "mkfs.test")
	if err := os.WriteFile(mkfs, []byte("#!/bin/sh\necho run >>"+dir+"/count\nprintf made >\"$2\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	f := Filesystem{Name: "test", Mkfs: []string{mkfs, "-q"}, Size: 1 << 20}
	var paths []string
	for range 2 {
		p, err := makeDisk(t.Context(), f, filepath.Join(dir, "cache"))
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	if b, _ := os.ReadFile(dir + "/count"); string(b) != "run\n" || paths[0] != paths[1] {
		t.Fatalf("ran %q, paths %v", b, paths)
	}
	f.Mkfs = []string{"mkfs.no-such-thing"}
	_, err := makeDisk(t.Context(), f, dir)
	var infra *InfraError
	if !errors.As(err, &infra) || infra.Hint == "" {
		t.Fatalf("got %v", err)
	}
	f.Mkfs = []string{"false"}
	if _, err := makeDisk(t.Context(), f, dir); !errors.As(err, &infra) {
		t.Fatalf("got %v", err)
	}
	if left, _ := filepath.Glob(dir + "/mkfs-*"); len(left) > 0 {
		t.Fatalf("left behind: %v", left)
	}
}

func TestCompileStatic(t *testing.T) {
	if _, err := compiler(); err != nil {
		t.Skip(err)
	}
	cache := t.TempDir()
	files := map[string]string{"a.c": "#include \"a.h\"\nint main(void) { return N; }\n", "a.h": "#define N 7\n"}
	p, err := CompileStatic(t.Context(), "a", files, cache)
	if err != nil {
		t.Fatal(err)
	}
	var exit *xec.Error
	if err := (xec.Cmd{Name: p}).Run(t.Context()); !errors.As(err, &exit) || exit.Status != 7 {
		t.Fatalf("got %v", err)
	}
	before, _ := os.Stat(p)
	again, err := CompileStatic(t.Context(), "a", files, cache)
	if err != nil || again != p {
		t.Fatalf("got %q %v", again, err)
	}
	if after, _ := os.Stat(p); !after.ModTime().Equal(before.ModTime()) {
		t.Error("compiled twice")
	}
	files["a.h"] = "#define N 8\n"
	if other, err := CompileStatic(t.Context(), "a", files, cache); err != nil || other == p {
		t.Fatalf("got %q %v", other, err)
	}
	files["a.c"] = "int main(void) { return x; }\n"
	_, err = CompileStatic(t.Context(), "a", files, cache)
	var infra *InfraError
	if !errors.As(err, &infra) || !strings.Contains(err.Error(), "a.c:1") {
		t.Fatalf("got %v", err)
	}
	if _, err := CompileStatic(t.Context(), "a", map[string]string{"../a.c": ""}, cache); err == nil {
		t.Fatal("a path as file name is accepted")
	}
	if left, _ := filepath.Glob(cache + "/cc-*"); len(left) > 0 {
		t.Fatalf("left behind: %v", left)
	}
}

func TestNoCompiler(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := CompileStatic(t.Context(), "a", map[string]string{"a.c": ""}, t.TempDir())
	var infra *InfraError
	if !errors.As(err, &infra) || infra.Hint == "" {
		t.Fatalf("got %v", err)
	}
}

func TestInstructionPointers(t *testing.T) {
	regs := "\nCPU#0\nRAX=0000000000000000 RBX=ffff888000000000\nR14=00 R15=00 RIP=ffffffff81000010 RFL=00000246 [---Z-P-]\nCPU#1\nRIP=00000000004016e6 RFL=0\n"
	if got := instructionPointers(regs); !reflect.DeepEqual(got, []uint64{0xffffffff81000010, 0x4016e6}) {
		t.Fatalf("got %x", got)
	}
}

func TestSymbols(t *testing.T) {
	cc, err := compiler()
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	source := "int marker(int x) { return x + 1; }\nint main(void) { return marker(1); }\n"
	err = xec.Cmd{Name: cc, Args: []string{"-O0", "-static", "-o", filepath.Join(dir, "a"), "-x", "c", "-"}, Stdin: strings.NewReader(source)}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := readSymbols(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(s.funcs, func(f elf.Symbol) bool { return f.Name == "marker" })
	if i < 0 {
		t.Fatal("marker is not among the symbols")
	}
	f := s.funcs[i]
	if got, want := s.name(f.Value+2), fmt.Sprintf("marker+0x2/%#x", f.Size); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, addr := range []uint64{0, 1, 1 << 63} {
		if got := s.name(addr); got != fmt.Sprintf("%#x", addr) {
			t.Errorf("got %q", got)
		}
	}
}

func TestCPULog(t *testing.T) {
	base := time.Now()
	l := cpuLog{}
	for i := range 10 {
		l.at = append(l.at, base.Add(time.Duration(i)*time.Second))
		l.total = append(l.total, time.Duration(i)*500*time.Millisecond)
	}
	if got := l.used(base.Add(9*time.Second), 4*time.Second); got != 2*time.Second {
		t.Errorf("got %v", got)
	}
	if got := (&cpuLog{}).used(base, time.Second); got != 0 {
		t.Errorf("got %v", got)
	}
	if d, ok := cpuTime(os.Getpid()); !ok || d < 0 {
		t.Errorf("got %v %v", d, ok)
	}
}

func TestStarved(t *testing.T) {
	for _, tt := range []struct {
		ran, waited time.Duration
		want        bool
	}{
		{20 * time.Second, 5 * time.Second, false},
		{5 * time.Second, 10 * time.Second, false}, // a third: a busy host, but it ran
		{time.Second, 19 * time.Second, true},
		{0, 500 * time.Millisecond, false}, // it wanted hardly anything: it was asleep
	} {
		before := turns{time.Hour, time.Minute}
		if got := starved(before, turns{before.ran + tt.ran, before.waited + tt.waited}); got != tt.want {
			t.Errorf("ran %v, waited %v: %v", tt.ran, tt.waited, got)
		}
	}
	begin := turnsOf(os.Getpid())
	for start := time.Now(); time.Since(start) < 50*time.Millisecond; {
		_ = make([]byte, 1)
	}
	if end := turnsOf(os.Getpid()); end.ran <= begin.ran {
		t.Errorf("%v, then %v: a loop of 50 ms is not seen", begin, end)
	}
}

// A run notes where in its console the case began: what the mount printed is before, what the case does after.
func TestRunNotesWhereTheCaseBegan(t *testing.T) {
	r := &run{console: newConsole()}
	mount := "[    1.200000] EXT4-fs (vda): mounted filesystem\n"
	_, _ = r.console.Write([]byte(mount))
	if done, err := r.message(message{kind: "mounted"}); done || err != nil {
		t.Fatal(done, err)
	}
	_, _ = r.console.Write([]byte("[    1.300000] kernel BUG at fs/x.c:1!\n"))
	if text := string(r.console.text()); text[r.o.CaseAt:] != "[    1.300000] kernel BUG at fs/x.c:1!\n" {
		t.Errorf("it began at %d of %q", r.o.CaseAt, text)
	}
	_, _ = r.console.Write([]byte(strings.Repeat(mount, consoleHead/len(mount)+1)))
	if _, _ = r.message(message{kind: "mounted"}); r.o.CaseAt != 0 {
		t.Errorf("an offset of a text that may still be cut: %d", r.o.CaseAt)
	}
}

// What looked like a livelock and came to a good end got on: it was slow. A bad end says nothing of that, nor does one that came before.
func TestGoodEndIsNoLivelock(t *testing.T) {
	livelock := &Hang{Livelock: true}
	for _, tt := range []struct {
		hang   *Hang
		end    string
		hangs  bool
		before bool // the end came before the hang, which is that of unmounting
	}{
		{livelock, "0 0", false, false}, {livelock, "1 0", true, false}, {livelock, "0 9", true, false}, {&Hang{}, "0 0", true, false}, {livelock, "0 0", true, true},
	} {
		r := &run{console: newConsole()}
		if !tt.before {
			r.o.Hang, r.stuck = tt.hang, true
		}
		if done, err := r.message(message{kind: "exit", data: []byte(tt.end)}); done || err != nil {
			t.Fatal(done, err)
		}
		if tt.before {
			r.o.Hang, r.stuck = tt.hang, true
		}
		if (r.o.Hang != nil) != tt.hangs || r.stuck != tt.hangs {
			t.Errorf("%+v: hang %v, stuck %t", tt, r.o.Hang, r.stuck)
		}
	}
}
