package qemu

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// maxMade bounds what is read of a file that a build made, in bytes; the largest, a thin archive or a .cmd file, have some hundred KiB.
const maxMade = 16 << 20

// madeError is a file that a build must have made with intent: a link, a pipe, or one too large for what it is.
type madeError struct{ name, what string }

func (e *madeError) Error() string { return e.name + ": " + e.what }

// readMade reads a file that a build made. The build is not trusted: a link could lead anywhere, reading
// a pipe would never end, and a file with holes would not fit into memory, whatever limits the build had. Then the error is a *madeError.
func readMade(root *os.Root, name string) ([]byte, error) {
	fi, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() || fi.Size() > maxMade {
		return nil, &madeError{name, fmt.Sprintf("the build left a file of mode %s and %d bytes there", fi.Mode(), fi.Size())}
	}
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxMade))
}

// writeMade writes a new file for a build, whatever the last one left in its place.
func writeMade(root *os.Root, name, text string) error {
	if err := root.RemoveAll(name); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}
