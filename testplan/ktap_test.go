package testplan

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/seriesctl/seriesctl/qemu"
)

// said writes a KTAP in short: "ok a|FAIL b SKIP reason", then what is wrong with the whole.
func said(k *KTAP) string {
	var parts []string
	for _, s := range k.Results {
		p := "FAIL "
		if s.OK {
			p = "ok "
		}
		p = strings.TrimSpace(p + s.Name + " " + strings.TrimSpace(s.Kind+" "+s.Reason))
		if s.Said != "" {
			p += ": " + s.Said
		}
		parts = append(parts, p)
	}
	for _, s := range k.Suites {
		parts = append(parts, "suite "+s)
	}
	if k.Lost != "" {
		parts = append(parts, "lost "+k.Lost)
	}
	if k.Bail != "" {
		parts = append(parts, k.Bail)
	}
	if k.Cut {
		parts = append(parts, "cut")
	}
	return strings.Join(parts, "|")
}

func TestParseKTAP(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"nothing", "", ""},
		{"no KTAP", "hello\nok then\n  ok is it\n", "ok then"}, // a result without a number is one
		{"flat", "KTAP version 1\n1..3\nok 1 a\nnot ok 2 - b\nok 3 c d\n", "ok a|FAIL b|ok c_d"},
		{"TAP 13, plan last", "TAP version 13\nok 1 a\nok 2 b\n1..2\n", "ok a|ok b"},
		{"CRLF and blanks", "KTAP version 1\r\n1..1\r\nok 1 a \r\n", "ok a"},
		{"no names, no numbers", "1..3\nok 1\nnot ok\nok 3 # SKIP\n", "ok 1|FAIL 2|ok 3 SKIP"},
		{"the name behind the directive", "1..2\nok 1 # SKIP CLOCK_A   \nnot ok 2 # TIMEOUT x\n", "ok CLOCK_A SKIP CLOCK_A|FAIL 2 TIMEOUT x"},
		{"expectations", "1..4\n# a.c:15:t:Expected 0 (0) == r (-1)\n# a.c:19:t:Expected 1 (1) == r (-1)\nnot ok 1 a\nnot ok 2 b\n" +
			"# x_test: EXPECTATION FAILED at lib/x.c:12\nnot ok 3 c\n# a.c:15:t:Expected 0 (0) == r (-1)\nok 4 d\n",
			"FAIL a Expected 0 (0) == r (-1)|FAIL b|FAIL c EXPECTATION FAILED at lib/x.c:12|ok d"},
		{"directives", "1..7\nok 1 a # SKIP no such device\nnot ok 2 b # TODO later\nok 3 c # XFAIL known\nnot ok 4 d # TIMEOUT 45 seconds\n" +
			"not ok 5 e # ERROR oom\nnot ok 6 f # exit=1\nok 7 g # skipped on purpose\n",
			"ok a SKIP no such device|FAIL b TODO later|ok c XFAIL known|FAIL d TIMEOUT 45 seconds|FAIL e ERROR oom|FAIL f exit=1|ok g skipped on purpose"},
		{"small letters", "1..1\nok 1 a # skip: no\n", "ok a SKIP no"},
		{"an escaped mark", "1..1\nok 1 a \\# b # SKIP c\n", "ok a_\\#_b SKIP c"},
		{"diagnostics and unknown lines", "KTAP version 1\n1..1\n# ok 9 no\nsome text\n[  1.0] ok 3 no\nok 1 a\n", "ok a"},
		{"missing", "1..5\nok 1 a\nok 3 c\n", "ok a|ok c|lost 2 of 5 results"},
		{"more than planned", "1..1\nok 1 a\nok 2 b\n", "ok a|ok b|lost 2 of 1 results"},
		{"bail out", "1..3\nok 1 a\nBail out! no memory\nok 2 b\n", "ok a|lost 1 of 3 results|Bail out! no memory"},
		{"of none", "1..0 # SKIP not here\n", ""},
		{"the same name twice", "1..3\nok 1 a\nok 2 a\nnot ok 3 a\n", "ok a|ok a#2|FAIL a#3"},
		{"nested", "KTAP version 1\n1..2\n  KTAP version 1\n  # Subtest: one\n  1..2\n  ok 1 a\n  not ok 2 b\nnot ok 1 one\nok 2 two\n",
			"ok one:a|FAIL one:b|ok two"},
		{"nested twice, four blanks", "TAP version 14\n1..1\n    # Subtest: suite\n    1..1\n        # Subtest: inner\n        1..1\n        ok 1 leaf\n    ok 1 inner\nok 1 suite\n",
			"ok suite:inner:leaf"},
		{"two blocks", "KTAP version 1\n1..2\n  KTAP version 1\n  1..1\n  ok 1 a\nok 1 one\n  KTAP version 1\n  1..1\n  ok 1 a\nok 2 two\n", "ok one:a|ok two:a"},
		{"a bad suite of good tests", "KTAP version 1\n1..1\n  1..1\n  ok 1 a\nnot ok 1 one\n", "ok one:a|suite one"},
		{"an unfinished suite", "KTAP version 1\n1..2\n  KTAP version 1\n  # Subtest: one\n  1..3\n  ok 1 a\n", "ok one:a|lost an unfinished subtest"},
		{"two collections", "TAP version 13\n1..1\nok 1 selftests: a: x\nTAP version 13\n1..2\nok 1 selftests: b: x\nnot ok 2 selftests: b: y # exit=1\n", "ok a:x|ok b:x|FAIL b:y exit=1"},
		{"two plans of one", "1..2\nok 1 a\nok 2 b\n1..7\n", "ok a|ok b"},
		{"missing inside", "KTAP version 1\n1..1\n  1..2\n  ok 1 a\nok 1 one\n", "ok one:a|lost 1 of 2 results"},
		{"kselftest's runner", "TAP version 13\n1..2\n# timeout set to 45\n# selftests: mm: mkdirty\n# # [INFO] thp\n# TAP version 13\n# 1..2\n# ok 1 write\n" +
			"# not ok 2 read\n# # Totals: pass:1\nnot ok 1 selftests: mm: mkdirty # exit=1\n# selftests: mm: plain\n# ok 1 no version, so text\nok 2 selftests: mm: plain\n",
			"ok mm:mkdirty:write|FAIL mm:mkdirty:read|ok mm:plain"},
		// The vm and timens collections of Linux 6.1.192 on a kernel that lacks what they need.
		{"a test inside bails out", "TAP version 13\n1..2\n# selftests: vm: a\n# TAP version 13\n# 1..5\n# Bail out! Open hpage_pmd_size failed\n" +
			"# # Planned tests != run tests (5 != 0)\n# # Totals: pass:0 fail:0 xfail:0 xpass:0 skip:0 error:0\nnot ok 1 selftests: vm: a # exit=1\n# selftests: vm: b\nok 2 selftests: vm: b\n",
			"FAIL vm:a exit=1: Bail out! Open hpage_pmd_size failed|ok vm:b|lost 0 of 5 results"},
		{"and after some results", "TAP version 13\n1..1\n# selftests: vm: a\n# TAP version 13\n# 1..3\n# ok 1 x\n# Bail out! no\nnot ok 1 selftests: vm: a # exit=1\n",
			"ok vm:a:x|suite vm:a|lost 1 of 3 results"},
		{"why it skips", "TAP version 13\n1..4\n# selftests: vm: soft-dirty\n# TAP version 13\n# 1..0 # SKIP soft-dirty is not support\nok 1 selftests: vm: soft-dirty # SKIP\n" +
			"# selftests: timens: timer\n# 1..0 # SKIP Time namespaces are not supported\nok 2 selftests: timens: timer # SKIP\n" +
			"# selftests: vm: hmm-tests\n# not built: this host has no hugetlbfs.h\nok 3 selftests: vm: hmm-tests # SKIP\n# selftests: vm: silent\nok 4 selftests: vm: silent # SKIP\n",
			"ok vm:soft-dirty SKIP soft-dirty is not support|ok timens:timer SKIP Time namespaces are not supported|ok vm:hmm-tests SKIP not built: this host has no hugetlbfs.h|ok vm:silent SKIP"},
		{"its last words", "TAP version 13\n1..2\n# selftests: vm: map_populate\n# [FAIL]\tmain:97\tsocketpair():Function not implemented\nnot ok 1 selftests: vm: map_populate # exit=1\n" +
			"# selftests: vm: quiet\n# TAP version 13\n# 1..2\nnot ok 2 selftests: vm: quiet # exit=139\n",
			"FAIL vm:map_populate exit=1: [FAIL] main:97 socketpair():Function not implemented|FAIL vm:quiet exit=139|lost 0 of 2 results"},
		{"run_vmtests.sh", vmtests + "ok 1 selftests: vm: run_vmtests.sh # SKIP\n# selftests: vm: b\nok 2 selftests: vm: b\n",
			"ok vm:run_vmtests.sh:map_hugetlb|FAIL vm:run_vmtests.sh:userfaultfd_anon_20_16: ERROR: UFFDIO_API failed.|" +
				"ok vm:run_vmtests.sh:compaction_test:check_compaction|ok vm:run_vmtests.sh:memfd_secret:no_memfd_secret SKIP no memfd_secret|" +
				"ok vm:run_vmtests.sh:protection_keys_64|ok vm:run_vmtests.sh:ksm_tests_-N SKIP one node|ok vm:b"},
		{"run_vmtests.sh out of time", strings.TrimSuffix(vmtests, "# [SKIP]\n") + "#\nnot ok 1 selftests: vm: run_vmtests.sh # TIMEOUT 45 seconds\n# selftests: vm: b\nok 2 selftests: vm: b\n",
			"ok vm:run_vmtests.sh:map_hugetlb|FAIL vm:run_vmtests.sh:userfaultfd_anon_20_16: ERROR: UFFDIO_API failed.|" +
				"ok vm:run_vmtests.sh:compaction_test:check_compaction|ok vm:run_vmtests.sh:memfd_secret:no_memfd_secret SKIP no memfd_secret|" +
				"ok vm:run_vmtests.sh:protection_keys_64|ok vm:b|lost an unfinished subtest"},
		{"the harness's lines", "TAP version 13\n1..1\n# Starting 1 tests from 1 test cases.\n#  RUN           global.foo ...\n#            OK  global.foo\nok 1 global.foo\n# PASSED: 1 / 1 tests passed.\n",
			"ok global.foo"},
		{"cut", "1..9\nok 1 a\nok 2 bb\n[... 100 bytes cut ...]\n 7 g\nok 8 h\nok 9 i\n", "ok a|ok h|ok i|lost 3 of 9 results|cut"},
		{"slashes and colons", "1..1\nok 1 fs/ext4: a/b\n", "ok fs_ext4:a_b"},
		{"control characters", "1..1\nok 1 a\x1b[31mb\x00c # \x1b]0;x\x07y\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := said(ParseKTAP(tc.in))
			if tc.name == "control characters" {
				if strings.ContainsAny(got, "\x1b\x00\x07") || !strings.HasPrefix(got, "ok a") {
					t.Errorf("got %q", got)
				}
				return
			}
			if got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// vmtests is a part of what run_vmtests.sh of Linux 6.1.192 prints: it fails, and exits as one that skips.
const vmtests = `TAP version 13
1..2
# selftests: vm: run_vmtests.sh
# ---------------------
# running ./map_hugetlb
# ---------------------
# TAP is not what it prints
# [PASS]
# --------------------------------
# running ./userfaultfd anon 20 16
# --------------------------------
# ERROR: UFFDIO_API failed.
# [FAIL]
# -------------------------
# running ./compaction_test
# -------------------------
# TAP version 13
# 1..1
# # Number of huge pages allocated = 188
# ok 1 check_compaction
# # Totals: pass:1 fail:0 xfail:0 xpass:0 skip:0 error:0
# [PASS]
# ----------------------
# running ./memfd_secret
# ----------------------
# TAP version 13
# 1..3
# ok 2 # SKIP no memfd_secret
# [SKIP]
# ----------------------------
# running ./protection_keys_64
# ----------------------------
# has pkeys: 0
# running PKEY tests for unsupported CPU/OS
# [PASS]
# ----------------------
# running ./ksm_tests -N
# ----------------------
# one node
# [SKIP]
`

func TestKTAPIsBounded(t *testing.T) {
	var many strings.Builder
	for i := range 3 * maxSubtests {
		fmt.Fprintf(&many, "ok %d test%d\n", i+1, i)
	}
	if k := ParseKTAP(many.String()); len(k.Results) != maxSubtests || !k.Cut {
		t.Errorf("%d results, cut: %v", len(k.Results), k.Cut)
	}
	var deep strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&deep, "%sKTAP version 1\n", strings.Repeat("  ", i))
	}
	for i := range 1000 {
		fmt.Fprintf(&deep, "%sok 1 x\n", strings.Repeat("  ", 999-i))
	}
	for _, s := range ParseKTAP(deep.String()).Results {
		if len(s.Name) > maxDepth*(maxTestName+8) {
			t.Errorf("a name of %d bytes", len(s.Name))
		}
	}
	if k := ParseKTAP("ok 1 " + strings.Repeat("é", 5000) + "\n"); len(k.Results[0].Name) > maxTestName {
		t.Errorf("a name of %d bytes", len(k.Results[0].Name))
	}
}

