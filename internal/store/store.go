// Package store keeps what seriesctl knows in the workspace: one SQLite database, the truth, and the
// directories of the artefacts it names.
//
// A Put that returned nil survives a kill or a power cut. Keys are content hashes given by the caller; the
// store does not interpret what it keeps.
package store

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite" // the "sqlite" driver
	sqlitelib "modernc.org/sqlite/lib"

	"github.com/seriesctl/seriesctl/qemu"
)

// ErrNotFound is returned when the store has no such entry.
var ErrNotFound = errors.New("not found")

// schemaVersion is the user_version of the databases this program reads and writes.
const schemaVersion = 3

const schema = mailSchema + `
CREATE TABLE series (
	id       TEXT PRIMARY KEY,
	mail     TEXT NOT NULL REFERENCES mails(hash),
	revision INTEGER NOT NULL,      -- which of the mail's revisions
	loaded   INTEGER NOT NULL       -- order of loading: the highest is the current one
);
CREATE TABLE matrices (
	series TEXT PRIMARY KEY REFERENCES series(id),
	spec   TEXT NOT NULL            -- JSON: what was asked for
);
CREATE TABLE builds (
	key   TEXT PRIMARY KEY,         -- (tree, config, toolchain)
	build TEXT NOT NULL             -- JSON of Build
);
CREATE TABLE boots (
	key   TEXT PRIMARY KEY,         -- (image, VM settings)
	boot  TEXT NOT NULL             -- JSON of Boot: images that do not boot
);
CREATE TABLE runs (
	id          INTEGER PRIMARY KEY,
	image       TEXT NOT NULL,
	cell        TEXT NOT NULL,      -- (case, VM settings)
	observation TEXT NOT NULL,      -- JSON of qemu.Observation
	infra       TEXT NOT NULL       -- the lab's own failure, '' for none
);
CREATE INDEX runs_by_cell ON runs (image, cell);
CREATE TABLE facts (
	key   TEXT PRIMARY KEY,         -- what was probed, and on what
	value TEXT NOT NULL
);
`

// Store is an open workspace.
type Store struct {
	Dir  string // the workspace's directory, absolute
	db   *sql.DB
	runs *sql.Stmt // of RunsAfter: a matrix asks for each of its images, again and again
}

// The artefacts of a workspace, below its directory.
func (s *Store) path(elem ...string) string {
	return filepath.Join(append([]string{s.Dir}, elem...)...)
}

// Git is the workspace's own bare git repository.
func (s *Store) Git() string { return s.path("git") }

// Worker is the directory of one build worker.
func (s *Store) Worker(n int) string { return s.path(fmt.Sprintf("worker%d", n)) }

// Images is where finished images are kept.
func (s *Store) Images() string { return s.path("images") }

// Disks is where file-system images are kept.
func (s *Store) Disks() string { return s.path("disks") }

// Programs is where compiled reproducers are kept.
func (s *Store) Programs() string { return s.path("programs") }

// Fstests is where a checkout of fstests, by its path, is copied to and built.
func (s *Store) Fstests(checkout string) string {
	sum := sha256.Sum256([]byte(checkout))
	return s.path("fstests", hex.EncodeToString(sum[:8]))
}

// Selftests is where built self-tests of a kernel tree are kept, by a hash of it.
func (s *Store) Selftests(key string) string { return s.path("selftests", key[:min(len(key), 16)]) }

// Logs is where build and boot logs and consoles are kept.
func (s *Store) Logs() string { return s.path("logs") }

// VMs is where running machines keep their sockets and overlays; nothing in it outlives a command.
func (s *Store) VMs() string { return s.path("vms") }

// Commands is where the output of commands is kept that were started from the TUI.
func (s *Store) Commands() string { return s.path("commands") }

// Requests is where a running command looks for what it is asked.
func (s *Store) Requests() string { return s.path("requests") }

// Status is the file in which a running command says what it does.
func (s *Store) Status() string { return s.path("status.json") }

// Rel returns path relative to the workspace, the form in which the database names artefacts.
func (s *Store) Rel(path string) string {
	if rel, err := filepath.Rel(s.Dir, path); err == nil {
		return rel
	}
	return path
}

