package series

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

// resolution is a patch made by hand to stand in for one that does not apply.
type resolution struct {
	file    string // its name without the directory
	number  int    // the number its name begins with, 0 without one
	subject string // normalised
	diff    []byte
}

// maxResolution is the largest file, in bytes, taken for a resolution.
const maxResolution = 64 << 20

// readResolutions reads all patch files (*.patch, *.diff, *.eml, *.mbox) of a directory, in the order of their names. Errors are
// *InputError.
func readResolutions(dir string) ([]resolution, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, resolutionError(dir, err)
	}
	var all []resolution
	for _, e := range entries {
		if !slices.Contains([]string{".patch", ".diff", ".eml", ".mbox"}, filepath.Ext(e.Name())) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		fi, err := os.Stat(path)
		if err != nil {
			return nil, resolutionError(path, err)
		}
		if !fi.Mode().IsRegular() || fi.Size() > maxResolution {
			return nil, resolutionError(path, fmt.Errorf("not a file of at most %d bytes", maxResolution))
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, resolutionError(path, err)
		}
		box, err := ParseMbox(data)
		if err != nil {
			return nil, resolutionError(path, err)
		}
		if len(box.Series) != 1 || len(box.Series[0].Patches) != 1 {
			return nil, resolutionError(path, errors.New("not one patch"))
		}
		p := box.Series[0].Patches[0]
		r := resolution{file: e.Name(), subject: plainSubject(p.Subject), diff: p.Diff}
		if m := leadingNumber.FindString(e.Name()); m != "" {
			r.number, _ = strconv.Atoi(m) // too large a number is no number
		}
		all = append(all, r)
	}
	return all, nil
}

func resolutionError(path string, err error) error {
	return &InputError{Verb: "read resolutions", Object: path, Reason: reason(err), Err: err, hint: "--resolutions DIR is a directory of patch files, each with one patch resolved by hand"}
}

var (
	leadingNumber = pattern.New(`^\d+`)
	bracketed     = pattern.New(`^(\s*\[[^\]]*\]|\s*(?i:re|fwd):)*`)
)

// plainSubject is a subject without brackets, case and the way it was folded, for comparing.
func plainSubject(s string) string {
	return strings.ToLower(strings.Join(strings.Fields(bracketed.ReplaceAllString(s, "")), " "))
}

// resolutionFor finds the resolution of a patch: the one with its subject, and among several of that
// subject the one with its number.
func resolutionFor(p *Patch, all []resolution) *resolution {
	want := plainSubject(p.Subject)
	if want == "" {
		return nil
	}
	var found *resolution
	for i := range all {
		r := &all[i]
		if r.subject == want && (found == nil || r.number == p.Index && found.number != p.Index) {
			found = r
		}
	}
	return found
}
