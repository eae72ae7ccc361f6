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
		{"https://lore.kernel.org/all/a@c.d/T/#u", "a@c.d", "http://mirror.example/pub/all/a@c.d/t.mbox.gz"},
		{"https://lore.kernel.org/linux-mm/a@c.d/t.mbox.gz", "a@c.d", "http://mirror.example/pub/linux-mm/a@c.d/t.mbox.gz"},
		{"https://lore.kernel.org/linux-mm/a@c.d/raw", "a@c.d", "http://mirror.example/pub/linux-mm/a@c.d/t.mbox.gz"},
		{"https://LORE.kernel.org/all/a@c.d/t/?q=1", "a@c.d", "http://mirror.example/pub/all/a@c.d/t.mbox.gz"},
		{"lore.kernel.org/r/a@c.d", "a@c.d", "http://mirror.example/pub/all/a@c.d/t.mbox.gz"},
		{"lore.kernel.org/linux-mm/a@c.d/#t", "a@c.d", "http://mirror.example/pub/linux-mm/a@c.d/t.mbox.gz"},
		{"<https://lore.kernel.org/all/a@c.d/>", "a@c.d", "http://mirror.example/pub/all/a@c.d/t.mbox.gz"},
		{"https://lore.kernel.org/all/%3Ca%2Fb+c@c.d%3E/", "a/b+c@c.d", "http://mirror.example/pub/all/a%2Fb+c@c.d/t.mbox.gz"},
		{"https://lore.kernel.org/all/a%40c.d/", "a@c.d", "http://mirror.example/pub/all/a@c.d/t.mbox.gz"},
		{"id:a@c.d", "a@c.d", "http://mirror.example/pub/all/a@c.d/t.mbox.gz"},
		{"Message-ID: <a@c.d>", "a@c.d", "http://mirror.example/pub/all/a@c.d/t.mbox.gz"},
		{"mid:<a@c.d>", "a@c.d", "http://mirror.example/pub/all/a@c.d/t.mbox.gz"},
		{" <a@c.d>\n", "a@c.d", "http://mirror.example/pub/all/a@c.d/t.mbox.gz"},
		{"https://patchwork.kernel.org/project/linux-mm/patch/a@c.d/", "a@c.d", "http://mirror.example/pub/all/a@c.d/t.mbox.gz"},
		{"https://lore.kernel.org/all/", "", ""},
		{"https://lore.kernel.org/all/?q=a@c.d", "", ""},
		{"https:///all/a@c.d/", "", ""},
		{"https://a%2Fb/all/a@c.d/", "", ""},
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
	for _, input := range []string{"lore.kernel.org/r/a@c.d", "id:a@c.d", "Message-ID: <a@c.d>", "<https://lore.kernel.org/all/a@c.d/>", "msgid.link/a@c.d"} {
		if !isOnline(input) {
			t.Errorf("%s is not taken for mail in an archive", input)
		}
	}
	for _, input := range []string{"dir.d/a@c.d", "lore.kernel.org", "a@c.d/x", "example.org/all/a@c.d/"} {
		if isOnline(input) {
			t.Errorf("%s would be asked for", input)
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

// An archive that moved is followed, but not out of https; a cut in the middle of an answer, a bomb and a
// Ctrl-C end in one line.
func TestArchiveOddServers(t *testing.T) {
	thread := packed(t, mboxOf(twoPatches))
	moved := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.EscapedPath() != "/new/a%2Fb@c.d/t.mbox.gz" {
			t.Errorf("asked for %s", r.URL)
		}
		_, _ = w.Write(thread)
	}))
	defer moved.Close()
	var answer http.HandlerFunc
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, r) }))
	defer server.Close()
	a := &Archive{URL: server.URL}
	answer = func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, moved.URL+"/new/a%2Fb@c.d/t.mbox.gz", http.StatusMovedPermanently)
	}
	if box, err := a.Read(t.Context(), []string{"<a/b@c.d>"}, nil); err != nil || len(box.Series[0].Patches) != 2 {
		t.Errorf("moved: %v", err)
	}
	secure, _ := http.NewRequest(http.MethodGet, "https://a.example/x", nil)
	plain, _ := http.NewRequest(http.MethodGet, "http://a.example/x", nil)
	other, _ := http.NewRequest(http.MethodGet, "https://b.example/x", nil)
	if checkRedirect(plain, []*http.Request{secure}) == nil || checkRedirect(other, []*http.Request{secure}) != nil {
		t.Error("https must stay https, whatever the host")
	}

	if !testing.Short() {
		zeros := packed(t, make([]byte, 8<<20))
		bomb := append(packed(t, []byte("From x\n")), bytes.Repeat(zeros, maxInput>>23)...)
		answer = func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bomb) }
		if _, err := a.Read(t.Context(), []string{"a@c.d"}, nil); err == nil || !strings.Contains(err.Error(), "more than 1024 MiB of mail") || hintOf(err) == "" {
			t.Errorf("%d bytes that are more than 1 GiB: %v", len(bomb), err)
		}
	}

	// One byte at a time: each is told of, and Ctrl-C ends it.
	ctx, cancel := context.WithCancel(t.Context())
	sent := make(chan bool)
	answer = func(w http.ResponseWriter, r *http.Request) {
		for i := range 4 {
			_, _ = w.Write(thread[i : i+1])
			w.(http.Flusher).Flush()
			select {
			case <-sent:
			case <-r.Context().Done():
			}
		}
		<-r.Context().Done()
	}
	var heard []int64
	a.Progress = func(_ string, done, total int64) {
		if done == 0 {
			return
		}
		heard = append(heard, done)
		if done >= total {
			t.Errorf("%d of %d bytes before the end", done, total)
		}
		if len(heard) == 4 {
			cancel()
			return
		}
		sent <- true
	}
	if _, err := a.Read(ctx, []string{"a@c.d"}, nil); !errors.Is(err, context.Canceled) || len(heard) != 4 || heard[3] != 4 {
		t.Errorf("heard of %v: %v", heard, err)
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
