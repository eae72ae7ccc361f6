package qemu

import (
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seriesctl/seriesctl/internal/xec"
)

// systemSerial is the serial number of the system's disk, by which the agent finds it.
const systemSerial = "system"

// System is a root file system for cases that need more than one static program: programs of this host at their own
// paths, with what they need, and a directory. It is on a disk of its own, so that a guest holds in memory only what it reads.
type System struct {
	Image string // a raw ext4 image
	Key   string // a hash of what is in it, but for SystemFiles.Own
}

// SystemFiles says what a System has.
type SystemFiles struct {
	Programs []string          // names of programs of the host: those that it has
	Needed   []string          // and those without which it is no use
	Texts    map[string]string // path in the system → a file's content; a script can be executed
	Dir, At  string            // the directory and its path in the system; its programs get the libraries they are linked to
	Keep     func(rel string, d fs.DirEntry) bool
	Own      func(rel string) bool // files of Dir that are part of some cases' own content keys
}

// systemMax bounds a system, in bytes.
const systemMax = 2 << 30

// systemMounts are there to mount on.
var systemMounts = []string{"/dev", "/mnt", "/proc", "/run", "/sys", "/tmp", "/var"}

// loaderCache says where libraries are on a distribution that has them elsewhere. It is not in the key: it changes with every
// package that is installed.
const loaderCache = "/etc/ld.so.cache"

// systemConfig are files of the host that its programs read: mke2fs makes no file system without its own.
var systemConfig = []string{"/etc/mke2fs.conf", loaderCache}

// MakeSystem makes the image of a system in dir, once for each state of what it has. It removes the image that it made there
// before: no VM may use it.
func MakeSystem(ctx context.Context, f SystemFiles, dir string) (*System, error) {
	const op = "make the guest's system"
	for _, name := range f.Needed {
		if _, err := xec.Find(name); err != nil {
			return nil, &InfraError{Op: "find " + name, Err: errors.New("not installed, and " + f.At[1:] + " needs it in the guest"), Hint: toolHint(name)}
		}
	}
	t := &hostTree{entries: map[string]entry{}}
	quick, err := f.programs(ctx, t)
	if err != nil {
		return nil, &InfraError{Op: op, Err: err}
	}
	image := filepath.Join(dir, "system-"+quick[:16]+".img")
	note := image + ".json"
	var s System
	if b, err := os.ReadFile(note); err == nil && json.Unmarshal(b, &s) == nil && s.Key != "" {
		if _, err := os.Stat(image); err == nil {
			return &System{Image: image, Key: s.Key}, nil
		}
	}
	if err := f.fill(ctx, t); err != nil {
		return nil, errors.Join(ctx.Err(), &InfraError{Op: op, Err: err})
	}
	if s.Key, err = t.key(); err != nil {
		return nil, &InfraError{Op: op, Err: err}
	}
	if err := t.write(ctx, image, dir); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &InfraError{Op: op, Err: err, Hint: spaceHint(err)}
	}
	s.Image = image
	b, err := json.Marshal(s)
	if err == nil {
		err = os.WriteFile(note, b, 0o644)
	}
	if err == nil {
		err = removeOthers(dir, image, note)
	}
	if err != nil {
		return nil, &InfraError{Op: op, Err: err, Hint: spaceHint(err)}
	}
	return &s, nil
}

// removeOthers removes the images of what the system was before: each is hundreds of megabytes.
func removeOthers(dir string, keep ...string) error {
	all, err := filepath.Glob(filepath.Join(dir, "system-*.img*"))
	for _, p := range all {
		if !slices.Contains(keep, p) {
			err = errors.Join(err, os.Remove(p))
		}
	}
	return err
}

// entry is a file, a link or (with neither) a directory of a system.
type entry struct {
	source string // on the host
	text   string
	link   string
	mode   fs.FileMode // permissions of a file
	size   int64
	own    bool // not in the system's key
}

func (e entry) isDir() bool { return e.source == "" && e.link == "" && e.text == "" }

// hostTree is what a system has: absolute path → entry.
type hostTree struct {
	entries map[string]entry
	size    int64
}

func (t *hostTree) put(name string, e entry) {
	if _, ok := t.entries[name]; ok {
		return
	}
	for d := path.Dir(name); d != "/"; d = path.Dir(d) {
		if _, ok := t.entries[d]; ok {
			break
		}
		t.entries[d] = entry{}
	}
	t.entries[name] = e
	t.size += e.size
}

