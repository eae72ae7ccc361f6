package testplan

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seriesctl/seriesctl/qemu"
)

func TestEmbeddedPlan(t *testing.T) {
	p, err := Load("mmap-deadlock")
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "mmap-deadlock" || p.Runs != 1 || p.Confirm != 2 || p.VM != (VM{CPUs: 2, MemoryMB: 256}) {
		t.Errorf("got %+v", p)
	}
	if want := (Kernel{Arch: "x86_64", Config: "tinyconfig", Fragments: []string{"vm", "gfs2", "ext4"}}); !reflect.DeepEqual(p.Kernel, want) {
		t.Errorf("got %+v, want %+v", p.Kernel, want)
	}
	fs := p.Filesystems[0]
	if fs.Name != "gfs2" || fs.Type != "gfs2" || fs.Mkfs[0] != "mkfs.gfs2" || fs.Size != 64<<20 || len(p.Filesystems) != 2 {
		t.Errorf("got %+v", p.Filesystems)
	}
	byName := make(map[string]Case)
	hashes := make(map[string]string)
	for _, c := range p.Cases {
		byName[c.Name] = c
		if other, ok := hashes[c.Hash]; ok {
			t.Errorf("%s and %s have one hash", c.Name, other)
		}
		hashes[c.Hash] = c.Name
	}
	for _, name := range []string{"sanity", "read-self", "write-self", "dio-read-self-hole", "dio-read-self-data", "dio-write-self-hole",
		"dio-write-self-data", "dio-write-onto-itself", "readv-self", "writev-self", "cross-read", "cross-write"} {
		for _, fs := range []string{"gfs2", "ext4"} {
			c, ok := byName[fs+"/"+name]
			if !ok {
				t.Errorf("no case %s/%s", fs, name)
				continue
			}
			if c.Filesystem != fs || c.Run.Filesystem != fs || c.Run.Argv[0] != c.Reproducer || c.Run.Timeout != 10*time.Second || c.Runs != 1 {
				t.Errorf("got %+v", c)
			}
		}
	}
	if c := byName["gfs2/dio-read-self-hole"]; !reflect.DeepEqual(c.Run.Argv, []string{"dio-read-self", "hole"}) {
		t.Errorf("got %v", c.Run.Argv)
	}
}

// TestWholeCatalogue: what is in the catalogue is in the plan that says it has all of it.
func TestWholeCatalogue(t *testing.T) {
	p, err := Load("page-faults")
	if err != nil {
		t.Fatal(err)
	}
	programs := p.Programs()
	for _, r := range Catalogue() {
		if _, ok := programs[r.Name]; !ok {
			t.Errorf("page-faults has no %s", r.Name)
		}
	}
}

const minimal = `filesystems: {ext4: {mkfs: mkfs.ext4 -q, size: 64M}}
cases: [{reproducer: sanity}]
`

func parseText(text string) (*Plan, error) { return parse("p.yaml", "/nowhere", []byte(text)) }

func TestPlanDefaults(t *testing.T) {
	p, err := parseText(minimal)
	if err != nil {
		t.Fatal(err)
	}
	sanity, _ := reproducer("sanity")
	want := &Plan{
		Name: "p", Kernel: Kernel{Arch: "x86_64", Config: "tinyconfig", Fragments: []string{"vm", "ext4"}}, VM: VM{CPUs: 2, MemoryMB: 256}, Checks: []string{qemu.CheckPatch}, Runs: 1, Confirm: 2,
		Filesystems: []qemu.Filesystem{{Name: "ext4", Type: "ext4", Mkfs: []string{"mkfs.ext4", "-q"}, Size: 64 << 20}},
		Cases: []Case{{Name: "ext4/sanity", Reproducer: "sanity", Filesystem: "ext4", Runs: 1, Hash: p.Cases[0].Hash, Program: sanity.Source,
			Run: qemu.Case{Argv: []string{"sanity"}, Filesystem: "ext4", Timeout: 10 * time.Second}}},
	}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got  %+v\nwant %+v", p, want)
	}
}

