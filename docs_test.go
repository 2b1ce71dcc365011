package dtlssctp

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// goFiles returns the contents of the repository's Go files, those of its other modules too.
func goFiles(t *testing.T) (all []string) {
	t.Helper()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || name != "." && strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		b, err := os.ReadFile(name)
		all = append(all, string(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func readDoc(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestDocumentsNameTests: the tests that documents rely on are there.
func TestDocumentsNameTests(t *testing.T) {
	have := make(map[string]bool)
	for _, code := range goFiles(t) {
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(code, -1) {
			have[m[1]] = true
		}
	}
	docs, err := filepath.Glob("docs/*.md")
	if err != nil || len(docs) == 0 {
		t.Fatal(docs, err)
	}
	for _, doc := range docs {
		for _, m := range regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(readDoc(t, doc), -1) {
			if !have[m[1]] {
				t.Errorf("%s: there is no %s", doc, m[1])
			}
		}
	}
}

// TestMovingIsCompiled: each line of Go in docs/moving.md is one of an example that is compiled, spaces aside.
func TestMovingIsCompiled(t *testing.T) {
	plain := func(line string) string { return strings.Join(strings.Fields(line), " ") }
	have := make(map[string]bool)
	for _, code := range goFiles(t) {
		for line := range strings.Lines(code) {
			have[plain(line)] = true
		}
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(readDoc(t, "docs/moving.md"), -1)
	if len(blocks) == 0 {
		t.Error("no Go in docs/moving.md")
	}
	for _, m := range blocks {
		for line := range strings.Lines(m[1]) {
			if !have[plain(line)] {
				t.Errorf("no example has this line of docs/moving.md: %s", line)
			}
		}
	}
}