// Open opens the workspace in dir. When it does not exist it is made if create is true; otherwise the error
// satisfies errors.Is(err, fs.ErrNotExist).
func Open(dir string, create bool) (*Store, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open workspace %s: %w", dir, err)
	}
	file := filepath.Join(abs, "seriesctl.db")
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) && !create {
		return nil, fmt.Errorf("open workspace %s: %w", dir, fs.ErrNotExist)
	}
	if create {
		if err := os.MkdirAll(abs, 0o755); err != nil {
			return nil, &DirError{Op: "make workspace " + dir, Err: reason(err)}
		}
	}
	if err := unix.Access(file, unix.R_OK); err != nil && !errors.Is(err, unix.ENOENT) {
		return nil, &DirError{Op: "open workspace " + dir, Err: err}
	}
	// FULL: a committed observation survives a power cut, not only a kill.
	how := "?_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)&_pragma=synchronous(full)&_pragma=foreign_keys(on)&_txlock=immediate"
	if readOnly(abs, file) {
		if create {
			return nil, &ReadOnlyError{Op: "open workspace " + dir}
		}
		how = "?_pragma=busy_timeout(10000)&mode=ro"
		if _, err := os.Stat(file + "-wal"); err != nil {
			how += "&immutable=1" // else SQLite wants to make a log beside it
		}
	}
	db, err := sql.Open("sqlite", "file:"+uriPath(file)+how)
	if err != nil {
		return nil, fmt.Errorf("open workspace %s: %w", dir, err)
	}
	// One connection: SQLite has one writer anyway, and data_version is a connection's.
	db.SetMaxOpenConns(1)
	s := &Store{Dir: abs, db: db}
	if err := s.migrate(); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("open workspace %s: %w", dir, err)
	}
	// The plus keeps SQLite to the index on the image.
	s.runs, err = db.Prepare("SELECT id, cell, observation, infra FROM runs WHERE image = ? AND +id > ? ORDER BY id")
	if err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("open workspace %s: %w", dir, err)
	}
	return s, nil
}

// DirError is a workspace that can't be made or opened where it is to be.
type DirError struct {
	Op  string
	Err error
}

func (e *DirError) Error() string { return e.Op + ": " + e.Err.Error() }

func (e *DirError) Unwrap() error { return e.Err }

// Hint says what can be done.
func (e *DirError) Hint() string { return "--workspace DIR names another place" }

// reason is why something failed, without the path that the message has anyway.
func reason(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return path.Err
	}
	return err
}

// ReadOnlyError is something that can't be done in a workspace that can only be read, as another user's.
type ReadOnlyError struct{ Op string }

func (e *ReadOnlyError) Error() string { return e.Op + ": it can only be read" }

// Hint says what can be done.
func (e *ReadOnlyError) Hint() string {
	return "--workspace DIR names one that can be written; list, show, report and log read this one"
}

// Is makes it fs.ErrPermission.
func (e *ReadOnlyError) Is(target error) bool { return target == fs.ErrPermission }

// readOnly says whether a workspace is there that this process may not write to.
func readOnly(dir, file string) bool {
	for _, p := range []string{dir, file} {
		if err := unix.Access(p, unix.W_OK); errors.Is(err, unix.EACCES) || errors.Is(err, unix.EROFS) {
			return true
		}
	}
	return false
}

// uriPath escapes what SQLite's URI file names give a meaning to.
func uriPath(p string) string {
	return strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(p)
}

func (s *Store) migrate() error {
	// Without a transaction first: one would wait for whoever writes now.
	if version, err := schemaOf(s.db); err != nil || version == schemaVersion {
		return err
	}
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	version, err := schemaOf(tx)
	switch {
	case err != nil || version == schemaVersion:
		return err
	case version > schemaVersion:
		return fmt.Errorf("made by a newer seriesctl (schema %d, this one knows %d)", version, schemaVersion)
	}
	switch version {
	case 0:
		_, err = tx.Exec(schema)
	case 1:
		err = shareMails(tx)
	case 2:
		err = divideMails(tx)
	}
	if err != nil {
		return err
	}
	if _, err := tx.Exec(fmt.Sprintf("PRAGMA user_version = %d", schemaVersion)); err != nil {
		return err
	}
	return tx.Commit()
}

// schemaOf is the version of the schema that a database has.
func schemaOf(db interface{ QueryRow(string, ...any) *sql.Row }) (version int, err error) {
	err = db.QueryRow("PRAGMA user_version").Scan(&version)
	return version, err
}

// Close closes the database.
func (s *Store) Close() error { return errors.Join(s.runs.Close(), s.db.Close()) }

// Version changes whenever another process commits to the workspace.
func (s *Store) Version() (v int64, err error) {
	return v, wrap("read workspace", s.db.QueryRow("PRAGMA data_version").Scan(&v))
}

// SeriesRow is one stored series.
type SeriesRow struct {
	ID       string
	Mail     string // the hash of the mail it came with; PutSeries sets it
	Revision int
}

