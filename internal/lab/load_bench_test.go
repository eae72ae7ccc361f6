package lab

import (
	"os"
	"testing"

	"github.com/seriesctl/seriesctl/internal/store"
)

// BenchmarkLoad draws the matrix of a workspace with results: SERIESCTL_WORKSPACE, which is only read.
func BenchmarkLoad(b *testing.B) {
	dir := os.Getenv("SERIESCTL_WORKSPACE")
	if dir == "" {
		b.Skip("SERIESCTL_WORKSPACE names no workspace")
	}
	st, err := store.Open(dir, false)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	rows, err := st.Series()
	if err != nil {
		b.Fatal(err)
	}
	var spec Spec
	if err := st.Matrix(rows[0].ID, &spec); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Load(st, &spec); err != nil {
			b.Fatal(err)
		}
	}
}
