package store

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"io"
	"runtime"
	"sync"
)

// Mail is kept in parts, so that a large one is never in memory as a whole beside what was read from it.
const (
	mailSchema = `
CREATE TABLE mails (
	hash TEXT PRIMARY KEY,          -- of the mail of one load, one mboxrd
	size INTEGER NOT NULL           -- of it, in bytes; 0 where an older schema did not keep it
);` + partSchema
	partSchema = `
CREATE TABLE mail_parts (
	mail TEXT NOT NULL REFERENCES mails(hash) ON DELETE CASCADE,
	part INTEGER NOT NULL,          -- their order
	data BLOB NOT NULL,             -- a piece of the mail, gzipped
	PRIMARY KEY (mail, part)
);`
)

// partSize is the size, in bytes before packing, of all parts of a mail but the last.
const partSize = 256 << 10

// putMail stores a mail, unless it is there already, and gives its hash. It reads the mail up to two times.
func putMail(tx *sql.Tx, mail io.WriterTo) (hash string, err error) {
	h := sha256.New()
	size, err := mail.WriteTo(h)
	if err != nil {
		return "", err
	}
	hash = hex.EncodeToString(h.Sum(nil))
	res, err := tx.Exec("INSERT OR IGNORE INTO mails (hash, size) VALUES (?, ?)", hash, size)
	if err != nil {
		return "", err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return hash, err
	}
	p := &partWriter{tx: tx, mail: hash}
	_, err = mail.WriteTo(p)
	return hash, errors.Join(err, p.flush())
}

// partWriter stores in parts what is written to it. Packing takes the time, so several are packed at once.
type partWriter struct {
	tx      *sql.Tx
	mail    string
	part    []byte        // not full yet
	packing []chan []byte // those before it that are not stored yet
	stored  int
}

func (p *partWriter) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		if p.part == nil {
			p.part = make([]byte, 0, partSize)
		}
		n := min(len(rest), partSize-len(p.part))
		p.part, rest = append(p.part, rest[:n]...), rest[n:]
		if len(p.part) < partSize {
			break
		}
		p.pack()
		if len(p.packing) > runtime.GOMAXPROCS(0) {
			if err := p.store(); err != nil {
				return 0, err
			}
		}
	}
	return len(b), nil
}

// pack starts to pack the part.
func (p *partWriter) pack() {
	packed, part := make(chan []byte, 1), p.part
	go func() { packed <- pack(part) }()
	p.packing, p.part = append(p.packing, packed), nil
}

// store stores the first of the packed parts.
func (p *partWriter) store() error {
	_, err := p.tx.Exec("INSERT INTO mail_parts (mail, part, data) VALUES (?, ?, ?)", p.mail, p.stored, <-p.packing[0])
	p.stored, p.packing = p.stored+1, p.packing[1:]
	return err
}

// flush stores the rest.
func (p *partWriter) flush() error {
	p.pack()
	for len(p.packing) > 0 {
		if err := p.store(); err != nil {
			return err
		}
	}
	return nil
}

var packers = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
	return w
}}

// pack compresses mail fast: that costs less than to write it out.
func pack(raw []byte) []byte {
	w := packers.Get().(*gzip.Writer)
	defer packers.Put(w)
	var b bytes.Buffer
	w.Reset(&b)
	_, _ = w.Write(raw) // to memory
	_ = w.Close()
	return b.Bytes()
}

// Mail returns the mail of a SeriesRow, by its Mail.
func (s *Store) Mail(hash string) ([]byte, error) {
	raw, err := s.mail(hash)
	return raw, wrap("read mail", err)
}

func (s *Store) mail(hash string) ([]byte, error) {
	var size int
	if err := s.db.QueryRow("SELECT size FROM mails WHERE hash = ?", hash).Scan(&size); err != nil {
		return nil, err
	}
	rows, err := s.db.Query("SELECT data FROM mail_parts WHERE mail = ? ORDER BY part", hash)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	unpack, err := gzip.NewReader(&partReader{rows: rows})
	if err != nil {
		return nil, err
	}
	raw := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	_, err = raw.ReadFrom(unpack)
	return raw.Bytes(), err
}

// partReader reads the parts that rows give.
type partReader struct {
	rows *sql.Rows
	part []byte
}

func (p *partReader) Read(b []byte) (int, error) {
	for len(p.part) == 0 {
		if !p.rows.Next() {
			return 0, cmp.Or(p.rows.Err(), io.EOF)
		}
		if err := p.rows.Scan(&p.part); err != nil {
			return 0, err
		}
	}
	n := copy(b, p.part)
	p.part = p.part[n:]
	return n, nil
}

// rawMail is a mail in memory.
type rawMail []byte

// WriteTo is what putMail reads it with.
func (m rawMail) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(m)
	return int64(n), err
}

// shareMails makes of schema 1, where every series had the mail it came with for itself, the present one.
func shareMails(tx *sql.Tx) error {
	rows, err := tx.Query("SELECT id, raw FROM series")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	mails := map[string]rawMail{}
	for rows.Next() {
		var id string
		var raw []byte
		if err := rows.Scan(&id, &raw); err != nil {
			return err
		}
		mails[id] = raw
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	if _, err := tx.Exec(mailSchema + "ALTER TABLE series ADD COLUMN mail TEXT NOT NULL DEFAULT ''; ALTER TABLE series DROP COLUMN raw"); err != nil {
		return err
	}
	for id, mail := range mails {
		hash, err := putMail(tx, mail)
		if err != nil {
			return err
		}
		if _, err := tx.Exec("UPDATE series SET mail = ? WHERE id = ?", hash, id); err != nil {
			return err
		}
	}
	return nil
}

// divideMails makes of schema 2, where mail was in one piece, the present one.
func divideMails(tx *sql.Tx) error {
	_, err := tx.Exec(partSchema + `INSERT INTO mail_parts (mail, part, data) SELECT hash, 0, raw FROM mails;
		ALTER TABLE mails DROP COLUMN raw; ALTER TABLE mails ADD COLUMN size INTEGER NOT NULL DEFAULT 0`)
	return err
}