// PutSeries stores series and the mail that all of them came with; the last becomes the current one. All are stored,
// or none. mail is written up to two times, and must be the same each time.
func (s *Store) PutSeries(mail io.WriterTo, list ...SeriesRow) (err error) {
	if len(list) == 0 {
		return nil
	}
	defer func() { err = wrap("store series "+list[len(list)-1].ID, err) }()
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	hash, err := putMail(tx, mail)
	if err != nil {
		return err
	}
	var loaded int
	if err := tx.QueryRow("SELECT coalesce(max(loaded), 0) FROM series").Scan(&loaded); err != nil {
		return err
	}
	insert, err := tx.Prepare(`INSERT INTO series (id, mail, revision, loaded) VALUES (?1, ?2, ?3, ?4)
		ON CONFLICT (id) DO UPDATE SET mail = ?2, revision = ?3, loaded = ?4`)
	if err != nil {
		return err
	}
	defer func() { _ = insert.Close() }()
	for i, r := range list {
		if _, err := insert.Exec(r.ID, hash, r.Revision, loaded+1+i); err != nil {
			return err
		}
	}
	if _, err := tx.Exec("DELETE FROM mails WHERE hash NOT IN (SELECT mail FROM series)"); err != nil {
		return err
	}
	return tx.Commit()
}

// Series returns the stored series, the current one first, without their mail.
func (s *Store) Series() ([]SeriesRow, error) {
	return query(s, "read series", func(rows *sql.Rows, r *SeriesRow) error { return rows.Scan(&r.ID, &r.Mail, &r.Revision) },
		"SELECT id, mail, revision FROM series ORDER BY loaded DESC")
}

// PutMatrix stores what was last asked for a series, as JSON.
func (s *Store) PutMatrix(series string, spec any) error {
	return s.putJSON("store matrix", `INSERT INTO matrices (series, spec) VALUES (?1, ?2)
		ON CONFLICT (series) DO UPDATE SET spec = ?2`, series, spec)
}

// Matrix reads what PutMatrix stored, or ErrNotFound.
func (s *Store) Matrix(series string, spec any) error {
	doc, err := s.MatrixJSON(series)
	if err == nil {
		err = wrap("read matrix of "+series, json.Unmarshal([]byte(doc), spec))
	}
	return err
}

// MatrixJSON is what Matrix decodes.
func (s *Store) MatrixJSON(series string) (doc string, err error) {
	err = s.db.QueryRow("SELECT spec FROM matrices WHERE series = ?", series).Scan(&doc)
	return doc, wrap("read matrix of "+series, err)
}

// Build is how building one (tree, config, toolchain) ended.
type Build struct {
	Image    string            `json:"image"` // hash of the loaded sections, "" when it failed
	Detail   string            `json:"detail,omitempty"`
	Log      string            `json:"log"`
	Seconds  float64           `json:"seconds"`
	Compiled int               `json:"compiled"`
	Warnings []qemu.Diagnostic `json:"warnings"`
	Files    []qemu.FileUse    `json:"files,omitempty"` // those that the last patch touches
}

// PutBuild stores the end of a build.
func (s *Store) PutBuild(key string, b Build) error {
	return s.putJSON("store build", "INSERT OR REPLACE INTO builds (key, build) VALUES (?, ?)", key, b)
}

// Build reads a build, or ErrNotFound.
func (s *Store) Build(key string) (b Build, err error) {
	return b, s.getJSON("read build", &b, "SELECT build FROM builds WHERE key = ?", key)
}

// Boot is an image that does not boot.
type Boot struct {
	Detail string `json:"detail"`
	Log    string `json:"log"`
}

// PutBoot stores that an image does not boot.
func (s *Store) PutBoot(key string, b Boot) error {
	return s.putJSON("store boot", "INSERT OR REPLACE INTO boots (key, boot) VALUES (?, ?)", key, b)
}

// Boot reads a failed boot; ErrNotFound when the image boots or was not tried.
func (s *Store) Boot(key string) (b Boot, err error) {
	return b, s.getJSON("read boot", &b, "SELECT boot FROM boots WHERE key = ?", key)
}

// Run is one stored run. A run with Infra is the lab's failure and no evidence.
type Run struct {
	ID          int64
	Observation qemu.Observation
	Infra       string
}

