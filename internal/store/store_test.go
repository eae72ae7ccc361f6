package store

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seriesctl/seriesctl/qemu"
)

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestOpen(t *testing.T) {
	// The characters that SQLite's URI names give a meaning to are only characters here.
	dir := filepath.Join(t.TempDir(), "a?b#c%41 d")
	if _, err := Open(dir, false); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("got %v, want fs.ErrNotExist", err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Fatal("looking made the workspace")
	}
	s := open(t, dir)
	if _, err := os.Stat(filepath.Join(dir, "seriesctl.db")); err != nil {
		t.Fatal(err)
	}
	if s.Rel(s.Images()) != "images" {
		t.Fatalf("got %s", s.Rel(s.Images()))
	}
}

func TestNewerWorkspaceIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := s.db.Exec("PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, true); err == nil {
		t.Fatal("a workspace of a newer program was opened")
	}
}

// Opening does not wait for who writes.
func TestOpenBesideAWriter(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	tx, err := s.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.Exec("INSERT INTO facts (key, value) VALUES ('a', 'b')"); err != nil {
		t.Fatal(err)
	}
	other := open(t, dir) // it would fail when it had waited for long
	if _, err := other.Fact("a"); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// TestReadOnly reads a workspace that can't be written: another user's, or on a disk that is mounted so.
func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.PutFact("key", "value"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	protect(t, dir)

	s, err := Open(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got, err := s.Fact("key"); err != nil || got != "value" {
		t.Errorf("got %q, %v", got, err)
	}
	var only *ReadOnlyError
	if err := s.PutFact("key", "other"); !errors.As(err, &only) {
		t.Errorf("a fact was stored: %v", err)
	}
	if _, err := s.Lock(); !errors.As(err, &only) {
		t.Errorf("it was locked: %v", err)
	}
	if _, err := Open(dir, true); !errors.As(err, &only) {
		t.Errorf("it was opened to be written: %v", err)
	}
}

// protect makes a directory read-only: for root, whom its mode does not stop, by a mount.
func protect(t *testing.T, dir string) {
	t.Helper()
	if os.Getuid() != 0 {
		for path, mode := range map[string]fs.FileMode{filepath.Join(dir, "seriesctl.db"): 0o444, dir: 0o555} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
		t.Cleanup(func() { _ = os.Chmod(dir, 0o755) })
		return
	}
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		t.Skipf("root here may not mount: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		t.Skipf("root here may not mount: %v", err)
	}
}

func TestRunsAfter(t *testing.T) {
	s := open(t, t.TempDir())
	for i, at := range [][2]string{{"i1", "a"}, {"i2", "a"}, {"i1", "b"}, {"i1", "c"}, {"i1", "a"}} {
		if _, err := s.PutRun(at[0], at[1], Run{Observation: qemu.Observation{Status: i}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.db.Exec("UPDATE runs SET observation = '{' WHERE cell = 'c'"); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[int64]string{0: "a 0 b 2 a 4 ", 1: "b 2 a 4 ", 4: "a 4 ", 5: ""} {
		got := ""
		err := s.RunsAfter("i1", id, func(cell string) bool { return cell != "c" }, func(cell string, r Run) {
			got += fmt.Sprintf("%s %d ", cell, r.Observation.Status)
		})
		if err != nil || got != want {
			t.Errorf("after %d: %q, %v; want %q", id, got, err, want)
		}
	}
}

func TestWhatIsPutIsThereForTheNextProcess(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	id, err := s.PutRun("image", "cell", Run{Observation: qemu.Observation{Exited: true, Output: "result: pass\n"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutRun("image", "cell", Run{Infra: "qemu is gone"}); err != nil {
		t.Fatal(err)
	}
	if err := s.PutBuild("key", Build{Image: "image", Compiled: 3}); err != nil {
		t.Fatal(err)
	}
	if err := s.PutMatrix("s", map[string]int{"a": 1}); err == nil {
		t.Fatal("a matrix of a series that is not stored")
	}
	for i, r := range []SeriesRow{{ID: "one"}, {ID: "two"}, {ID: "one", Revision: 3}} {
		if err := s.PutSeries(rawMail([]string{"1", "2", "1'"}[i]), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.PutMatrix("one", map[string]int{"a": 1}); err != nil {
		t.Fatal(err)
	}

	other := open(t, dir)
	runs, err := other.Runs("image", "cell")
	if err != nil || len(runs) != 2 || runs[0].ID != id || runs[0].Observation.Output != "result: pass\n" || runs[1].Infra != "qemu is gone" {
		t.Fatalf("got %+v %v", runs, err)
	}
	if b, err := other.Build("key"); err != nil || b.Compiled != 3 {
		t.Fatalf("got %+v %v", b, err)
	}
	if _, err := other.Build("other"); !errors.Is(err, ErrNotFound) {
		t.Fatalf("got %v", err)
	}
	rows, err := other.Series()
	if err != nil || len(rows) != 2 || rows[0].ID != "one" || mailText(t, s, rows[0]) != "1'" || mailText(t, s, rows[1]) != "2" || rows[0].Revision != 3 {
		t.Fatalf("got %+v %v: the one loaded last comes first", rows, err)
	}
	var spec map[string]int
	if err := other.Matrix("one", &spec); err != nil || spec["a"] != 1 {
		t.Fatalf("got %v %v", spec, err)
	}
	if err := other.Matrix("two", &spec); !errors.Is(err, ErrNotFound) {
		t.Fatalf("got %v", err)
	}
}

func TestVersionTellsOfOtherProcesses(t *testing.T) {
	dir := t.TempDir()
	s, other := open(t, dir), open(t, dir)
	before, err := s.Version()
	if err != nil {
		t.Fatal(err)
	}
	if same, err := s.Version(); err != nil || same != before {
		t.Fatalf("got %d %v, want %d", same, err, before)
	}
	if err := other.PutFact("k", "v"); err != nil {
		t.Fatal(err)
	}
	if after, err := s.Version(); err != nil || after == before {
		t.Fatalf("got %d %v", after, err)
	}
	if v, err := s.Fact("k"); err != nil || v != "v" {
		t.Fatalf("got %q %v", v, err)
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	s, other := open(t, dir), open(t, dir)
	if s.Busy() {
		t.Fatal("busy before anybody came")
	}
	unlock, err := s.Lock()
	if err != nil {
		t.Fatal(err)
	}
	var busy *BusyError
	if _, err := other.Lock(); !errors.As(err, &busy) || busy.PID != os.Getpid() || busy.Hint() == "" {
		t.Fatalf("got %v", err)
	}
	if !other.Busy() {
		t.Fatal("not busy while locked")
	}
	unlock()
	if other.Busy() {
		t.Fatal("busy after the end")
	}
	if unlock, err = other.Lock(); err != nil {
		t.Fatal(err)
	}
	unlock()
}

// Who looks whether somebody works in the workspace, as the TUI does again and again, does not keep a run from it.
func TestLockBesideOneWhoLooks(t *testing.T) {
	dir := t.TempDir()
	s, other := open(t, dir), open(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	var looks sync.WaitGroup
	looks.Go(func() {
		for ctx.Err() == nil {
			other.Busy()
		}
	})
	defer looks.Wait()
	defer cancel()
	for i := range 2000 {
		unlock, err := s.Lock()
		if err != nil {
			t.Fatalf("time %d: %v", i, err)
		}
		unlock()
	}
}

// A commit must survive a power cut, not only the end of the process.
func TestDatabaseIsSynchronous(t *testing.T) {
	s := open(t, t.TempDir())
	var level int
	var mode string
	if err := errors.Join(s.db.QueryRow("PRAGMA synchronous").Scan(&level), s.db.QueryRow("PRAGMA journal_mode").Scan(&mode)); err != nil && !errors.Is(err, sql.ErrNoRows) {
		t.Fatal(err)
	}
	if level != 2 || mode != "wal" {
		t.Fatalf("synchronous %d, journal %s", level, mode)
	}
}

func mailText(t *testing.T, s *Store, r SeriesRow) string {
	t.Helper()
	raw, err := s.Mail(r.Mail)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// Series of one load share its mail; mail of no series goes away.
func TestMailIsShared(t *testing.T) {
	s := open(t, t.TempDir())
	count := func() (n int) {
		if err := s.db.QueryRow("SELECT count(*) FROM mails").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for i, raw := range []string{"x", "y"} {
		if err := s.PutSeries(rawMail(raw), SeriesRow{ID: "one"}, SeriesRow{ID: "two"}); err != nil || count() != 1 {
			t.Fatalf("load %d: %d mails, %v", i+1, count(), err)
		}
	}
	rows, err := s.Series()
	if err != nil || len(rows) != 2 || rows[0].ID != "two" || mailText(t, s, rows[1]) != "y" {
		t.Fatalf("got %+v, %v", rows, err)
	}
}

// Workspaces of older schemas are read: in schema 1 every series has its mail for itself, in schema 2 mail is in one piece.
func TestOlderSchemas(t *testing.T) {
	for version, schema := range []string{1: `CREATE TABLE series (id TEXT PRIMARY KEY, raw BLOB NOT NULL, revision INTEGER NOT NULL, loaded INTEGER NOT NULL);
		INSERT INTO series VALUES ('a', x'61', 1, 1), ('b', x'62', 2, 2), ('c', x'62', 1, 3)`,
		2: `CREATE TABLE mails (hash TEXT PRIMARY KEY, raw BLOB NOT NULL);
		CREATE TABLE series (id TEXT PRIMARY KEY, mail TEXT NOT NULL REFERENCES mails(hash), revision INTEGER NOT NULL, loaded INTEGER NOT NULL);
		INSERT INTO mails VALUES ('h1', $a), ('h2', $b);
		INSERT INTO series VALUES ('a', 'h1', 1, 1), ('b', 'h2', 2, 2), ('c', 'h2', 1, 3)`} {
		if schema == "" {
			continue
		}
		dir := t.TempDir()
		s := open(t, dir)
		_, err := s.db.Exec(fmt.Sprintf("DROP TABLE series; DROP TABLE mail_parts; DROP TABLE mails; %s; PRAGMA user_version = %d", schema, version),
			sql.Named("a", gzipped(t, "a")), sql.Named("b", gzipped(t, "b")))
		if err == nil {
			err = s.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		s = open(t, dir)
		rows, err := s.Series()
		if err != nil || len(rows) != 3 {
			t.Fatalf("schema %d: got %+v, %v", version, rows, err)
		}
		for i, want := range []string{"c b 1", "b b 2", "a a 1"} {
			if got := fmt.Sprintf("%s %s %d", rows[i].ID, mailText(t, s, rows[i]), rows[i].Revision); got != want {
				t.Errorf("schema %d: got %s, want %s", version, got, want)
			}
		}
		if err := s.PutSeries(rawMail("d"), SeriesRow{ID: "d"}); err != nil {
			t.Error(err)
		}
	}
}

func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(text))
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Mail of several parts comes back as it was, and goes away with all its parts.
func TestMailInParts(t *testing.T) {
	s := open(t, t.TempDir())
	parts := func() (n int) {
		if err := s.db.QueryRow("SELECT count(*) FROM mail_parts").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	mail := make([]byte, 3*partSize+partSize/2)
	rand.New(rand.NewSource(1)).Read(mail) // does not get smaller
	if err := s.PutSeries(rawMail(mail), SeriesRow{ID: "one"}); err != nil || parts() != 4 {
		t.Fatalf("%d parts, %v", parts(), err)
	}
	rows, err := s.Series()
	if err != nil || len(rows) != 1 || mailText(t, s, rows[0]) != string(mail) {
		t.Fatalf("%d series, or the mail differs: %v", len(rows), err)
	}
	if err := s.PutSeries(rawMail("2"), SeriesRow{ID: "one"}); err != nil || parts() != 1 {
		t.Fatalf("%d parts, %v", parts(), err)
	}
	// What is no mail any more is not taken for one.
	if _, err := s.Mail(rows[0].Mail); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if _, err := s.db.Exec("UPDATE mail_parts SET data = x'1f8b'"); err != nil {
		t.Fatal(err)
	}
	if rows, err = s.Series(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Mail(rows[0].Mail); err == nil {
		t.Error("mail that was cut is read")
	}
}

func TestFullDiskIsSaid(t *testing.T) {
	s := open(t, t.TempDir())
	if _, err := s.db.Exec("PRAGMA max_page_count = 1"); err != nil { // at least what it has already
		t.Fatal(err)
	}
	var err error
	for range 1000 {
		if _, err = s.PutRun("image", "cell", Run{Observation: qemu.Observation{Output: strings.Repeat("x", 4096)}}); err != nil {
			break
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("got %v", err)
	}
}