// host takes a file of the host at its own path, with the links that lead to it.
func (t *hostTree) host(name string) error {
	rest := strings.Split(strings.Trim(path.Clean(name), "/"), "/")
	at := "/"
	for hops := 0; len(rest) > 0; {
		at, rest = path.Join(at, rest[0]), rest[1:]
		fi, err := os.Lstat(at)
		switch {
		case err != nil:
			return err
		case fi.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(at)
			if err != nil {
				return err
			}
			if hops++; hops > 40 {
				return fmt.Errorf("%s: too many links", name)
			}
			t.put(at, entry{link: target})
			if !path.IsAbs(target) {
				target = path.Join(path.Dir(at), target)
			}
			rest = append(strings.Split(strings.Trim(path.Clean(target), "/"), "/"), rest...)
			at = "/"
		case fi.IsDir():
			t.put(at, entry{})
		case fi.Mode().IsRegular() && len(rest) == 0:
			t.put(at, entry{source: at, mode: fi.Mode() & 0o755, size: fi.Size()})
		default:
			return fmt.Errorf("%s: no file", name)
		}
	}
	return nil
}

// programs finds the host's programs, and what tells whether anything of the system has changed.
func (f SystemFiles) programs(ctx context.Context, t *hostTree) (quick string, err error) {
	k := newKey("system")
	for _, name := range append(slices.Clone(f.Needed), f.Programs...) {
		p, err := xec.Find(name)
		if err != nil {
			continue
		}
		fi, err := os.Stat(p)
		if err != nil || t.host(p) != nil {
			continue
		}
		k.add(p, fmt.Sprint(fi.Size(), fi.ModTime().UnixNano()))
	}
	for _, name := range sortedKeys(f.Texts) {
		k.add(name, f.Texts[name])
	}
	k.add(f.At)
	err = f.walk(func(rel string, fi fs.FileInfo) error {
		link, _ := os.Readlink(filepath.Join(f.Dir, rel))
		k.add(rel, fmt.Sprint(fi.Size(), fi.ModTime().UnixNano(), fi.Mode()), link)
		return ctx.Err()
	})
	return k.sum(), err
}

// walk visits what the system takes of Dir, in order.
func (f SystemFiles) walk(visit func(rel string, fi fs.FileInfo) error) error {
	return filepath.WalkDir(f.Dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(f.Dir, p)
		if err != nil || rel == "." {
			return err
		}
		if !f.Keep(rel, d) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		fi, err := d.Info()
		if err != nil || fi.Mode()&(fs.ModeType&^fs.ModeDir&^fs.ModeSymlink) != 0 {
			return err
		}
		return visit(rel, fi)
	})
}

