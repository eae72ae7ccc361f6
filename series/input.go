package series

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/seriesctl/seriesctl/internal/pattern"
	"github.com/seriesctl/seriesctl/internal/xec"
)

// stdinName is what "-" is called.
const stdinName = "standard input"

// maxInput bounds the bytes read from all inputs together, after decompression.
const maxInput = 1 << 30

// InputError is an input from which no series could be read.
type InputError struct {
	Verb   string // "read", "pick"
	Object string // the input as the user gave it
	Reason string
	Err    error // the cause, nil when there is none beneath
	hint   string
}

func (e *InputError) Error() string { return e.Verb + " " + oneLine(e.Object) + ": " + e.Reason }

func (e *InputError) Unwrap() error { return e.Err }

// Hint says what the user can do.
func (e *InputError) Hint() string { return e.hint }

var (
	gitRange = pattern.New(`^(.+):([^:]*\.\.\.?[^:]*)$`)
	onlineID = pattern.New(`^<?[^\s/<>@]+@[^\s/<>@]+>?$`)
)

// Read reads every input and returns all series found in them. An input is an mbox (plain or gzip), a
// maildir, a directory of patch files, a patch file, "-" for stdin, or a git range "REPO:A..B". Patch files
// are read in the order of their names. Nothing is fetched from a network; Archive.Read can. Errors are
// *InputError, or the context's.
func Read(ctx context.Context, inputs []string, stdin io.Reader) (*Mailbox, error) {
	return readInputs(ctx, inputs, stdin, nil)
}

func readInputs(ctx context.Context, inputs []string, stdin io.Reader, archive *Archive) (*Mailbox, error) {
	if len(inputs) == 0 {
		return nil, &InputError{Verb: "read", Object: "mail", Reason: "no input given", hint: "give an mbox, a maildir, patch files, or - for standard input"}
	}
	r := &reader{left: maxInput, archive: archive}
	for _, input := range inputs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := r.input(ctx, input, stdin); err != nil {
			return nil, err
		}
	}
	object := inputs[0]
	if object == "-" {
		object = stdinName
	}
	if len(inputs) > 1 {
		object = fmt.Sprintf("%s and %d more", object, len(inputs)-1)
	}
	return parseMessages(r.messages, object)
}

type reader struct {
	messages [][]byte
	left     int64    // of maxInput
	archive  *Archive // nil: nothing is fetched
}

func (r *reader) input(ctx context.Context, input string, stdin io.Reader) error {
	if input == "-" {
		data, err := r.all(stdin)
		if err != nil {
			return inputError(stdinName, err)
		}
		r.add(data, stdinName)
		return nil
	}
	info, err := os.Stat(input)
	switch {
	case err == nil && info.IsDir():
		return r.directory(ctx, input)
	case err == nil:
		return r.file(input)
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid):
		return inputError(input, err)
	}
	if m := gitRange.FindStringSubmatch(input); m != nil && !strings.Contains(input, "://") {
		return r.git(ctx, input, m[1], m[2])
	}
	if isOnline(input) {
		if r.archive != nil {
			return r.online(ctx, input)
		}
		return &InputError{Verb: "read", Object: input, Reason: "mail from an archive is not fetched here",
			hint: "`seriesctl load` fetches it; or download the thread (…/t.mbox.gz) and give the file"}
	}
	return &InputError{Verb: "read", Object: input, Reason: "no such file or directory", Err: err,
		hint: "give an mbox, a maildir, patch files, REPO:A..B, or - for standard input"}
}

func inputError(object string, err error) error {
	var have *InputError
	if errors.As(err, &have) {
		return err
	}
	return &InputError{Verb: "read", Object: object, Reason: reason(err), Err: err, hint: "check that it can be read and is whole"}
}

// reason is why something could not be read, without its path, which the message has anyway.
func reason(err error) string {
	var input *InputError
	var path *fs.PathError
	switch {
	case errors.As(err, &input):
		return input.Reason
	case errors.As(err, &path):
		return path.Err.Error()
	}
	return err.Error()
}

// all reads a stream to its end, unpacking gzip, within the bound.
func (r *reader) all(from io.Reader) ([]byte, error) {
	if from == nil {
		from = bytes.NewReader(nil)
	}
	var size int64
	if f, ok := from.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			size = info.Size()
		}
	}
	data, err := r.bounded(from, size)
	if err != nil || !bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		return data, err
	}
	unpack, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	// It ends in its size unpacked (RFC 1952), and nothing gets smaller than a thousandth.
	if len(data) > 4 {
		size = min(int64(binary.LittleEndian.Uint32(data[len(data)-4:])), 1000*int64(len(data)))
	}
	return r.bounded(unpack, size)
}

