package series

import (
	"strings"
	"testing"
)

// TestPatchIDOracle compares with git patch-id --stable where a diff is more than hunks.
func TestPatchIDOracle(t *testing.T) {
	needGit(t)
	other := strings.ReplaceAll(testDiff, "/f", "/g")
	binary := "diff --git a/bin b/bin\nindex 0000000000000000000000000000000000000000..1111111111111111111111111111111111111111 100644\nGIT binary patch\nliteral 1\nIcmZPo000310RR91\n\nliteral 0\nHcmV?d00001\n\n"
	for name, diff := range map[string]string{
		"one file":             testDiff,
		"two files":            testDiff + other,
		"two files, turned":    other + testDiff,
		"binary":               binary,
		"binary, then text":    binary + testDiff,
		"text, then binary":    testDiff + binary,
		"differ only":          "diff --git a/x b/x\nindex 1111111..2222222 100644\nBinary files a/x and b/x differ\n" + testDiff,
		"mode only":            "diff --git a/x b/x\nold mode 100644\nnew mode 100755\n",
		"mode, then text":      "diff --git a/x b/x\nold mode 100644\nnew mode 100755\n" + testDiff,
		"rename":               "diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to y\n",
		"empty new file":       "diff --git a/e b/e\nnew file mode 100644\nindex 0000000..e69de29\n",
		"no newline":           "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n\\ No newline at end of file\n",
		"white space":          strings.ReplaceAll(testDiff, "+b", "+\t b \v c"),
		"without a git header": testDiff[strings.Index(testDiff, "---"):],
		"nothing":              "",
	} {
		out, _ := gitTool(t, nil, []byte(diff), "patch-id", "--stable")
		want, _, _ := strings.Cut(out, " ")
		if got := PatchID([]byte(diff)); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
