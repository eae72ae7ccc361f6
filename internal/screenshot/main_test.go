package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestConvert(t *testing.T) {
	screen := "\x1b[7m title <&> \x1b[0m\n\x1b[39m 4 \x1b[1;33mFIX\x1b[m  \x1b[2mfaint\x1b[22m 日本\n\n"
	var b strings.Builder
	if err := convert(&b, strings.NewReader(screen)); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	for _, want := range []string{
		`width="175" height="78"`, // 18 columns, 3 lines
		`<rect x="12.0" y="12" width="92.4" height="18" fill="` + foreground + `"/>`,
		`fill="` + background + `" textLength="75.6" lengthAdjust="spacingAndGlyphs" xml:space="preserve">title &lt;&amp;&gt;</text>`,
		`fill="#e5c07b" font-weight="bold" textLength="25.2" lengthAdjust="spacingAndGlyphs" xml:space="preserve">FIX</text>`,
		`opacity="0.6"`,
		`x="129.6" y="43" fill="` + foreground + `" textLength="33.6" lengthAdjust="spacingAndGlyphs" xml:space="preserve">日本</text>`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	for d := xml.NewDecoder(strings.NewReader(got)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("not XML: %v\n%s", err, got)
		}
	}
}
