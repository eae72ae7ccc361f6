package series

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
)

// statMagic begins a stat cache; another version is as good as none.
const statMagic = "seriesctl stat cache 1\n"

// statCachePath is where the stat cache of the source in dir, an absolute path, is kept.
func (r *Repo) statCachePath(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join(r.dir, "seriesctl", "stat-"+hex.EncodeToString(sum[:8]))
}

// readStatCache gives what is known of the source, nil when that is nothing or is damaged: the cache only
// saves time.
func (r *Repo) readStatCache(dir string) *plainDir {
	data, err := os.ReadFile(r.statCachePath(dir))
	if err != nil || len(data) < len(statMagic)+sha1.Size {
		return nil
	}
	body, sum := data[:len(data)-sha1.Size], data[len(data)-sha1.Size:]
	if got := sha1.Sum(body); !bytes.Equal(got[:], sum) || !bytes.HasPrefix(body, []byte(statMagic)) {
		return nil
	}
	d := statReader{rest: string(body[len(statMagic):])}
	root := d.dir("", 0)
	if d.bad {
		return nil
	}
	return root
}

// writeStatCache keeps what is known of the source, all or nothing.
func (r *Repo) writeStatCache(dir string, root *plainDir) (err error) {
	b := appendStatDir([]byte(statMagic), root)
	sum := sha1.Sum(b)
	return writeFileAtomic(r.statCachePath(dir), append(b, sum[:]...))
}

// writeFileAtomic writes a file, making its directory; others see the old file or the new.
func writeFileAtomic(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

func appendStatDir(b []byte, d *plainDir) []byte {
	name := filepath.Base(d.path)
	b = appendText(b, name)
	b = append(b, d.tree[:]...)
	b = binary.AppendUvarint(b, uint64(len(d.files)))
	for _, f := range d.files {
		b = appendText(b, f.name)
		b = binary.AppendVarint(b, f.stat.size)
		b = binary.AppendVarint(b, f.stat.mtime)
		b = binary.AppendVarint(b, f.stat.ctime)
		b = binary.AppendUvarint(b, f.stat.ino)
		b = binary.AppendUvarint(b, uint64(f.stat.mode))
		b = append(b, f.id[:]...)
	}
	b = binary.AppendUvarint(b, uint64(len(d.subs)))
	for _, s := range d.subs {
		b = appendStatDir(b, s)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// statReader reads what appendStatDir wrote. Its strings are parts of one.
type statReader struct {
	rest string
	bad  bool
}

func (r *statReader) dir(parent string, depth int) *plainDir {
	name := r.text()
	d := &plainDir{}
	if depth > 0 {
		d.path = joinPath(parent, name)
	}
	copy(d.tree[:], r.take(len(d.tree)))
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.bad = true
	}
	if r.bad || depth > maxDepth+2 {
		r.bad = true
		return d
	}
	d.files = make([]plainFile, n)
	for i := range d.files {
		f := &d.files[i]
		f.name = r.text()
		f.stat = fileStat{size: r.varint(), mtime: r.varint(), ctime: r.varint(), ino: r.uvarint(), mode: uint32(r.uvarint())}
		copy(f.id[:], r.take(len(f.id)))
	}
	n = r.uvarint()
	for i := uint64(0); i < n && !r.bad; i++ {
		d.subs = append(d.subs, r.dir(d.path, depth+1))
	}
	return d
}

func (r *statReader) take(n int) string {
	if n < 0 || n > len(r.rest) {
		r.bad = true
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

func (r *statReader) text() string { return r.take(int(min(r.uvarint(), 1<<20))) }

func (r *statReader) uvarint() uint64 {
	var v uint64
	for shift := 0; shift < 64; shift += 7 {
		if len(r.rest) == 0 {
			break
		}
		c := r.rest[0]
		r.rest = r.rest[1:]
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	r.bad = true
	return 0
}

func (r *statReader) varint() int64 {
	v := r.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}
