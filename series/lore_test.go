package series

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestArchiveThread(t *testing.T) {
	a := &Archive{URL: "http://mirror.example/pub/"}
	for _, c := range []struct{ input, id, address string }{
		{"a.b-1@c.d", "a.b-1@c.d", "http://mirror.example/pub/all/a.b-1@c.d/t.mbox.gz"},
		{"<a@c.d>", "a@c.d", "http://mirror.example/pub/all/a@c.d/t.mbox.gz"},
		{"<a/../b@c.d>", "a/../b@c.d", "http://mirror.example/pub/all/a%2F..%2Fb@c.d/t.mbox.gz"},
		{"https://lore.kernel.org/all/a@c.d/", "a@c.d", "http://mirror.example/pub/all/a@c.d/t.mbox.gz"},
		{"https://lore.kernel.org/linux-mm/a@c.d/T/#mfe2", "a@c.d", "http://mirror.example/pub/linux-mm/a@c.d/t.mbox.gz"},
		{"https://lore.kernel.org/r/a%2Bb@c.d", "a+b@c.d", "http://mirror.example/pub/all/a+b@c.d/t.mbox.gz"},
		{"https://patch.msgid.link/a@c.d", "a@c.d", "http://mirror.example/pub/all/a@c.d/t.mbox.gz"},
		{"https://lkml.kernel.org/r/a@c.d", "a@c.d", "http://mirror.example/pub/all/a@c.d/t.mbox.gz"},
		{"https://inbox.example/git/a@c.d/raw", "a@c.d", "https://inbox.example/git/a@c.d/t.mbox.gz"},
		{"http://inbox.example:8080/../x/a@c.d/t.mbox.gz", "a@c.d", "http://inbox.example:8080/x/a@c.d/t.mbox.gz"},
		{"https://lore.kernel.org/all/", "", ""},
		{"https://lore.kernel.org/all/%zz@c.d/", "", ""},
		{"https://lore.kernel.org/all/a%0ab@c.d/", "", ""},
		{"@c.d", "", ""},
		{"a@", "", ""},
	} {
		id, address, err := a.thread(c.input)
		if id != c.id || address != c.address || (err == nil) != (c.id != "") {
			t.Errorf("%s: got %q, %q, %v", c.input, id, address, err)
		}
	}
	for _, bad := range []string{"lore.kernel.org", "file:///etc", "https://"} {
		if _, address, err := (&Archive{URL: bad}).thread("a@b.c"); err == nil {
			t.Errorf("archive %q: got %s", bad, address)
		}
	}
}

func packed(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestArchiveRead(t *testing.T) {
	thread := packed(t, mboxOf(threadCases[0].mails))
	asked := 0
	answer := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(thread) }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		answer(w, r)
	}))
	defer server.Close()
	a := &Archive{URL: server.URL, Cache: filepath.Join(t.TempDir(), "mail")}
	var said []string
	a.Progress = func(what string, done, total int64) {
		if done == total {
			said = append(said, what)
		}
	}
	read := func() error {
		t.Helper()
		box, err := a.Read(context.Background(), []string{"some@id.example"}, nil)
		if err == nil && len(box.Series[0].Patches) == 0 {
			t.Error("no patches")
		}
		return err
	}
	if err := read(); err != nil || asked != 1 {
		t.Fatalf("asked %d times: %v", asked, err)
	}
	if err := read(); err != nil || asked != 1 || !strings.Contains(said[1], "from the cache") {
		t.Fatalf("asked %d times, said %q: %v", asked, said, err)
	}

	files, _ := filepath.Glob(filepath.Join(a.Cache, "*"))
	old := time.Now().Add(-time.Hour)
	if len(files) != 1 || os.Chtimes(files[0], old, old) != nil {
		t.Fatalf("cache has %q", files)
	}
	answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
	if err := read(); err != nil || asked != 2 || !strings.Contains(said[2], "502") || !strings.Contains(said[2], "1h0m0s ago") {
		t.Errorf("an old thread is not used when the archive fails: asked %d times, said %q: %v", asked, said, err)
	}
	answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }
	if err := read(); err == nil || !strings.Contains(err.Error(), "no such message") {
		t.Errorf("a thread the archive took away: %v", err)
	}

	a.Cache = ""
	bomb := packed(t, append([]byte("From x\n"), make([]byte, 1<<20)...))
	for _, c := range []struct {
		name, want string
		answer     http.HandlerFunc
	}{
		{"a web page", "did not send a packed mbox", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }},
		{"something packed", "did not send an mbox", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(packed(t, []byte("<html>"))) }},
		{"cut off", "cut off", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(thread[:len(thread)-9]) }},
		{"cut off by the server", "unexpected EOF", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100000")
			_, _ = w.Write(thread)
		}},
		{"forbidden", "403 Forbidden", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }},
		{"down", "503 Service Unavailable", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }},
		{"going round", "too many redirects", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }},
		{"endless", "larger than 64 MiB", func(w http.ResponseWriter, _ *http.Request) {
			for range (70<<20)/len(bomb) + 1 {
				if _, err := w.Write(bomb); err != nil {
					return
				}
			}
		}},
	} {
		answer = c.answer
		err := read()
		var refused *InputError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.want) || refused.Hint() == "" {
			t.Errorf("%s: %v", c.name, err)
		}
	}

	stuck := make(chan struct{})
	defer close(stuck)
	ctx, cancel := context.WithCancel(context.Background())
	answer = func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		select {
		case <-stuck:
		case <-r.Context().Done():
		}
	}
	if _, err := a.Read(ctx, []string{"some@id.example"}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestReadFetchesNothing checks that only an Archive asks a network.
func TestReadFetchesNothing(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("asked") }))
	defer server.Close()
	if _, err := Read(context.Background(), []string{server.URL + "/all/a@b.c/"}, nil); err == nil {
		t.Error("read")
	}
}
