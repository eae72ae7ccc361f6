package series

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

// DefaultArchive is the archive of the kernel's mailing lists.
const DefaultArchive = "https://lore.kernel.org"

// Bounds on a download. The longest threads of the kernel's lists are a few MiB.
const (
	maxDownload  = 64 << 20 // bytes, as sent
	fetchTime    = 2 * time.Minute
	freshFor     = 10 * time.Minute // a cached thread younger than this is not asked for again
	maxRedirects = 5
)

// Archive is a public-inbox server that whole threads are fetched from, each as MESSAGE-ID/t.mbox.gz.
// Nothing is fetched but what an input names: a message-id, or a link that has one.
type Archive struct {
	// URL is the server's, DefaultArchive when empty. Message-ids, links to lore.kernel.org and short links
	// (msgid.link, lkml.kernel.org/r/) are looked up there; links to other hosts on those.
	URL string
	// Cache is the directory where threads are kept, "" for none. A thread fetched within the last 10
	// minutes comes from there, and any older one when the server cannot be reached.
	Cache string
	// Progress, which may be nil, is told what is fetched and how many bytes of how many have come. Done is
	// total once for each thread, at its end; before that total may be a guess.
	Progress func(what string, done, total int64)
	// Client is what fetches; nil is one with bounds on time and redirects.
	Client *http.Client
}

// Read is the function Read, with threads of this archive as inputs too: "<id@host>", "id@host" where no
// file has that name, or a link "https://HOST/LIST/ID/…".
func (a *Archive) Read(ctx context.Context, inputs []string, stdin io.Reader) (*Mailbox, error) {
	return readInputs(ctx, inputs, stdin, a)
}

// shortLinks are the archive's own host, for which another may stand in, and hosts that redirect to it.
var shortLinks = map[string]bool{
	"lore.kernel.org": true, "lkml.kernel.org": true, "msgid.link": true, "patch.msgid.link": true,
}