func TestJudgeKTAP(t *testing.T) {
	ended := func(status int, output string) qemu.Observation {
		return qemu.Observation{Exited: true, Status: status, Output: output}
	}
	two := "1..2\nok 1 a\nok 2 b\n"
	warned := ended(0, two)
	warned.Crash = &qemu.Crash{Type: "WARNING", Title: "WARNING in f"}
	for _, tc := range []struct {
		name    string
		o       qemu.Observation
		subtest string
		want    string // state
	}{
		{"all pass", ended(0, two), "", "pass"},
		{"one of them", ended(0, two), "b", "pass"},
		{"unknown", ended(0, two), "c", "none absent"},
		{"a failure", ended(1, "1..2\nok 1 a\nnot ok 2 b # exit=1\n"), "", "fail subtests"},
		{"the other passes", ended(1, "1..2\nok 1 a\nnot ok 2 b # exit=1\n"), "a", "pass"},
		{"and it fails", ended(1, "1..2\nok 1 a\nnot ok 2 b # exit=1\n"), "b", "fail exit 1"},
		{"without a reason", ended(1, "1..1\nnot ok 1 a\n"), "a", "fail not ok"},
		{"an address in the reason", ended(1, "1..1\nnot ok 1 a # got 0xffff8880 after 12.345 s\n"), "a", "fail got N after N s"},
		{"timeout", ended(1, "1..1\nnot ok 1 a # TIMEOUT 45 seconds\n"), "a", "fail timeout"},
		{"expected to fail", ended(0, "1..1\nnot ok 1 a # TODO later\n"), "a", "pass"},
		{"expected to fail, all", ended(0, "1..1\nnot ok 1 a # XFAIL known\n"), "", "pass"},
		{"skipped", ended(0, "1..2\nok 1 a # SKIP no\nok 2 b\n"), "a", "none skipped"},
		{"not ok and skipped", ended(0, "1..1\nnot ok 1 a # SKIP no\n"), "a", "none skipped"},
		{"one skipped", ended(0, "1..2\nok 1 a # SKIP no\nok 2 b\n"), "", "pass"},
		{"all skipped", ended(0, "1..1\nok 1 a # SKIP no\n"), "", "none skipped"},
		{"a plan of none", ended(4, "1..0 # SKIP no\n"), "", "none skipped"},
		{"skips by its status", ended(4, "TAP version 13\nno device\n"), "", "none skipped"},
		{"a status of its own", ended(3, two), "", "fail exit 3"},
		{"no KTAP", ended(0, "hello\n"), "", "fail no results"},
		{"missing", ended(0, "1..3\nok 1 a\n"), "", "fail missing results"},
		{"missing, the one that is there", ended(0, "1..3\nok 1 a\n"), "a", "pass"},
		{"missing, another", ended(0, "1..3\nok 1 a\n"), "b", "none not reached"},
		{"bail out", ended(1, "1..3\nok 1 a\nBail out! x\n"), "", "fail bail out"},
		{"a result line is no result", ended(0, two+"result: fail read EFAULT\n"), "", "pass"},
		{"skipped and warned", qemu.Observation{Exited: true, Status: 4, Crash: warned.Crash}, "", "warn WARNING in f"},
		{"fails and warned", qemu.Observation{Exited: true, Output: "not ok 1 a\n", Crash: warned.Crash}, "", "fail subtests"},
		{"no umount", qemu.Observation{Exited: true, Output: two, Unmount: "EBUSY"}, "", "fail umount EBUSY"},
		{"fails and no umount", qemu.Observation{Exited: true, Output: "not ok 1 a\n", Unmount: "EBUSY"}, "", "fail subtests"},
		{"more than is read", ended(0, strings.Repeat("ok 1 a\n", maxSubtests+1)), "", "pass"},
		{"cut", ended(0, "1..9\nok 1 a\nok 2 bb\n[... 100 bytes cut ...]\n 7 g\nok 8 h\n"), "", "pass"},
		{"cut, in the middle", ended(0, "1..9\nok 1 a\nok 2 bb\n[... 100 bytes cut ...]\n 7 g\nok 8 h\n"), "bb", "none not reached"},
		{"warned", warned, "", "warn WARNING in f"},
		{"warned, a subtest", warned, "a", "pass"},
		{"crash", qemu.Observation{Output: "1..2\nok 1 a\n", Crash: &qemu.Crash{Title: "kernel BUG in f", Fatal: true}}, "", "crash kernel BUG in f"},
		{"crash, before it", qemu.Observation{Output: "1..2\nok 1 a\n", Crash: &qemu.Crash{Title: "kernel BUG in f", Fatal: true}}, "a", "pass"},
		{"crash, behind it", qemu.Observation{Output: "1..2\nok 1 a\n", Crash: &qemu.Crash{Title: "kernel BUG in f", Fatal: true}}, "b", "none not reached"},
		{"time is up", qemu.Observation{Output: "1..2\nok 1 a\n", TimedOut: true}, "b", "none not reached"},
		{"killed", qemu.Observation{Output: "ok 1 a\n", Signal: 11}, "", "fail signal SIGSEGV"},
		{"does not mount", qemu.Observation{Mount: "EINVAL"}, "a", "none not reached"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := Case{KTAP: true, Subtest: tc.subtest}
			j := c.Judge(tc.o)
			got := strings.TrimSpace(string(j.Outcome) + " " + j.Signature)
			if j.Outcome == None {
				got = "none " + j.Signature
			}
			if got != tc.want || j.Evidence == "" {
				t.Errorf("got %q (%s), want %q", got, j.Evidence, tc.want)
			}
		})
	}
}

