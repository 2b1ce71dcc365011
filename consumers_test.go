package dtlssctp

import (
	"archive/zip"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// published are the modules that others can require, by folder. Each has a tag of its own in a
// release.
var published = []string{".", "cmd", "diameter"}

// TestConsumers: whoever requires one of our modules, from outside of this repository and with the
// oldest Go that is supported, gets a program that builds, and no dependency that is not named
// here.
func TestConsumers(t *testing.T) {
	c := newConsumer(t)
	const (
		crypto  = "golang.org/x/crypto"
		sys     = "golang.org/x/sys"
		sctp    = "github.com/ishidawataru/sctp"
		library = "github.com/seed-41f70523/dtls-sctp"
	)
	t.Run("library", func(t *testing.T) {
		requires := c.build(t, library, `package main

import "`+library+`/sctpdtls"

func main() { sctpdtls.Dial("sctp", "localhost:5868", new(sctpdtls.Config)) }
`)
		wantKeys(t, requires, library, sctp, crypto, sys)
		// Later versions pass payload protocol identifiers in another byte order. That would break a
		// program's plain SCTP beside DTLS/SCTP.
		if v := requires[sctp]; v >= "v0.0.0-20250525031944" {
			t.Errorf("%s is raised to %s", sctp, v)
		}
	})
	t.Run("diameter", func(t *testing.T) {
		requires := c.build(t, library+"/diameter", `package main

import "`+library+`/diameter"

func main() { diameter.Dial("sctp", "localhost:5868", nil) }
`)
		wantKeys(t, requires, library, library+"/diameter", "github.com/fiorix/go-diameter/v4", sctp,
			crypto, sys)
	})
	for _, command := range []string{"sctp-echo", "sctp-tunnel"} {
		t.Run(command, func(t *testing.T) {
			c.run(t, t.TempDir(), "install", library+"/cmd/"+command+"@"+c.version)
			if _, err := os.Stat(filepath.Join(c.bin, command)); err != nil {
				t.Error(err)
			}
		})
	}
}

func wantKeys(t *testing.T, got map[string]string, want ...string) {
	t.Helper()
	for _, w := range want {
		if got[w] == "" {
			t.Errorf("%s is not required", w)
		}
	}
	for g := range got {
		if !slices.Contains(want, g) {
			t.Errorf("%s is required", g)
		}
	}
}

// TestOneVersion: our modules require each other in the version that the next release has, the one
// at the top of CHANGELOG.md.
func TestOneVersion(t *testing.T) {
	want := releaseVersion(t)
	mods, err := filepath.Glob("*/go.mod")
	if err != nil || len(mods) == 0 {
		t.Fatal(mods, err)
	}
	for _, name := range mods {
		for _, m := range regexp.MustCompile(`(?m)^\s+`+regexp.QuoteMeta(module[:len(module)-1])+
			`\S* (v\S+)`).FindAllStringSubmatch(readDoc(t, name), -1) {
			if m[1] != want {
				t.Errorf("%s requires version %s of ours, the next release is %s", name, m[1], want)
			}
		}
	}
}

func releaseVersion(t *testing.T) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^## (v\d\S*)`).FindStringSubmatch(readDoc(t, "CHANGELOG.md"))
	if m == nil {
		t.Fatal("CHANGELOG.md names no version")
	}
	return m[1]
}

// A consumer builds programs outside of this repository, with a module proxy that has our modules
// as they are in the working tree. All else comes from the module cache, or from where this machine
// has it from.
type consumer struct {
	version string // of our modules
	bin     string // where go install puts programs
	env     []string
}

func newConsumer(t *testing.T) *consumer {
	t.Helper()
	dir := t.TempDir()
	c := &consumer{version: releaseVersion(t), bin: filepath.Join(dir, "bin")}
	for _, folder := range published {
		c.publish(t, filepath.Join(dir, "proxy"), folder)
	}
	settings, err := exec.Command("go", "env", "GOMODCACHE", "GOPROXY").Output()
	if err != nil {
		t.Fatal(err)
	}
	cache, proxy, _ := strings.Cut(strings.TrimSpace(string(settings)), "\n")
	c.env = append(os.Environ(),
		"GOPROXY=file://"+dir+"/proxy,file://"+cache+"/cache/download,"+proxy,
		"GOMODCACHE="+filepath.Join(dir, "cache"), // ours would stay in the machine's
		"GOFLAGS=-mod=mod -modcacherw -trimpath",  // without folders, so that the build cache serves
		"GOSUMDB=off",                             // does not know ours, and go.sum has the others
		"GOTOOLCHAIN=local",
		"GOWORK=off",
		"GOBIN="+c.bin,
	)
	return c
}

// publish puts the module of a folder into a proxy (https://go.dev/ref/mod#goproxy-protocol).
func (c *consumer) publish(t *testing.T, proxy, folder string) {
	t.Helper()
	mod := readDoc(t, filepath.Join(folder, "go.mod"))
	path := regexp.MustCompile(`(?m)^module (\S+)`).FindStringSubmatch(mod)[1]
	dir := filepath.Join(proxy, path, "@v")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"list":              c.version + "\n",
		c.version + ".info": `{"Version":"` + c.version + `"}`,
		c.version + ".mod":  mod,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.Create(filepath.Join(dir, c.version+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	archive := zip.NewWriter(file)
	err = filepath.WalkDir(folder, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != folder && (hasGoMod(name) || d.Name() == "testdata" ||
				strings.HasPrefix(d.Name(), ".")) {
				return fs.SkipDir // of another module, or nothing that a program needs
			}
			return nil
		}
		if !slices.Contains([]string{".go", ".mod", ".tmpl", ".toml"}, filepath.Ext(name)) {
			return nil
		}
		relative, err := filepath.Rel(folder, name)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		w, err := archive.Create(path + "@" + c.version + "/" + filepath.ToSlash(relative))
		if err != nil {
			return err
		}
		_, err = w.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
}

// build builds a program that requires one of our modules, and returns what it requires then:
// versions by module.
func (c *consumer) build(t *testing.T, requires, program string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	const oldest = "go 1.25.0\n"
	mod := "module example.com/consumer\n\n" + oldest + "\nrequire " + requires + " " + c.version +
		"\n"
	for name, content := range map[string]string{"go.mod": mod, "main.go": program} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	c.run(t, dir, "mod", "tidy")
	c.run(t, dir, "build", "-o", os.DevNull, ".")
	mod = readDoc(t, filepath.Join(dir, "go.mod"))
	if !strings.Contains(mod, "\n"+oldest) {
		t.Errorf("a later Go is wanted than %q:\n%s", oldest, mod)
	}
	versions := make(map[string]string)
	requirement := regexp.MustCompile(`(?m)^(?:require|\t)\s*(\S+) (v\S+)`)
	for _, m := range requirement.FindAllStringSubmatch(mod, -1) {
		versions[m[1]] = m[2]
	}
	return versions
}

func (c *consumer) run(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Env = dir, c.env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}