func TestPlanEverything(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"base", "more.config"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "mine.yaml")
	text := `name: mine
description: |
  Two lines
  of text.
kernel:
  arch: x86_64
  config: base
  fragments: [vm, more.config]
  options: [CONFIG_LOCKDEP=y, 'CONFIG_CMDLINE="x y"', CONFIG_NR_CPUS=8, CONFIG_SMP=n]
vm: {cpus: 4, memory: 1G}
runs: 3
confirm: 5
timeout: 1m
filesystems:
  big:
    type: ext4
    mkfs: [mkfs.ext4, -L, two words]
    options: noatime,data=journal
    size: 2GiB
  gfs2: {mkfs: mkfs.gfs2, size: 128M}
cases:
  - {reproducer: read-self, args: private, name: rsp, filesystems: [gfs2], timeout: 500ms, runs: 7, expect: fail EFAULT}
  - reproducer: sanity
  - {reproducer: write-self, except: [gfs2]}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if k := (Kernel{Arch: "x86_64", Config: filepath.Join(dir, "base"), Fragments: []string{"vm", filepath.Join(dir, "more.config")},
		Options: []string{"CONFIG_LOCKDEP=y", `CONFIG_CMDLINE="x y"`, "CONFIG_NR_CPUS=8", "CONFIG_SMP=n"}}); !reflect.DeepEqual(p.Kernel, k) {
		t.Errorf("got %+v", p.Kernel)
	}
	if p.VM != (VM{4, 1024}) || p.Runs != 3 || p.Confirm != 5 || p.Description != "Two lines\nof text." {
		t.Errorf("got %+v", p)
	}
	if fs := p.Filesystems[0]; fs.Type != "ext4" || fs.Mkfs[2] != "two words" || fs.Size != 2<<30 || fs.Options != "noatime,data=journal" {
		t.Errorf("got %+v", fs)
	}
	var names []string
	for _, c := range p.Cases {
		names = append(names, c.Name)
	}
	if got := strings.Join(names, " "); got != "big/sanity big/write-self gfs2/rsp gfs2/sanity" {
		t.Errorf("got %s", got)
	}
	c := p.Cases[2]
	if c.Run.Timeout != 500*time.Millisecond || c.Runs != 7 || c.Expect.String() != "fail EFAULT" || c.Run.Argv[1] != "private" {
		t.Errorf("got %+v", c)
	}
	b, err := json.Marshal(p.Cases)
	if err != nil || strings.Count(string(b), `"expect":"fail EFAULT"`) != 1 || strings.Count(string(b), `"expect"`) != 1 {
		t.Errorf("got %s %v", b, err)
	}
}

func TestPlanErrors(t *testing.T) {
	fs := "filesystems: {ext4: {mkfs: mkfs.ext4, size: 64M}}\n"
	cases := "cases: [{reproducer: sanity}]\n"
	for name, tc := range map[string]struct {
		text      string
		line, col int
		reason    string // a part of it
		hint      string // a part of it
	}{
		"empty":                  {"", 1, 1, "empty", ""},
		"comment only":           {"# nothing\n", 1, 1, "", ""},
		"a word":                 {"hello\n", 1, 1, "want keys and values, got a word", ""},
		"null":                   {"~\n", 1, 1, "got nothing", ""},
		"syntax":                 {fs + "cases: [\n  {reproducer: sanity\n", 3, 3, "did not find", ""},
		"tab":                    {"name: x\n\tvm: {}\n", 2, 2, "tab character", ""},
		"two documents":          {fs + cases + "---\nname: y\n", 3, 1, "second YAML document", ""},
		"unknown key":            {fs + cases + "kernal: {}\n", 3, 1, `unknown key "kernal"`, "did you mean kernel or kernels?"},
		"unknown key, none near": {fs + cases + "zzzzzzz: {}\n", 3, 1, `unknown key "zzzzzzz"`, "there is: name, "},
		"key twice":              {"name: a\nname: b\n" + fs + cases, 2, 1, `key "name" twice`, ""},
		"nested unknown":         {fs + cases + "vm:\n  cpus: 2\n  memroy: 1G\n", 5, 3, `vm: unknown key "memroy"`, "memory"},
		"anchor":                 {"name: &a x\n" + fs + cases, 1, 7, "anchors", ""},
		"alias":                  {"vm: {cpus: 1}\ndescription: *a\n", 2, 14, "", ""},
		"kernel and kernels":     {fs + cases + "kernel: {config: defconfig}\nkernels: [{config: defconfig}]\n", 4, 10, "plan: kernel and kernels", "write them all"},
		"kernel twice":           {fs + cases + "kernels:\n- {name: a}\n- {name: a}\n", 5, 3, `kernel "a" twice`, "another name"},
		"two without a name":     {fs + cases + "kernels:\n- {config: defconfig}\n- {config: tinyconfig}\n", 5, 3, `kernel "" twice`, "one may have none"},
		"no kernels":             {fs + cases + "kernels: []\n", 3, 10, "want at least one", ""},
		"a kernel's name":        {fs + cases + "kernel: {name: a}\n", 3, 10, `kernel: unknown key "name"`, ""},
		"unknown check":          {fs + cases + "checks: [W=2]\n", 3, 10, `unknown check "W=2"`, "W=1"},
		"another architecture":   {fs + cases + "kernel: {arch: arm64}\n", 3, 16, "arch: arm64 can't be run here", "x86_64"},
		"no vm":                  {fs + cases + "kernel: {fragments: [ext4]}\n", 3, 9, "kernel: tinyconfig without the fragment vm does not boot", "fragments: [ext4, vm]"},
		"no vm on defconfig":     {fs + cases + "kernel: {config: defconfig, fragments: [ext4]}\n", 3, 9, "kernel: defconfig without the fragment vm", "fragments: [ext4, vm]"},
		"no vm in the second":    {fs + cases + "kernels:\n- {config: defconfig}\n- {name: a, fragments: []}\n", 5, 3, "without the fragment vm", "fragments: [vm]"},
		"vm switched off":        {fs + cases + "kernel: {options: [CONFIG_VIRTIO_CONSOLE=n]}\n", 3, 9, "without CONFIG_VIRTIO_CONSOLE it does not boot", "leave it on"},
		"no such fragment":       {fs + cases + "kernel: {fragments: [vm, ext5]}\n", 3, 26, `there is no fragment "ext5"`, "ext4"},
		"no such file system":    {"filesystems: {ext4: {mkfs: m, size: 1M}, xfs: {mkfs: m, size: 1M}}\n" + cases + "kernel: {fragments: [vm, ext4]}\n", 3, 9, "file system xfs: kernel has no CONFIG_XFS_FS", "fragments: [vm, ext4, xfs]"},
		"file system off":        {fs + cases + "kernel: {config: defconfig, options: [CONFIG_EXT4_FS=n]}\n", 3, 9, "no CONFIG_EXT4_FS", ""},
		"option twice":           {fs + cases + "kernel: {options: [CONFIG_SMP=y, CONFIG_SMP=n]}\n", 3, 34, "CONFIG_SMP twice", ""},
		"no such errno":          {fs + "cases: [{reproducer: sanity, expect: fail EFALT}]\n", 2, 38, "there is no error EFALT", "EFAULT"},
		"errno of a hang":        {fs + "cases: [{reproducer: sanity, expect: deadlock EFAULT}]\n", 2, 38, "a deadlock has no error", "fail EFAULT"},
		"timeout 0":              {fs + cases + "timeout: 0s\n", 3, 10, "100ms to 1h", ""},
		"merge key":              {fs + cases + "vm:\n  <<: {cpus: 1}\n", 4, 3, `unknown key "<<"`, ""},
		"no cases":               {fs, 1, 1, "no cases", ""},
		"no file systems":        {cases, 1, 1, "no filesystems", ""},
		"empty cases":            {fs + "cases: []\n", 2, 8, "at least one", ""},
		"empty file systems":     {"filesystems: {}\n" + cases, 1, 14, "at least one", ""},
		"case without":           {fs + "cases:\n  - name: x\n", 3, 5, "no reproducer", ""},
		"unknown reproducer":     {fs + "cases:\n  - reproducer: read-slef\n", 3, 17, `unknown reproducer "read-slef"`, "read-self"},
		"case twice":             {fs + "cases:\n  - reproducer: sanity\n  - reproducer: sanity\n", 4, 5, "case ext4/sanity twice", "another name"},
		"same file system twice": {fs + "cases: [{reproducer: sanity, filesystems: [ext4, ext4]}]\n", 2, 9, "twice", ""},
		"unknown file system":    {fs + "cases: [{reproducer: sanity, filesystems: [ext3]}]\n", 2, 44, `no file system "ext3"`, "ext4"},
		"no file system":         {fs + "cases: [{reproducer: sanity, filesystems: []}]\n", 2, 43, "at least one", ""},
		"unknown exception":      {fs + "cases: [{reproducer: sanity, except: [ext3]}]\n", 2, 39, `no file system "ext3"`, "ext4"},
		"all excepted":           {fs + "cases: [{reproducer: sanity, except: [ext4]}]\n", 2, 9, "on no file system", ""},
		"bad case name":          {fs + "cases: [{reproducer: sanity, name: a/b}]\n", 2, 36, `case name "a/b"`, ""},
		"bad name from args":     {fs + "cases: [{reproducer: huge-read, args: " + strings.Repeat("direct ", 8) + "}]\n", 2, 9, `case name "huge-read-direct-`, ""},
		"bad timeout":            {fs + cases + "timeout: 10\n", 3, 10, "100ms to 1h", ""},
		"long timeout":           {fs + cases + "timeout: 2h\n", 3, 10, "100ms to 1h", ""},
		"bad expect":             {fs + "cases: [{reproducer: sanity, expect: fial}]\n", 2, 38, `unknown outcome "fial"`, "fail EFAULT"},
		"infra expected":         {fs + "cases: [{reproducer: sanity, expect: infra}]\n", 2, 38, "unknown outcome", ""},
		"runs not a number":      {fs + cases + "runs: many\n", 3, 7, "1 to 1000", ""},
		"runs negative":          {fs + cases + "runs: -1\n", 3, 7, "1 to 1000", ""},
		"runs a list":            {fs + cases + "runs: [1]\n", 3, 7, "want a word, got a list", ""},
		"confirm huge":           {fs + cases + "confirm: 99999999999999999999\n", 3, 10, "1 to 1000", ""},
		"cpus":                   {fs + cases + "vm: {cpus: 0}\n", 3, 12, "1 to 64", ""},
		"memory without unit":    {fs + cases + "vm: {memory: 256}\n", 3, 14, "like 256M", ""},
		"memory too small":       {fs + cases + "vm: {memory: 1M}\n", 3, 14, "want 64M to 64G", ""},
		"size huge":              {"filesystems: {x: {mkfs: m, size: 999999999T}}\n" + cases, 1, 34, "want 1M to 1T", ""},
		"no mkfs":                {"filesystems: {x: {size: 1M}}\n" + cases, 1, 15, "no mkfs", ""},
		"empty mkfs":             {"filesystems: {x: {mkfs: '', size: 1M}}\n" + cases, 1, 25, "want a program", ""},
		"no size":                {"filesystems: {x: {mkfs: m}}\n" + cases, 1, 15, "no size", ""},
		"file system name":       {"filesystems: {../x: {mkfs: m, size: 1M}}\n" + cases, 1, 15, `"../x"`, ""},
		"file system type":       {"filesystems: {x: {mkfs: m, size: 1M, type: a b}}\n" + cases, 1, 44, "mount -t", ""},
		"no config file":         {fs + cases + "kernel: {config: none.config}\n", 3, 18, "no such file", ""},
		"no fragment file":       {fs + cases + "kernel: {fragments: [none.config]}\n", 3, 22, "no such file", ""},
		"fragment":               {fs + cases + "kernel: {fragments: [../x]}\n", 3, 22, `"../x"`, ""},
		"option":                 {fs + cases + "kernel: {options: [LOCKDEP=y]}\n", 3, 20, "CONFIG_NAME=value", ""},
		"option of two lines":    {fs + cases + "kernel: {options: [\"CONFIG_A=y\\nCONFIG_B=y\"]}\n", 3, 20, "CONFIG_NAME=value", ""},
		"control character":      {fs + cases + "description: \"a\\x1b[2J\"\n", 3, 14, "control character", ""},
		"non-word key":           {"[a]: b\n" + fs + cases, 1, 1, "a key must be a word", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := parseText(tc.text)
			var pe *PlanError
			if !errors.As(err, &pe) {
				t.Fatalf("got %+v, %v", p, err)
			}
			if pe.Line != tc.line || pe.Column != tc.col || !strings.Contains(pe.Reason, tc.reason) || !strings.Contains(pe.Hint(), tc.hint) {
				t.Errorf("got %v (hint %q)\nwant %d:%d …%s… (hint …%s…)", pe, pe.Hint(), tc.line, tc.col, tc.reason, tc.hint)
			}
			if !strings.HasPrefix(err.Error(), "load plan: p.yaml:") || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %q", err)
			}
		})
	}
}

