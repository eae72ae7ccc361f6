package series

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"hash/adler32"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
)

// writePack stores objects as one pack, in the form of gitformat-pack(5), version 2. Its contents are on
// the disk when writePack returns. A pack of the same objects that is whole is left as it is; one that a power cut has
// damaged is replaced.
func (r *Repo) writePack(all map[plumbing.Hash]gitObject) error {
	ids := make([]plumbing.Hash, 0, len(all))
	for id := range all {
		ids = append(ids, id)
	}
	name := r.packName(ids)
	if wholePack(name) {
		return nil
	}
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	p := &packWriter{at: map[plumbing.Hash]packedObject{}}
	pack, err := newSynced(name+".pack", func(w io.Writer) error { return p.objects(w, ids, all) })
	if err != nil {
		return err
	}
	// Waiting for the disk is most of the time: do it for both at once.
	synced := make(chan error, 1)
	go func() { synced <- pack.f.Sync() }()
	index, err := newSynced(name+".idx", func(w io.Writer) error { return p.index(w, ids) })
	if err != nil {
		err = errors.Join(err, <-synced)
		pack.discard()
		return err
	}
	if err = errors.Join(index.f.Sync(), <-synced); err != nil {
		pack.discard()
		index.discard()
		return err
	}
	// The index makes the pack known, so it comes last.
	if err := pack.publish(); err != nil {
		index.discard()
		return err
	}
	return index.publish()
}

// packName is the path, without its suffix, of the pack of these objects, whose ids it sorts.
func (r *Repo) packName(ids []plumbing.Hash) string {
	slices.SortFunc(ids, func(a, b plumbing.Hash) int { return bytes.Compare(a[:], b[:]) })
	h := sha1.New()
	for _, id := range ids {
		h.Write(id[:])
	}
	return filepath.Join(r.dir, "objects", "pack", "pack-"+plumbing.Hash(h.Sum(nil)).String())
}

// wholePack says whether the pack of that name, and its index, end in the hashes of what they hold.
func wholePack(name string) bool {
	for _, suffix := range []string{".idx", ".pack"} {
		f, err := os.Open(name + suffix)
		if err != nil {
			return false
		}
		whole := endsInHash(f)
		_ = f.Close() // read only
		if !whole {
			return false
		}
	}
	return true
}

func endsInHash(f *os.File) bool {
	fi, err := f.Stat()
	if err != nil || fi.Size() < sha1.Size {
		return false
	}
	h := sha1.New()
	if _, err := io.Copy(h, io.LimitReader(f, fi.Size()-sha1.Size)); err != nil {
		return false
	}
	var end [sha1.Size]byte
	_, err = io.ReadFull(f, end[:])
	return err == nil && bytes.Equal(h.Sum(nil), end[:])
}

// syncedFile is a file that others are to see as a whole or not at all, also after a power cut.
type syncedFile struct {
	f    *os.File
	path string
}

func newSynced(path string, write func(io.Writer) error) (*syncedFile, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "tmp_*")
	if err != nil {
		return nil, err
	}
	s := &syncedFile{f, path}
	b := bufio.NewWriterSize(f, 64<<10)
	if err = write(b); err == nil {
		err = b.Flush()
	}
	if err == nil {
		err = f.Chmod(0o444)
	}
	if err != nil {
		s.discard()
		return nil, err
	}
	return s, nil
}

// publish gives a file that has been synced its name.
func (s *syncedFile) publish() error {
	err := s.f.Close()
	if err == nil {
		err = os.Rename(s.f.Name(), s.path)
	}
	if err != nil {
		_ = os.Remove(s.f.Name()) // the error says it all
	}
	return err
}

// discard is for a file after an error, which says it all.
func (s *syncedFile) discard() {
	_ = s.f.Close()
	_ = os.Remove(s.f.Name())
}

type packedObject struct {
	offset int64
	crc    uint32
}

// packWriter writes a pack and then its index.
type packWriter struct {
	at  map[plumbing.Hash]packedObject
	sum [sha1.Size]byte // of the pack
}

func (p *packWriter) objects(w io.Writer, ids []plumbing.Hash, all map[plumbing.Hash]gitObject) error {
	sum := sha1.New()
	w = io.MultiWriter(w, sum)
	b := binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), uint32(len(ids)))
	var at int64
	for _, id := range ids {
		if _, err := w.Write(b); err != nil {
			return err
		}
		at += int64(len(b))
		obj := all[id]
		b = appendStored(appendPackedHeader(b[:0], obj.kind, len(obj.data)), obj.data)
		p.at[id] = packedObject{at, crc32.ChecksumIEEE(b)}
	}
	if at > 1<<31-1 {
		return errors.New("pack of more than 2 GiB")
	}
	if _, err := w.Write(b); err != nil {
		return err
	}
	_, err := w.Write(sum.Sum(p.sum[:0]))
	return err
}

// appendStored adds data as a zlib stream (RFC 1950) of stored blocks (RFC 1951, 3.2.4): not compressed. Most of what is
// stored are trees, which are hashes and don't get smaller, and compressing takes longer than applying.
func appendStored(b, data []byte) []byte {
	b = append(b, 0x78, 0x01)
	for rest, last := data, byte(0); last == 0; {
		n := min(len(rest), 0xffff)
		if n == len(rest) {
			last = 1
		}
		b = append(b, last, byte(n), byte(n>>8), ^byte(n), ^byte(n>>8))
		b = append(b, rest[:n]...)
		rest = rest[n:]
	}
	return binary.BigEndian.AppendUint32(b, adler32.Checksum(data))
}

// appendPackedHeader adds an object's kind and size.
func appendPackedHeader(b []byte, kind plumbing.ObjectType, size int) []byte {
	c := byte(kind)<<4 | byte(size&15)
	size >>= 4
	for size > 0 {
		b = append(b, c|0x80)
		c = byte(size & 0x7f)
		size >>= 7
	}
	return append(b, c)
}

func (p *packWriter) index(w io.Writer, ids []plumbing.Hash) error {
	b := []byte("\xfftOc\x00\x00\x00\x02")
	for i, n := 0, 0; i < 256; i++ {
		for n < len(ids) && int(ids[n][0]) <= i {
			n++
		}
		b = binary.BigEndian.AppendUint32(b, uint32(n))
	}
	for _, id := range ids {
		b = append(b, id[:]...)
	}
	for _, id := range ids {
		b = binary.BigEndian.AppendUint32(b, p.at[id].crc)
	}
	for _, id := range ids {
		b = binary.BigEndian.AppendUint32(b, uint32(p.at[id].offset))
	}
	b = append(b, p.sum[:]...)
	sum := sha1.Sum(b)
	_, err := w.Write(append(b, sum[:]...))
	return err
}