// PutRun stores one run of a cell; when it returns nil the run is on disk.
func (s *Store) PutRun(image, cell string, r Run) (id int64, err error) {
	doc, err := json.Marshal(r.Observation)
	if err != nil {
		return 0, fmt.Errorf("store run: %w", err)
	}
	res, err := s.db.Exec("INSERT INTO runs (image, cell, observation, infra) VALUES (?, ?, ?, ?)", image, cell, string(doc), r.Infra)
	if err != nil {
		return 0, wrap("store run", err)
	}
	return res.LastInsertId()
}

// Runs returns the runs of a cell, oldest first.
func (s *Store) Runs(image, cell string) ([]Run, error) {
	return query(s, "read runs", func(rows *sql.Rows, r *Run) error {
		var doc sql.RawBytes
		if err := rows.Scan(&r.ID, &doc, &r.Infra); err != nil {
			return err
		}
		return json.Unmarshal(doc, &r.Observation)
	}, "SELECT id, observation, infra FROM runs WHERE image = ? AND cell = ? ORDER BY id", image, cell)
}

// RunsAfter gives each run of an image's wanted cells that was stored after the one with that id, oldest first: runs never change,
// and who has read some needs the new ones only. Of other cells nothing is decoded.
func (s *Store) RunsAfter(image string, id int64, wanted func(cell string) bool, each func(cell string, r Run)) (err error) {
	defer func() { err = wrap("read runs", err) }()
	rows, err := s.runs.Query(image, id)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var r Run
		var cell string
		var doc sql.RawBytes
		if err := rows.Scan(&r.ID, &cell, &doc, &r.Infra); err != nil {
			return err
		}
		if !wanted(cell) {
			continue
		}
		if err := json.Unmarshal(doc, &r.Observation); err != nil {
			return err
		}
		each(cell, r)
	}
	return rows.Err()
}

// HasRuns says whether an image ran a case, ever.
func (s *Store) HasRuns(image string) (ran bool, err error) {
	err = s.db.QueryRow("SELECT EXISTS (SELECT 1 FROM runs WHERE image = ? AND infra = '')", image).Scan(&ran)
	return ran, wrap("read runs", err)
}

// Fact returns what was probed under key, or ErrNotFound.
func (s *Store) Fact(key string) (value string, err error) {
	err = s.db.QueryRow("SELECT value FROM facts WHERE key = ?", key).Scan(&value)
	return value, wrap("read fact", err)
}

// PutFact keeps what was probed under key.
func (s *Store) PutFact(key, value string) error {
	_, err := s.db.Exec("INSERT OR REPLACE INTO facts (key, value) VALUES (?, ?)", key, value)
	return wrap("store fact", err)
}

// DropFact forgets what was kept under key, if anything was.
func (s *Store) DropFact(key string) error {
	_, err := s.db.Exec("DELETE FROM facts WHERE key = ?", key)
	return wrap("drop fact", err)
}

func (s *Store) putJSON(op, stmt, key string, v any) error {
	doc, err := json.Marshal(v)
	if err == nil {
		_, err = s.db.Exec(stmt, key, string(doc))
	}
	return wrap(op, err)
}

func (s *Store) getJSON(op string, v any, stmt, key string) error {
	var doc string
	err := s.db.QueryRow(stmt, key).Scan(&doc)
	if err == nil {
		err = json.Unmarshal([]byte(doc), v)
	}
	return wrap(op, err)
}

// wrap says what was being done. A full disk is syscall.ENOSPC, however SQLite says it, and a database that can only be read a
// *ReadOnlyError.
func wrap(op string, err error) error {
	var failed *sqlite.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &failed) && failed.Code()&0xff == sqlitelib.SQLITE_FULL:
		return fmt.Errorf("%s: %w", op, syscall.ENOSPC)
	case errors.As(err, &failed) && failed.Code()&0xff == sqlitelib.SQLITE_READONLY:
		return &ReadOnlyError{Op: op}
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%s: %w", op, ErrNotFound)
	}
	return fmt.Errorf("%s: %w", op, err)
}

func query[T any](s *Store, op string, scan func(*sql.Rows, *T) error, stmt string, args ...any) ([]T, error) {
	rows, err := s.db.Query(stmt, args...)
	return scanAll(rows, err, op, scan)
}

// scanAll reads the rows that a query gave, or its error.
func scanAll[T any](rows *sql.Rows, err error, op string, scan func(*sql.Rows, *T) error) ([]T, error) {
	if err != nil {
		return nil, wrap(op, err)
	}
	defer func() { _ = rows.Close() }()
	var all []T
	for rows.Next() {
		var v T
		if err := scan(rows, &v); err != nil {
			return nil, wrap(op, err)
		}
		all = append(all, v)
	}
	return all, wrap(op, rows.Err())
}