// fill collects everything but the programs themselves.
func (f SystemFiles) fill(ctx context.Context, t *hostTree) error {
	libs := map[string]string{} // name → path of the libraries that the host's programs take
	for _, name := range sortedKeys(t.entries) {
		if t.entries[name].source == "" {
			continue
		}
		list, err := libraries(ctx, name)
		if err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
		for _, l := range list { // of a script there are none
			libs[path.Base(l)] = l
			if err := t.host(l); err != nil {
				return err
			}
		}
	}
	for _, name := range systemConfig {
		if err := t.host(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := t.perl(ctx); err != nil {
		return err
	}
	for _, dir := range systemMounts {
		t.put(dir, entry{})
	}
	for _, dir := range []string{"/bin", "/sbin"} { // links, where the host has no such directories any more
		if target, err := os.Readlink(dir); err == nil {
			t.put(dir, entry{link: target})
		}
	}
	for name, text := range f.Texts {
		mode := fs.FileMode(0o644)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		t.put(name, entry{text: text, mode: mode, size: int64(len(text))})
	}
	t.put("/etc/mtab", entry{link: "/proc/self/mounts"})
	t.put(f.At, entry{})
	need := map[string]bool{}
	err := f.walk(func(rel string, fi fs.FileInfo) error {
		p, name := filepath.Join(f.Dir, rel), path.Join(f.At, filepath.ToSlash(rel))
		switch {
		case fi.IsDir():
			t.put(name, entry{})
		case fi.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			t.put(name, entry{link: target, own: f.Own(rel)})
		default:
			t.put(name, entry{source: p, mode: fi.Mode() & 0o755, size: fi.Size(), own: f.Own(rel)})
			for _, l := range linkedTo(p) {
				need[l] = true
			}
		}
		if t.size > systemMax {
			return fmt.Errorf("%s: more than %d MiB", f.Dir, systemMax>>20)
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	return t.libraries(ctx, libs, sortedKeys(need))
}

// libraries takes libraries by their names. The programs that want them came with the directory, and are not asked: their loader
// would be run.
func (t *hostTree) libraries(ctx context.Context, have map[string]string, names []string) error {
	var dirs []string
	for _, l := range have {
		if d := path.Dir(l); !slices.Contains(dirs, d) {
			dirs = append(dirs, d)
		}
	}
	slices.Sort(dirs)
	dirs = append(dirs, "/usr/lib64", "/usr/lib", "/usr/local/lib")
	loader := ""
	for name, l := range have {
		if strings.HasPrefix(name, "ld-") || strings.HasPrefix(name, "ld64") || strings.HasPrefix(name, "ld.so") {
			loader = l
		}
	}
	for _, name := range names {
		if have[name] != "" || name != path.Base(name) {
			continue
		}
		i := slices.IndexFunc(dirs, func(d string) bool { _, err := os.Stat(path.Join(d, name)); return err == nil })
		if i < 0 {
			continue // the program that wants it says so in the guest
		}
		p := path.Join(dirs[i], name)
		if err := t.host(p); err != nil {
			return err
		}
		if loader == "" {
			continue
		}
		out, err := xec.Cmd{Name: loader, Args: []string{"--list", p}}.Output(ctx)
		if err != nil {
			continue
		}
		for _, l := range loaderNames(string(out)) {
			if err := t.host(l); err != nil {
				return err
			}
		}
	}
	return nil
}

// linkedTo are the libraries that a program names.
func linkedTo(file string) []string {
	f, err := elf.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, err := f.ImportedLibraries()
	if err != nil {
		return nil
	}
	return names
}

// perl takes the modules that come with the host's perl, if the system has it.
func (t *hostTree) perl(ctx context.Context) error {
	p, err := xec.Find("perl")
	if err != nil {
		return nil
	}
	if _, ok := t.entries[p]; !ok {
		return nil
	}
	out, err := xec.Cmd{Name: p, Args: []string{"-e", `print map { "$_\n" } @INC`}}.Output(ctx)
	if err != nil {
		return err
	}
	for dir := range strings.Lines(string(out)) {
		dir = path.Clean(strings.TrimSpace(dir))
		// Not those of packages: there can be any amount.
		if dir == "/usr/share/perl5" || !strings.HasPrefix(dir, "/usr/lib") && !strings.HasPrefix(dir, "/usr/share") {
			continue
		}
		// With the slash it is walked where it is a link, too.
		err := filepath.WalkDir(dir+"/", func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !slices.Contains([]string{".pm", ".pl", ".so", ".al", ".ix"}, path.Ext(p)) {
				return nil
			}
			return t.host(p)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// key is a hash of what is there.
func (t *hostTree) key() (string, error) {
	k := newKey("system content")
	for _, name := range sortedKeys(t.entries) {
		e := t.entries[name]
		if e.own || name == loaderCache {
			continue
		}
		k.add(name, e.link, e.text, fmt.Sprint(e.mode))
		if e.source != "" {
			if err := k.addFile(e.source); err != nil {
				return "", err
			}
		}
	}
	return k.sum(), nil
}

// write makes an ext4 image of the tree, without a journal and with no feature that a kernel of the last ten years lacks.
func (t *hostTree) write(ctx context.Context, image, dir string) error {
	mke2fs, err := xec.Find("mke2fs")
	if err != nil {
		return fmt.Errorf("%w: install e2fsprogs", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	stage, err := os.MkdirTemp(dir, "stage-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	if err := t.stage(ctx, stage); err != nil {
		return err
	}
	part, err := os.CreateTemp(dir, "system-*")
	if err != nil {
		return err
	}
	defer os.Remove(part.Name())
	const block = 4096
	blocks := (t.size/block + 2*int64(len(t.entries))) * 110 / 100
	err = errors.Join(part.Truncate((blocks+4096)*block), part.Close())
	if err != nil {
		return err
	}
	err = xec.Cmd{Name: mke2fs, Args: []string{"-q", "-F", "-b", fmt.Sprint(block), "-O", "none,sparse_super,filetype,extent,dir_index,large_file",
		"-I", "256", "-m", "0", "-N", fmt.Sprint(len(t.entries) + 100), "-E", "root_owner=0:0", "-L", "system", "-d", stage, part.Name()}}.Run(ctx)
	if err != nil {
		return err
	}
	return os.Rename(part.Name(), image)
}

// stage copies the tree to a directory.
func (t *hostTree) stage(ctx context.Context, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, name := range sortedKeys(t.entries) { // a directory comes before what is in it
		e, rel := t.entries[name], strings.TrimPrefix(name, "/")
		var err error
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case e.isDir():
			err = root.Mkdir(rel, 0o755)
		case e.link != "":
			err = root.Symlink(e.link, rel)
		default:
			err = stageFile(root, rel, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func stageFile(root *os.Root, rel string, e entry) error {
	out, err := root.OpenFile(rel, os.O_WRONLY|os.O_CREATE|os.O_EXCL, e.mode|0o600)
	if err != nil {
		return err
	}
	if e.source == "" {
		_, err = io.WriteString(out, e.text)
	} else {
		var in *os.File
		if in, err = os.Open(e.source); err == nil {
			_, err = io.Copy(out, in)
			in.Close()
		}
	}
	return errors.Join(err, out.Close())
}