func TestLoadFileErrors(t *testing.T) {
	dir := t.TempDir()
	big := filepath.Join(dir, "big.yaml")
	if err := os.WriteFile(big, []byte(strings.Repeat("#", maxPlan+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ path, want, hint string }{
		"missing":   {filepath.Join(dir, "none.yaml"), "no such file or directory", "mmap-deadlock"},
		"directory": {dir, "not a file", ""},
		"too large": {big, "at most 1048576", ""},
	} {
		_, err := Load(tc.path)
		var pe *PlanError
		if !errors.As(err, &pe) || err.Error() != "load plan: "+tc.path+": "+pe.Reason || !strings.Contains(pe.Reason, tc.want) || !strings.Contains(pe.Hint(), tc.hint) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestSelect(t *testing.T) {
	p, err := Load("mmap-deadlock")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		globs []string
		want  string
		fs    int
	}{
		"one":               {[]string{"gfs2/read-self"}, "gfs2/read-self", 1},
		"all file systems":  {[]string{"read-self"}, "gfs2/read-self ext4/read-self", 2},
		"glob":              {[]string{"gfs2/dio-*-hole"}, "gfs2/dio-read-self-hole gfs2/dio-write-self-hole", 1},
		"two, plan's order": {[]string{"ext4/sanity", "gfs2/cross-read", "gfs2/cross-re?d"}, "gfs2/cross-read ext4/sanity", 2},
	} {
		got, err := p.Select(tc.globs)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var names []string
		for _, c := range got.Cases {
			names = append(names, c.Name)
		}
		if strings.Join(names, " ") != tc.want || len(got.Filesystems) != tc.fs {
			t.Errorf("%s: got %v, %d file systems", name, names, len(got.Filesystems))
		}
	}
	if got, err := p.Select(nil); err != nil || len(got.Cases) != len(p.Cases) {
		t.Errorf("no globs: got %v", err)
	}
	for glob, hint := range map[string]string{"gfs2/raed-self": "gfs2/read-self", "read-slef": "read-self", "[": "stand for", "xfs/*": ""} {
		_, err := p.Select([]string{"sanity", glob})
		var se *SelectError
		if !errors.As(err, &se) || se.Glob != glob || !strings.Contains(se.Hint(), hint) {
			t.Errorf("%s: got %v (hint %q)", glob, err, se.Hint())
		}
	}
}

func TestCaseHash(t *testing.T) {
	base, err := parseText(minimal)
	if err != nil {
		t.Fatal(err)
	}
	for text, same := range map[string]bool{
		strings.Replace(minimal, "ext4:", "other: {type: ext4, mkfs: x, size: 1M}, ext4:", 1): true,
		strings.Replace(minimal, "{ext4: {", "{e: {type: ext4, ", 1):                          true,
		strings.Replace(minimal, "sanity}", "sanity, name: other, runs: 9}", 1):               true,
		strings.Replace(minimal, "sanity}", "sanity, expect: fail}", 1):                       true,
		strings.Replace(minimal, "sanity}", "sanity, timeout: 11s}", 1):                       false,
		strings.Replace(minimal, "sanity}", "read-self}", 1):                                  false,
		strings.Replace(minimal, "64M", "65M", 1):                                             false,
		strings.Replace(minimal, "-q", "-F", 1):                                               false,
		strings.Replace(minimal, "64M", "64M, options: noatime", 1):                           false,
	} {
		p, err := parseText(text)
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if got := p.Cases[len(p.Cases)-1].Hash == base.Cases[0].Hash; got != same {
			t.Errorf("same hash: %v, want %v:\n%s", got, same, text)
		}
	}
	p, err := parseText(strings.Replace(minimal, "{reproducer: sanity}", "{reproducer: read-self}, {reproducer: read-self, args: private}", 1))
	if err != nil || p.Cases[0].Hash == p.Cases[1].Hash {
		t.Errorf("arguments do not count: %v, %v", p, err)
	}
}

func TestExpect(t *testing.T) {
	j := func(o Outcome, s string) Judgement { return Judgement{Outcome: o, Signature: s} }
	for _, tc := range []struct {
		expect string
		j      Judgement
		met    bool
	}{
		{"pass", j(Pass, ""), true},
		{"pass", j(Warn, "x"), false},
		{"fail", j(Fail, "read EIO"), true},
		{"fail EFAULT", j(Fail, "read EFAULT"), true},
		{"fail EFAULT", j(Fail, "read EIO"), false},
		{"fail EFAULT", j(Fail, "read XEFAULT"), false},
		{"fail EFAULT", j(Pass, ""), false},
		{"fail read EFAULT", j(Fail, "read EFAULT"), true},
		{"fail write EFAULT", j(Fail, "read EFAULT"), false},
		{"deadlock gfs2_fault", j(Deadlock, "gfs2_fault+gfs2_page_mkwrite"), true},
		{"timeout", j(Infra, ""), false},
	} {
		e, err := ParseExpect(tc.expect)
		if err != nil || e.Met(tc.j) != tc.met || e.String() != tc.expect {
			t.Errorf("%s (%s): met by %v: %v, %v", tc.expect, e, tc.j, e.Met(tc.j), err)
		}
		var back Expect
		if err := back.UnmarshalText([]byte(e.String())); err != nil || !reflect.DeepEqual(back, e) {
			t.Errorf("%s: read back as %+v, %v", tc.expect, back, err)
		}
	}
	for _, bad := range []string{"", " ", "pass EFAULT", "infra", "ok"} {
		if _, err := ParseExpect(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func FuzzPlan(f *testing.F) {
	f.Add(minimal)
	f.Add(readEmbedded("plans/mmap-deadlock.yaml"))
	f.Add("filesystems: {a: &a {mkfs: m, size: 1M}, b: *a}\ncases: []\n")
	f.Add("? [a]\n: {b: c}\n--- \n...\n")
	f.Add("name: !!binary aGVsbG8=\nruns: 0x10\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parse("p.yaml", "", []byte(text))
		if err != nil {
			var pe *PlanError
			if !errors.As(err, &pe) || pe.Line < 1 || pe.Column < 1 || pe.Reason == "" || p != nil {
				t.Fatalf("got %v %+v", p, err)
			}
			return
		}
		if len(p.Cases) == 0 || len(p.Filesystems) == 0 || p.Runs < 1 || p.Confirm < 1 {
			t.Fatalf("got %+v", p)
		}
		for _, c := range p.Cases {
			if strings.Count(c.Name, "/") != 1 || strings.Contains(c.Name, "..") && !namePattern.MatchString(strings.Replace(c.Name, "/", "", 1)) || c.Hash == "" {
				t.Fatalf("got case %+v", c)
			}
		}
	})
}

func TestKernelsOfAPlan(t *testing.T) {
	p, err := parse("p.yaml", "", []byte(`kernels:
  - fragments: [vm, gfs2, ext4]
  - {name: debug, config: defconfig, fragments: [vm, gfs2, debug]}
checks: [sparse, W=1, sparse]
filesystems:
  gfs2: {mkfs: mkfs.gfs2, size: 64M}
  ext4: {mkfs: mkfs.ext4, size: 64M}
cases:
  - reproducer: sanity
  - {reproducer: read-self, filesystems: [gfs2]}
`))
	if err != nil {
		t.Fatal(err)
	}
	names := func(p *Plan) string {
		var out []string
		for _, c := range p.Cases {
			out = append(out, c.Name)
		}
		return strings.Join(out, " ")
	}
	const plain, debug = "gfs2/sanity gfs2/read-self ext4/sanity", "debug:gfs2/sanity debug:gfs2/read-self debug:ext4/sanity"
	if got := names(p); got != plain+" "+debug {
		t.Errorf("got %s", got)
	}
	if len(p.Kernels) != 1 || p.Kernels[0].Name != "debug" || p.Kernels[0].Config != "defconfig" || p.Kernel.Name != "" || p.Kernel.Config != "tinyconfig" {
		t.Errorf("got %+v, %+v", p.Kernel, p.Kernels)
	}
	if !reflect.DeepEqual(p.Checks, []string{"sparse", "W=1"}) {
		t.Errorf("checks %v", p.Checks)
	}
	if a, b := p.Of(p.Kernel), p.Of(p.Kernels[0]); names(a) != plain || names(b) != debug || b.Kernel.Name != "debug" || b.Kernels != nil {
		t.Errorf("got %s; %s", names(a), names(b))
	}
	if p.Cases[0].Hash != p.Cases[3].Hash || p.Cases[3].Group() != "debug:gfs2" {
		t.Errorf("got %+v", p.Cases[3])
	}
	for globs, want := range map[string]string{
		"gfs2/sanity": "gfs2/sanity debug:gfs2/sanity", "debug:gfs2/*": "debug:gfs2/sanity debug:gfs2/read-self", "read-self": "gfs2/read-self debug:gfs2/read-self",
	} {
		s, err := p.Select([]string{globs})
		if err != nil || names(s) != want {
			t.Errorf("%s: %v, %v", globs, names(s), err)
		}
	}
	s, err := p.Select([]string{"debug:gfs2/sanity"})
	if err != nil || s.Kernel.Name != "debug" || len(s.Kernels) != 0 {
		t.Errorf("got %+v, %v", s, err)
	}
}

// TestDefaultFragments: a kernel that names none has what its file systems take; a .config file is left as it is.
func TestDefaultFragments(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"mine": "CONFIG_EXT4_FS=y\nCONFIG_PVH=y\nCONFIG_SERIAL_8250_CONSOLE=y\n", "off": "# CONFIG_PVH is not set\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rest := "filesystems: {a: {type: ext4, mkfs: m, size: 1M}, b: {type: ext4, mkfs: m, size: 1M}, tmpfs: {type: tmpfs}, vfat: {mkfs: m, size: 1M}}\ncases: [{reproducer: sanity, except: [tmpfs]}]\n"
	for kernel, want := range map[string]string{
		"":                              "vm ext4",
		"kernel: {config: defconfig}\n": "vm ext4",
		"kernels: [{fragments: [vm, ext4, debug]}, {name: x}]\n": "vm ext4 debug|vm ext4",
		"kernel: {config: mine}\n":                               "",
	} {
		p, err := parse("p.yaml", dir, []byte(kernel+rest))
		if err != nil {
			t.Errorf("%s: %v", kernel, err)
			continue
		}
		got := strings.Join(p.Kernel.Fragments, " ")
		for _, k := range p.Kernels {
			got += "|" + strings.Join(k.Fragments, " ")
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", kernel, got, want)
		}
	}
	if _, err := parse("p.yaml", dir, []byte("kernel: {config: off}\n"+rest)); err == nil || !strings.Contains(err.Error(), "off without the fragment vm does not boot") {
		t.Errorf("got %v", err)
	}
}

func TestPlanWarnings(t *testing.T) {
	const fs = "filesystems: {ext4: {mkfs: mkfs.ext4 -q, size: 64M}}\n"
	const sanity = "cases: [{reproducer: sanity}]\n"
	for name, tc := range map[string]struct{ text, want, hint string }{
		"nothing":           {fs + sanity, "", ""},
		"a relative":        {"filesystems: {ext3: {type: ext4, mkfs: mkfs.ext3 -q, size: 64M}}\n" + sanity, "", ""},
		"another program":   {"filesystems: {ext4: {mkfs: /sbin/mkfs.xfs -f, size: 64M}}\n" + sanity, "file system ext4: /sbin/mkfs.xfs makes no ext4", "type: xfs"},
		"KASAN":             {fs + sanity + "kernel: {fragments: [vm, ext4, kasan]}\n", "kernel: KASAN does not boot in 256 MiB of memory", "memory: 512M"},
		"KASAN with memory": {fs + sanity + "kernel: {fragments: [vm, ext4, kasan]}\nvm: {memory: 512M}\n", "", ""},
		"no userfaultfd":    {fs + "cases: [{reproducer: uffd-slow, args: read}, {reproducer: uffd-slow, args: write}]\n", "uffd-slow: kernel has no CONFIG_USERFAULTFD", "add userfaultfd"},
		"userfaultfd":       {fs + "kernel: {fragments: [vm, ext4, userfaultfd]}\ncases: [{reproducer: uffd-slow, args: read}]\n", "", ""},
		"defconfig has it":  {fs + "kernel: {config: defconfig}\ncases: [{reproducer: huge-read}]\n", "", ""},
		"an idle one":       {"filesystems: {ext4: {mkfs: mkfs.ext4, size: 64M}, tmpfs: {type: tmpfs}}\ncases: [{reproducer: sanity, filesystems: [ext4]}]\n", "file system tmpfs: no case is on it", ""},
		"twins":             {fs + "cases: [{reproducer: sanity}, {reproducer: sanity, name: again}]\n", "case ext4/again is the same as ext4/sanity", "leave one out"},
		"a kernel's":        {fs + "kernels: [{fragments: [vm, ext4, fuse]}, {name: b}]\ncases: [{reproducer: fuse-slow, args: read}]\n", `fuse-slow: kernel "b" has no CONFIG_FUSE_FS`, "add fuse"},
	} {
		p, err := parseText(tc.text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, hint := "", ""
		for _, w := range p.Warnings() {
			got, hint = strings.TrimPrefix(got+"; "+w.Text, "; "), w.Hint
		}
		if got != tc.want || !strings.Contains(hint, tc.hint) {
			t.Errorf("%s: got %q (hint %q), want %q", name, got, hint, tc.want)
		}
	}
	for _, name := range Plans() {
		p, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if w := p.Warnings(); len(w) > 0 {
			t.Errorf("%s: %v", name, w)
		}
	}
}
