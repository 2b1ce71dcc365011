package credential

import (
	"os"
	"syscall"
	"testing"
)

// What has taken the place of a file does not stop the program, or use up its memory.
func TestReloadOddFiles(t *testing.T) {
	ca := issue(nil, "CA", 1, 100)
	leaf := issue(ca, "a", 2, 100)
	for what, put := range map[string]func(name string) error{
		"a pipe":   func(name string) error { return syscall.Mkfifo(name, 0o600) },
		"a folder": func(name string) error { return os.Mkdir(name, 0o700) },
		"no end":   func(name string) error { return os.Symlink("/dev/zero", name) },
		"itself":   func(name string) error { return os.Symlink(name, name) },
	} {
		t.Run(what, func(t *testing.T) {
			f := inFolder(t, ca, leaf)
			f.PSK, f.CRL = f.Key+".psk", []string{f.Key + ".crl"}
			write(t, f.PSK, []byte("a 000102030405060708090a0b0c0d0e0f\n"))
			write(t, f.CRL[0], ca.list(t, begin.AddDate(1, 0, 0)))
			s := open(t, f)
			for _, name := range f.Names() {
				if what == "no end" && name != f.Key {
					continue // to read as much as there may be takes a moment
				}
				if err := os.Rename(name, name+"-"); err != nil {
					t.Fatal(err)
				}
				if err := put(name); err != nil {
					t.Fatal(err)
				}
				if changed, err := s.Reload(true); changed || err == nil {
					t.Errorf("%s: %v, %v", name, changed, err)
				}
				if err := os.Remove(name); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(name+"-", name); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