// bounded reads a stream that is probably of that size, 0 where nothing is known: mail that grows in memory is
// there twice.
func (r *reader) bounded(from io.Reader, size int64) ([]byte, error) {
	buf := bytes.NewBuffer(make([]byte, 0, min(max(size, 0), r.left)+bytes.MinRead))
	if _, err := buf.ReadFrom(io.LimitReader(from, r.left+1)); err != nil {
		return nil, err
	}
	data := buf.Bytes()
	if int64(len(data)) > r.left {
		return nil, fmt.Errorf("more than %d MiB of mail", maxInput>>20)
	}
	r.left -= int64(len(data))
	return data, nil
}

func (r *reader) file(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return inputError(path, err)
	}
	defer f.Close()
	data, err := r.all(f)
	if err != nil {
		return inputError(path, err)
	}
	r.add(data, path)
	return nil
}

// add takes in an mbox, one mail, or a patch without a mail around it.
func (r *reader) add(data []byte, path string) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	data = data[leadingBlank(data):]
	switch {
	case len(data) == 0:
	case looksLikeMbox(data):
		r.messages = append(r.messages, splitMbox(data)...)
	case isWholeMail(data):
		r.messages = append(r.messages, unquote(data, false))
	default:
		r.messages = append(r.messages, bareMail(unquote(data, false), filepath.Base(path)))
	}
}

// leadingBlank is how many bytes of blank lines data starts with.
func leadingBlank(data []byte) int {
	n := 0
	for n < len(data) && (data[n] == '\n' || data[n] == '\r') {
		n++
	}
	return n
}

func isWholeMail(data []byte) bool {
	h, _ := splitHeader(data)
	return h.get("Subject") != "" || h.get("From") != "" && h.get("Date") != ""
}

// directory reads a maildir (cur and new) or the files of a directory, in the order of their names.
func (r *reader) directory(ctx context.Context, dir string) error {
	dirs := []string{dir}
	if isDir(filepath.Join(dir, "cur")) || isDir(filepath.Join(dir, "new")) {
		dirs = []string{filepath.Join(dir, "cur"), filepath.Join(dir, "new")}
	}
	var files []string
	for _, d := range dirs {
		list, err := os.ReadDir(d)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return inputError(dir, err)
		}
		for _, f := range list {
			if f.Type().IsRegular() && !strings.HasPrefix(f.Name(), ".") {
				files = append(files, filepath.Join(d, f.Name()))
			}
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "series")); err == nil && len(dirs) == 1 {
		files = quilt(dir, files)
	}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.file(f); err != nil {
			return err
		}
	}
	return nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// git reads the commits of a range as `git format-patch` writes them.
func (r *reader) git(ctx context.Context, input, repo, revs string) error {
	if !isDir(repo) {
		return &InputError{Verb: "read", Object: input, Reason: "no such repository", hint: "give REPO:A..B with the directory of a git repository"}
	}
	out, err := xec.Cmd{Name: "git", Args: []string{"-C", repo, "format-patch", "--stdout", "--pretty=mboxrd", "--subject-prefix=PATCH",
		"--no-signature", "--no-cover-letter", "--no-attach", "--no-signoff", "--no-from", "--no-thread", "--no-base", "--no-notes",
		"--no-ext-diff", "--no-textconv", "--binary", "--full-index", "--no-color", "--src-prefix=a/", "--dst-prefix=b/", "--end-of-options", revs, "--"}}.Output(ctx)
	if cause := ctx.Err(); cause != nil {
		return cause
	}
	if err != nil {
		return &InputError{Verb: "read", Object: input, Reason: lastWords(err), Err: err, hint: "both ends of the range must be commits of that repository"}
	}
	if len(out) == 0 {
		return &InputError{Verb: "read", Object: input, Reason: "no commit in that range", hint: "the range is A..B: what B has and A has not"}
	}
	r.messages = append(r.messages, splitFormatPatch(out)...)
	return nil
}

// lastWords is what git printed of why it ended.
func lastWords(err error) string {
	var failed *xec.Error
	if errors.As(err, &failed) && failed.Stderr != "" {
		err = gitSays(failed)
	}
	return oneLine(err.Error())
}
