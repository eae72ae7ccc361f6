package reporttest

import (
	"fmt"
	"strings"
	"time"

	"github.com/seriesctl/seriesctl/series"
)

// Series is the series of RFC: a cover letter and nine patches, of which patch 4 is talked about.
func Series() *series.Series {
	day := time.Date(2021, 5, 20, 14, 25, 30, 0, time.FixedZone("", 2*60*60))
	s := &series.Series{ID: "gfs2-handle-page-faults-v1", Subject: "gfs2: Handle page faults during read and write", Revision: 1, Prefix: "RFC",
		Author: "A Maintainer <maintainer@example.org>", Date: day, Total: 9,
		Cover: "these patches handle page faults of the kernel\nduring reads and writes.\n\nThe first four are the ones that matter most.\n"}
	for i, subject := range subjects[1:] {
		n := i + 1
		diff := fmt.Sprintf("diff --git a/fs/gfs2/file.c b/fs/gfs2/file.c\nindex 1111111..2222222 100644\n--- a/fs/gfs2/file.c\n+++ b/fs/gfs2/file.c\n"+
			"@@ -%d,3 +%d,4 @@ static vm_fault_t gfs2_fault(struct vm_fault *vmf)\n \tint err;\n-\told_call_%d();\n+\tnew_call_%d();\n+\tif (err)\n \treturn 0;\n", 10*n, 11*n, n, n)
		s.Patches = append(s.Patches, &series.Patch{Index: n, Subject: subject, Author: s.Author, Date: day.Add(time.Duration(n) * time.Second),
			MessageID: fmt.Sprintf("2021.%d@example.org", n), Files: []string{"fs/gfs2/file.c"}, Insertions: 2, Deletions: 1, Diff: []byte(diff),
			CommitMessage: subject + "\n\nIn the old days this was not needed.\nNow it is.\n\nSigned-off-by: A Maintainer <maintainer@example.org>\n",
			Trailers:      []series.Trailer{{Key: "Signed-off-by", Value: s.Author, From: "patch"}}})
	}
	var quoted strings.Builder
	for i := range 12 {
		fmt.Fprintf(&quoted, "> line %d of what was written before\n", i+1)
	}
	p := s.Patches[3]
	p.Replies = []series.Reply{
		{From: "A Reviewer <reviewer@example.org>", Date: day.Add(time.Hour), MessageID: "r1@example.org", Depth: 1,
			Body: quoted.String() + "\nWhy not take the lock \x1b[31monce?\n\n> +\tif (err)\n\nThis is never true.\n"},
		{From: s.Author, Date: day.Add(2 * time.Hour), MessageID: "r2@example.org", Depth: 2,
			Body: "> Why not take the lock once?\n\nBecause the fault needs it too.\n"},
		{From: "A Tester <tester@example.org>", Date: day.Add(3 * time.Hour), MessageID: "r3@example.org", Depth: 1,
			Body: "Tested-by: A Tester <tester@example.org>\n"},
	}
	p.Trailers = append(p.Trailers, series.Trailer{Key: "Tested-by", Value: "A Tester <tester@example.org>", From: "reply"})
	s.CoverReplies = []series.Reply{{From: "A Reviewer <reviewer@example.org>", Date: day.Add(time.Hour), MessageID: "r0@example.org", Depth: 1,
		Body: "It would be good to have the first four in the next release at least.\n"}}
	return s
}
