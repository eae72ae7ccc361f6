package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/qemu"
)

type jsonPrinter struct{}

func (jsonPrinter) print(b *bytes.Buffer, r *lab.Result) error {
	out := *r
	out.Prefixes = list(r.Prefixes)
	out.Cases = list(r.Cases)
	out.Cells = list(r.Cells)
	out.Attributions = list(r.Attributions)
	out.Undecided = list(r.Undecided)
	for i := range out.Prefixes {
		out.Prefixes[i].Kernels = list(out.Prefixes[i].Kernels)
		for k := range out.Prefixes[i].Kernels {
			out.Prefixes[i].Kernels[k].Warnings = list[qemu.Diagnostic](out.Prefixes[i].Kernels[k].Warnings)
		}
		out.Prefixes[i].Warnings = list[qemu.Diagnostic](out.Prefixes[i].Warnings)
	}
	out.Subsets = append([]lab.SubsetRow(nil), r.Subsets...)
	for i := range out.Subsets {
		s := &out.Subsets[i]
		s.Cells, s.Base, s.Whole, s.Warnings = list(s.Cells), list(s.Base), list(s.Whole), list(s.Warnings)
	}
	return encode(b, out)
}

// list is a copy of s that is never nil, so that JSON has [] and not null.
func list[T any](s []T) []T { return append([]T{}, s...) }

// WriteJSON writes v as seriesctl writes every JSON document: indented, one line break at its end, and with
// the characters that a terminal would act on as \u escapes, which changes no value.
func WriteJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	if err := encode(&b, v); err != nil {
		return fmt.Errorf("write json: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write json: %w", err)
	}
	return nil
}

func encode(b *bytes.Buffer, v any) error {
	var raw bytes.Buffer
	e := json.NewEncoder(&raw)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	for _, r := range raw.String() {
		if r >= 0x7f && r < 0x10000 && unicode.In(r, unicode.Cc, unicode.Cf) {
			fmt.Fprintf(b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return nil
}
