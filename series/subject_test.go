package series

import "testing"

func TestParseSubject(t *testing.T) {
	for _, c := range []struct {
		in   string
		want subject
	}{
		{"[RFC 4/9] gfs2: Fix it (part 1)", subject{title: "gfs2: Fix it (part 1)", prefix: "RFC", marked: true, index: 4, total: 9}},
		{"[Cluster-devel] [RFC 4/9] gfs2:\tFix", subject{title: "gfs2: Fix", prefix: "RFC", marked: true, index: 4, total: 9}},
		{"Re: [Cluster-devel] [RFC 0/9] x", subject{title: "x", prefix: "RFC", reply: true, marked: true, total: 9}},
		{"[Cluster-devel] Re: [PATCH 2/3] x", subject{title: "x", prefix: "PATCH", reply: true, marked: true, index: 2, total: 3}},
		{"AW: WG: [PATCH 2/3] x", subject{title: "x", prefix: "PATCH", reply: true, marked: true, index: 2, total: 3}},
		{"Re: [Cluster-devel] (subset) [PATCH 000/141] x", subject{title: "x", prefix: "PATCH", reply: true, marked: true, total: 141}},
		{"[PATCH RFC v3 04/17] x", subject{title: "x", prefix: "PATCH RFC v3", marked: true, revision: 3, index: 4, total: 17}},
		{"[PATCHv2 dlm/next 1/5] x", subject{title: "x", prefix: "PATCHv2 dlm/next", marked: true, revision: 2, index: 1, total: 5}},
		{"[PATCHv2 RESEND v5.10-rc2 00/13] x", subject{title: "x", prefix: "PATCHv2 RESEND v5.10-rc2", marked: true, resend: true, revision: 2, total: 13}},
		{"[GFS2 v3 PATCH 00/13] x", subject{title: "x", prefix: "GFS2 v3 PATCH", marked: true, revision: 3, total: 13}},
		{"[net-next,v2,1/2] x", subject{title: "x", prefix: "net-next v2", marked: true, revision: 2, index: 1, total: 2}},
		{"[PATCH 4.19/5.4/5.10 0/1] x", subject{title: "x", prefix: "PATCH 4.19/5.4/5.10", marked: true, total: 1}},
		{"[PATCH RFC PKS/PMEM 58/58] [dax|pmem]: Enable", subject{title: "Enable", prefix: "PATCH RFC PKS/PMEM", marked: true, index: 58, total: 58}},
		{"[v2] x: y", subject{title: "x: y", prefix: "v2", marked: true, revision: 2}},
		{"[PATCH v1.1 3/9] x", subject{title: "x", prefix: "PATCH v1.1", marked: true, revision: 1, minor: 1, index: 3, total: 9}},
		{"v1.1 3/9 x", subject{title: "x", prefix: "v1.1", marked: true, revision: 1, minor: 1, index: 3, total: 9}},
		{"PATCH v2 3/9: x", subject{title: "x", prefix: "PATCH v2", marked: true, revision: 2, index: 3, total: 9}},
		{"[PATCH 3 of 9 v2] x", subject{title: "x", prefix: "PATCH v2", marked: true, revision: 2, index: 3, total: 9}},
		{"[PATCH] [PATCH v2 1/2] x", subject{title: "x", prefix: "PATCH PATCH v2", marked: true, revision: 2, index: 1, total: 2}},
		{"[PATCH][next] x", subject{title: "x", prefix: "PATCH", marked: true}},
		{"[RESEND PATCH v4 2/2] x", subject{title: "x", prefix: "RESEND PATCH v4", marked: true, resend: true, revision: 4, index: 2, total: 2}},
		{"[PATCH 3/2] x", subject{title: "x", prefix: "PATCH", marked: true, index: 3, total: 2}},
		{"[PATCH 19/4] x", subject{title: "x", prefix: "PATCH 19/4", marked: true}},
		{"[PATCH V2] x", subject{title: "x", prefix: "PATCH V2", marked: true, revision: 2}},
		{"x86/mm: 1/2 of the [PATCH 1/2] story", subject{title: "x86/mm: 1/2 of the [PATCH 1/2] story"}},
		{"[unclosed 1/2", subject{title: "[unclosed 1/2"}},
		{"", subject{}},
	} {
		if got := parseSubject(c.in); got != c.want {
			t.Errorf("parseSubject(%q)\n got %+v\nwant %+v", c.in, got, c.want)
		}
	}
}

func TestRelease(t *testing.T) {
	for in, want := range map[string]bool{"[PATCH v5.10 1/2] x": true, "[PATCH v1.1 1/2] x": false, "[PATCH v5 1/2] x": false} {
		if got := parseSubject(in).release(); got != want {
			t.Errorf("parseSubject(%q).release() = %v", in, got)
		}
	}
}

func FuzzSubject(f *testing.F) {
	for _, s := range []string{"[PATCH v2 1/2] x", "Re: [a] [b", "[[[]]]", "v1.1 3/9 x", "[PATCH 99999/99999] x", "[PATCH 1 of 2 3 of 4] x", "回复：[PATCH] x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		sub := parseSubject(s)
		if sub.index < 0 || sub.index > sub.total+mostExtra {
			t.Errorf("patch %d of %d", sub.index, sub.total)
		}
		if again := parseSubject(s); again != sub {
			t.Errorf("not the same twice: %+v, %+v", sub, again)
		}
	})
}
