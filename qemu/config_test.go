package qemu

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestConfigHash(t *testing.T) {
	hash := func(c Config) string {
		t.Helper()
		h, err := c.Hash()
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	base := hash(Config{Fragments: []string{"vm"}})
	if got := hash(Config{Base: "tinyconfig", Fragments: []string{"vm"}}); got != base {
		t.Error("tinyconfig is not the default base")
	}
	for name, c := range map[string]Config{
		"base":     {Base: "defconfig", Fragments: []string{"vm"}},
		"fragment": {Fragments: []string{"vm", "gfs2"}},
		"option":   {Fragments: []string{"vm"}, Options: []string{"CONFIG_HZ_250=n"}},
	} {
		if hash(c) == base {
			t.Errorf("another %s has the same hash", name)
		}
	}
	file := filepath.Join(t.TempDir(), "my.config")
	write(t, file, "CONFIG_A=y\n")
	one := hash(Config{Base: file})
	write(t, file, "CONFIG_A=n\n")
	if hash(Config{Base: file}) == one {
		t.Error("the content of a base file is not in the hash")
	}
	a := hash(Config{Fragments: []string{"gfs2"}, Options: []string{"CONFIG_A=y", "CONFIG_A=n"}})
	if b := hash(Config{Fragments: []string{"gfs2"}, Options: []string{"# CONFIG_A is not set"}}); a != b {
		t.Error("an option that a later one replaces is in the hash")
	}
}

func TestConfigRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		c    Config
		want string
	}{
		"unknown fragment": {Config{Fragments: []string{"gsf2"}}, "read config fragment gsf2: unknown; there are"},
		"no such file":     {Config{Base: "/nonexistent/x.config"}, "no such file"},
		"directory":        {Config{Base: t.TempDir()}, "not a regular file"},
		"no option":        {Config{Options: []string{"GFS2_FS=y"}}, `line 1: "GFS2_FS=y" is no config option`},
		"no value":         {Config{Options: []string{"CONFIG_GFS2_FS="}}, "is no config option"},
	} {
		_, err := tt.c.Hash()
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got error %v, want %q", name, err, tt.want)
		}
	}
}

func TestFragmentsParse(t *testing.T) {
	names := FragmentNames()
	for _, name := range []string{"vm", "gfs2", "ext4", "debug", "kasan"} {
		if !slices.Contains(names, name) {
			t.Errorf("no fragment %s", name)
		}
	}
	for _, name := range names {
		r, err := Config{Fragments: []string{name}}.resolve()
		if err != nil || len(r.wants) == 0 {
			t.Errorf("%s: %d options, error %v", name, len(r.wants), err)
		}
	}
}

// What makes tinyconfig quick to build is not forced on a config that chose otherwise.
func TestTinyGoesWithTinyconfigOnly(t *testing.T) {
	trims := func(base string) bool {
		r, err := Config{Base: base, Fragments: []string{"vm"}}.resolve()
		if err != nil {
			t.Fatal(err)
		}
		return slices.Contains(r.wants, option{"CC_OPTIMIZE_FOR_SIZE", "y"})
	}
	if !trims("tinyconfig") || trims("defconfig") {
		t.Errorf("tinyconfig %v, defconfig %v", trims("tinyconfig"), trims("defconfig"))
	}
	if slices.Contains(FragmentNames(), "vm.tiny") {
		t.Error("vm.tiny can be asked for")
	}
}

func TestCheckSurvived(t *testing.T) {
	src := t.TempDir()
	root, err := os.OpenRoot(src)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	write(t, filepath.Join(src, "Kconfig"), "source \"arch/$(SRCARCH)/Kconfig\"\nif BLOCK\nsource \"fs/gfs2/Kconfig\"\nendif\nsource \"lib/Kconfig\"\n")
	write(t, filepath.Join(src, "fs/gfs2/Kconfig"), `menu "GFS2"
config GFS2_FS
	tristate "GFS2 file system support"
	depends on EXPERT || \
		SMP
	depends on MMU # a comment
	select CRC32
	help
	  A cluster filesystem.

	  depends on nothing said here

config OTHER
	bool
	depends on WRONG
endmenu
`)
	write(t, filepath.Join(src, "arch/arm/Kconfig"), "config GFS2_FS\n\tbool\n\tdepends on ARM\n")
	write(t, filepath.Join(src, "lib/Kconfig"), "config CRC32\n\ttristate\n")
	dotConfig := "CONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\nCONFIG_S=\"x y\"\nCONFIG_CRC32=m\nCONFIG_MMU=y\n"
	for want, opt := range map[string]string{
		"": "CONFIG_A=y", " ": "CONFIG_S=\"x y\"", "  ": "CONFIG_C=n", "   ": "# CONFIG_GONE is not set",
		"configure kernel: CONFIG_B=y did not survive: CONFIG_B=m":                                                                                  "CONFIG_B=y",
		"configure kernel: # CONFIG_A is not set did not survive: CONFIG_A=y":                                                                       "CONFIG_A=n",
		"configure kernel: CONFIG_GFS2_FS=y did not survive: not set (depends on BLOCK && (EXPERT || SMP) && MMU); not there: BLOCK, EXPERT || SMP": "CONFIG_GFS2_FS=y",
		"configure kernel: CONFIG_NO_SUCH=y did not survive: unknown to this kernel":                                                                "CONFIG_NO_SUCH=y",
		"configure kernel: CONFIG_CRC32=y did not survive: CONFIG_CRC32=m":                                                                          "CONFIG_CRC32=y",
	} {
		wants, err := parseOptions(opt)
		if err != nil {
			t.Fatal(err)
		}
		err = checkSurvived(wants, dotConfig, root)
		if strings.TrimSpace(want) == "" {
			if err != nil {
				t.Errorf("%s: %v", opt, err)
			}
			continue
		}
		var conf *ConfigError
		if !errors.As(err, &conf) || strings.Join(strings.Fields(err.Error()), " ") != strings.Join(strings.Fields(want), " ") {
			t.Errorf("%s: got %v, want %s", opt, err, want)
		} else if conf.Hint() == "" {
			t.Errorf("%s: no hint", opt)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
