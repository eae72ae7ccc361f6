package series

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// dataDir is the directory of real mail the project's tests read; the test is skipped where it is absent.
func dataDir(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("SERIESCTL_DATA")
	if dir == "" {
		_, file, _, _ := runtime.Caller(0)
		dir = filepath.Join(filepath.Dir(file), "..", "..", "shared", "data")
	}
	dir = filepath.Join(dir, "series")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no mail to test with: %v", err)
	}
	return dir
}

// dataFiles are the threads in dataDir.
func dataFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dataDir(t), "*.mbox"))
	if err != nil || len(files) == 0 {
		t.Skipf("no threads in %s", dataDir(t))
	}
	return files
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
