package report

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/seriesctl/seriesctl/series"
)

const thread = `From mboxrd@z Thu Jan  1 00:00:00 1970
From: Ann Author <ann@example.org>
Date: Mon, 1 Jan 2024 10:00:00 +0100
Message-ID: <0@example.org>
Subject: [RFC PATCH v2 0/4] fs: make it work

All of it.

base-commit: v6.1
change-id: 20240101-work-abc
prerequisite-message-id: <p@example.org>

From mboxrd@z Thu Jan  1 00:00:00 1970
From: Ann Author <ann@example.org>
Date: Mon, 1 Jan 2024 10:00:01 +0100
Message-ID: <1@example.org>
In-Reply-To: <0@example.org>
Subject: [RFC PATCH v2 1/4] fs: a subject that is so long that it is cut where the terminal is not as wide as it

The why.

Signed-off-by: Ann Author <ann@example.org>
---
diff --git a/fs/a.c b/fs/a.c
index 1111111..2222222 100644
--- a/fs/a.c
+++ b/fs/a.c
@@ -1,2 +1,3 @@
-old
+new
+esc ` + "\x1b" + `[31m red
 same
diff --git a/fs/logo b/fs/logo
index 1111111..2222222 100644
Binary files a/fs/logo and b/fs/logo differ
-- 
2.39.5

From mboxrd@z Thu Jan  1 00:00:00 1970
From: Ann Author <ann@example.org>
Date: Mon, 1 Jan 2024 10:00:04 +0100
Message-ID: <4@example.org>
In-Reply-To: <0@example.org>
Subject: [RFC PATCH v2 4/4] =?utf-8?b?5paH5a2X?= fs: drop it

diff --git a/fs/b.c b/fs/b.c
deleted file mode 100644
index 1111111..0000000
--- a/fs/b.c
+++ /dev/null
@@ -1 +0,0 @@
-gone

From mboxrd@z Thu Jan  1 00:00:00 1970
From: =?utf-8?q?R=C3=A9v_Iewer?= <rev@example.org>
Date: Tue, 2 Jan 2024 09:30:00 +0000
Message-ID: <r@example.org>
In-Reply-To: <1@example.org>
Subject: Re: [RFC PATCH v2 1/4] fs: a subject

> The why.

` + "Looks good\x1b]0;title\x07 to me.\r" + `

Reviewed-by: =?utf-8?q?R=C3=A9v?= <rev@example.org>

From mboxrd@z Thu Jan  1 00:00:00 1970
From: ann@example.org
Date: Tue, 2 Jan 2024 11:00:00 +0100
Message-ID: <rr@example.org>
In-Reply-To: <r@example.org>
Subject: Re: [RFC PATCH v2 1/4] fs: a subject

Thanks.
`

func pick(t *testing.T) *series.Series {
	t.Helper()
	box, err := series.ParseMbox([]byte(thread))
	if err != nil {
		t.Fatal(err)
	}
	s, err := box.Pick(0)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSeries(t *testing.T) {
	s := pick(t)
	for name, width := range map[string]int{"series.txt": 0, "series-80.txt": 80, "series-1.txt": 1} {
		var out bytes.Buffer
		if err := Series(&out, s, width); err != nil {
			t.Fatal(err)
		}
		golden(t, name, out.String())
	}
}

func TestPatch(t *testing.T) {
	s := pick(t)
	for name, n := range map[string]int{"patch-1.txt": 1, "patch-4.txt": 4} {
		var out bytes.Buffer
		if err := Patch(&out, s, n); err != nil {
			t.Fatal(err)
		}
		golden(t, name, out.String())
		if strings.ContainsAny(out.String(), "\x1b\x07\r") {
			t.Errorf("%s has control characters", name)
		}
	}
}

func TestNoSuchPatch(t *testing.T) {
	s := pick(t)
	for n, want := range map[int]string{
		2: "show patch 2: it is missing from fs-make-it-work-v2", 5: "show patch 5: fs-make-it-work-v2 has patches 1 to 4",
		0: "show patch 0: fs-make-it-work-v2 has patches 1 to 4", -1: "show patch -1: fs-make-it-work-v2 has patches 1 to 4",
	} {
		err := Patch(&bytes.Buffer{}, s, n)
		var no *NoPatchError
		if !errors.As(err, &no) || no.Hint() == "" || err.Error() != want {
			t.Errorf("patch %d: %v", n, err)
		}
	}
}

// failing is a pipe nobody reads.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestWriteErrorsAreReturned(t *testing.T) {
	s := pick(t)
	if err := Series(failing{}, s, 80); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Series: %v", err)
	}
	if err := Patch(failing{}, s, 1); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Patch: %v", err)
	}
}

func TestTrailerForAnOlderRevisionIsSaid(t *testing.T) {
	s := pick(t)
	s.Patches[0].Trailers = []series.Trailer{
		{Key: "Reviewed-by", Value: "Old <o@example.org>", From: "reply", Stale: true},
		{Key: "Acked-by", Value: "New <n@example.org>", From: "reply"},
	}
	var out bytes.Buffer
	if err := Patch(&out, s, s.Patches[0].Index); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Reviewed-by: Old <o@example.org>  (for an older revision; the patch changed since)\n", "Acked-by: New <n@example.org>\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
}