// TestSubtests: those of all runs, in the order in which they first appear, each once.
func TestSubtests(t *testing.T) {
	c := Case{Name: "tmpfs/mm", KTAP: true, Expect: Expect{Outcome: Fail}, Subexpect: map[string]Expect{"b": {Outcome: Fail}}}
	var names []string
	for _, s := range c.Subtests([]*KTAP{ParseKTAP("ok 1 a\nok 2 b\n"), ParseKTAP("ok 1 c\nok 2 a\n")}) {
		names = append(names, s.Name)
		if !s.KTAP || (s.Expect.Outcome == Fail) != (s.Subtest == "b") {
			t.Errorf("got %+v", s)
		}
	}
	if want := []string{"tmpfs/mm:a", "tmpfs/mm:b", "tmpfs/mm:c"}; !reflect.DeepEqual(names, want) {
		t.Errorf("got %v", names)
	}
}

func FuzzKTAP(f *testing.F) {
	f.Add("KTAP version 1\n1..2\n  KTAP version 1\n  # Subtest: one\n  1..2\n  ok 1 a\n  not ok 2 b\nnot ok 1 one\nok 2 two # SKIP x\nBail out!\n")
	f.Add("TAP version 13\n1..1\n# TAP version 13\n# 1..1\n#   KTAP version 1\n#   ok 1 z\n# ok 1 a\nok 1 selftests: mm: b # TIMEOUT 45 seconds\n")
	f.Add("ok 1 a \\# b # XFAIL\n   ok\n1..999999999\nnot ok 999999999\n")
	f.Fuzz(func(t *testing.T, in string) {
		k := ParseKTAP(in)
		if len(k.Results) > maxSubtests {
			t.Fatalf("%d results", len(k.Results))
		}
		c := Case{Name: "fs/c", KTAP: true}
		seen := map[string]bool{}
		for _, s := range c.Subtests([]*KTAP{k}) {
			name := strings.TrimPrefix(s.Name, "fs/c:")
			if seen[name] || name == "" || strings.ContainsAny(name, "/ \n\t\x1b\x00") || len(name) > maxDepth*(maxTestName+8) {
				t.Fatalf("name %q", name)
			}
			seen[name] = true
			for _, o := range []qemu.Observation{{Exited: true, Output: in}, {TimedOut: true, Output: in}} {
				if j := s.JudgeKTAP(o, k); j.Outcome == "" && j.Signature == absentSignature || len(j.Signature) > 210 || len(j.Evidence) > 500 {
					t.Fatalf("%q: got %+v", name, j)
				}
			}
		}
		if j := c.JudgeKTAP(qemu.Observation{Exited: true, Output: in}, k); j.Outcome == Pass && len(k.Results) == 0 || j.Evidence == "" {
			t.Fatalf("got %+v", j)
		}
	})
}