var (
	listName = pattern.New(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$`)
	hostName = pattern.New(`^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`)
	// idMark is what stands before a message-id where it was copied from.
	idMark = pattern.New(`^(?i)(?:message-id|msgid|mid|id):\s*`)
)

// pasted is an input without what people copy along with a message-id or link; a link of the archive's hosts
// has a scheme then.
func pasted(input string) string {
	input = idMark.ReplaceAllString(strings.TrimSpace(input), "")
	if strings.HasPrefix(input, "<") {
		input = strings.TrimSuffix(input[1:], ">")
	}
	if host, _, ok := strings.Cut(input, "/"); ok && shortLinks[strings.ToLower(host)] {
		return "https://" + input
	}
	return input
}

func isLink(input string) bool {
	return strings.HasPrefix(input, "http://") || strings.HasPrefix(input, "https://")
}

// isOnline says whether an input that is no file names mail in an archive.
func isOnline(input string) bool {
	is := pasted(input)
	return isLink(is) || onlineID.MatchString(is) || strings.HasPrefix(input, "<") && len(messageIDs(input)) == 1
}

// thread gives the message-id an input names and the address of its thread.
func (a *Archive) thread(input string) (id, address string, err error) {
	bad := func(reason string) (string, string, error) {
		return "", "", &InputError{Verb: "fetch", Object: oneLine(input), Reason: reason,
			hint: "like https://lore.kernel.org/all/MESSAGE-ID/, or the message-id alone"}
	}
	base := a.URL
	if base == "" {
		base = DefaultArchive
	}
	root, err := url.Parse(strings.TrimRight(base, "/"))
	if err != nil || root.Host == "" || root.Scheme != "https" && root.Scheme != "http" {
		return "", "", &InputError{Verb: "fetch", Object: oneLine(input), Reason: fmt.Sprintf("%q is no address of an archive", oneLine(base)), Err: err,
			hint: "like --lore " + DefaultArchive}
	}
	list := "all"
	if text := pasted(input); !isLink(text) {
		id = text
	} else {
		link, err := url.Parse(text)
		if err != nil || !hostName.MatchString(link.Host) {
			return bad("not a link that can be read")
		}
		var before string
		for _, part := range strings.Split(link.EscapedPath(), "/") {
			word, err := url.PathUnescape(part)
			if err != nil {
				return bad("not a link that can be read")
			}
			if strings.Contains(word, "@") {
				id = strings.TrimSuffix(strings.TrimPrefix(word, "<"), ">")
				break
			}
			if word != "" {
				before = word
			}
		}
		host := strings.ToLower(link.Hostname())
		patchwork := strings.HasPrefix(host, "patchwork.") // names a message-id, but is no archive
		if listName.MatchString(before) && before != "r" && !patchwork {
			list = before
		}
		if !shortLinks[host] && !patchwork && link.Host != root.Host {
			root = &url.URL{Scheme: link.Scheme, Host: link.Host}
		}
	}
	at := strings.IndexByte(id, '@')
	if at <= 0 || at == len(id)-1 || len(id) > 900 || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r == '<' || r == '>' || r == 0x7f }) {
		return bad("no message-id in it")
	}
	return id, root.String() + "/" + list + "/" + url.PathEscape(id) + "/t.mbox.gz", nil
}

// online adds the thread an input names.
func (r *reader) online(ctx context.Context, input string) error {
	id, address, err := r.archive.thread(input)
	if err != nil {
		return err
	}
	packed, err := r.archive.get(ctx, id, address)
	if err != nil {
		return err
	}
	data, err := r.all(bytes.NewReader(packed))
	if err != nil {
		return &InputError{Verb: "fetch", Object: address, Reason: err.Error(), Err: err, hint: "try again; the archive sent something else than mail"}
	}
	r.add(data, id)
	return nil
}

// get returns a thread as the archive packs it, from the cache where that is fresh or nothing else can be had.
func (a *Archive) get(ctx context.Context, id, address string) ([]byte, error) {
	file := ""
	var age time.Duration
	if a.Cache != "" {
		sum := sha256.Sum256([]byte(address))
		file = filepath.Join(a.Cache, hex.EncodeToString(sum[:16])+".mbox.gz")
		if info, err := os.Stat(file); err == nil {
			age = time.Since(info.ModTime())
			if age >= 0 && age < freshFor {
				if data, err := os.ReadFile(file); err == nil {
					a.progress("thread of <"+id+"> from the cache", int64(len(data)), int64(len(data)))
					return data, nil
				}
			}
		}
	}
	data, err := a.download(ctx, id, address)
	var refused *InputError
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.As(err, &refused):
		return nil, err
	default:
		if file != "" {
			if old, err2 := os.ReadFile(file); err2 == nil {
				a.progress(fmt.Sprintf("cannot reach the archive (%v): thread of <%s> as it was %s ago", rootCause(err), id, age.Round(time.Minute)), int64(len(old)), int64(len(old)))
				return old, nil
			}
		}
		return nil, &InputError{Verb: "fetch", Object: address, Reason: rootCause(err).Error(), Err: err,
			hint: "check the network; --lore URL names another archive, and a downloaded t.mbox.gz can be loaded as a file"}
	}
	if file != "" {
		if err := os.MkdirAll(a.Cache, 0o755); err != nil {
			return nil, fmt.Errorf("keep thread: %w", err)
		}
		if err := writeFileAtomic(file, data); err != nil {
			return nil, fmt.Errorf("keep thread: %w", err)
		}
	}
	return data, nil
}

func (a *Archive) progress(what string, done, total int64) {
	if a.Progress != nil {
		a.Progress(what, done, total)
	}
}

// rootCause is an error of net/http without the method and address in front.
func rootCause(err error) error {
	var at *url.Error
	if errors.As(err, &at) {
		if at.Timeout() {
			return errors.New("no answer in time")
		}
		return at.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("no answer in time")
	}
	return err
}

// download asks the server. An answer that is no thread is an *InputError; any other error is the network's.
func (a *Archive) download(ctx context.Context, id, address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "seriesctl")
	// The file is packed; no second packing, and none taken off.
	req.Header.Set("Accept-Encoding", "identity")
	what := "thread of <" + id + "> from " + req.URL.Host
	a.progress(what, 0, 1)
	client := a.Client
	if client == nil {
		client = &http.Client{CheckRedirect: checkRedirect}
	}
	answer, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	refuse := func(reason, hint string) ([]byte, error) {
		return nil, &InputError{Verb: "fetch", Object: address, Reason: reason, hint: hint}
	}
	switch {
	case answer.StatusCode == http.StatusNotFound:
		return refuse("the archive has no such message", "check the message-id; --lore URL names another archive")
	case answer.StatusCode >= 500:
		return nil, errors.New("the archive says " + oneLine(answer.Status))
	case answer.StatusCode != http.StatusOK:
		return refuse("the archive says "+oneLine(answer.Status), "download the thread with a browser (t.mbox.gz) and load the file")
	}
	var data bytes.Buffer
	buf := make([]byte, 64<<10)
	for {
		n, err := answer.Body.Read(buf)
		data.Write(buf[:n])
		if data.Len() > maxDownload {
			return refuse(fmt.Sprintf("the thread is larger than %d MiB", maxDownload>>20), "download the part that is needed and load the file")
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		a.progress(what, int64(data.Len()), max(answer.ContentLength, int64(data.Len())+1))
	}
	if _, err := checkPacked(data.Bytes(), refuse); err != nil {
		return nil, err
	}
	a.progress(what, int64(data.Len()), int64(data.Len()))
	return data.Bytes(), nil
}

// checkPacked makes sure of a whole gzip file with an mbox in it before it is kept.
func checkPacked(data []byte, refuse func(reason, hint string) ([]byte, error)) ([]byte, error) {
	const retry = "some archives answer programs with a web page: download the thread with a browser (t.mbox.gz) and load the file"
	unpack, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return refuse("the archive did not send a packed mbox", retry)
	}
	head := make([]byte, 6)
	if _, err := io.ReadFull(unpack, head); err != nil || !bytes.HasPrefix(head, []byte("From ")) {
		return refuse("the archive did not send an mbox", retry)
	}
	if n, err := io.Copy(io.Discard, io.LimitReader(unpack, maxInput)); err != nil {
		return nil, fmt.Errorf("the thread was cut off: %w", err)
	} else if n >= maxInput {
		return refuse(fmt.Sprintf("more than %d MiB of mail", maxInput>>20), retry)
	}
	return data, nil
}

// checkRedirect follows an archive to its own or a safe address, not from https to http.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return errors.New("too many redirects")
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return errors.New("redirected from https to " + req.URL.Scheme)
	}
	return nil
}
