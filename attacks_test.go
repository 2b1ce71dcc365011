package dtlssctp

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite docs/attacks.md and docs/api.txt")

// TestNamedTests fails if an attack has no test, or docs/attacks.md does not list one. A test
// names attacks in its own name, TestAttackH4….
func TestNamedTests(t *testing.T) {
	attacks := map[string][]string{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() == "testdata" {
			return errOrSkip(err)
		}
		if d.IsDir() || !strings.HasSuffix(path, "_test.go") || path == "attacks_test.go" {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			name := attackTest.FindStringSubmatch(f.Name.Name)
			if name == nil {
				continue
			}
			test := fmt.Sprintf("[%s](../%s)", strings.TrimPrefix(f.Name.Name, "Test"),
				filepath.ToSlash(path))
			for _, id := range attackID.FindAllString(name[1], -1) {
				attacks[id] = append(attacks[id], test)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	page := attacksPage(t, attacks)
	for id := range attacks {
		t.Errorf("tests name attack %s, which is not in the list: %s", id, attacks[id])
	}
	if *update {
		if err := os.WriteFile("docs/attacks.md", page, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile("docs/attacks.md"); err != nil || !bytes.Equal(have, page) {
		t.Errorf("docs/attacks.md is not what the tests say: go test . -update (%v)", err)
	}
}

// attacksPage returns docs/attacks.md. It removes what it lists from tests.
func attacksPage(t *testing.T, tests map[string][]string) []byte {
	var page bytes.Buffer
	page.WriteString(`# Known attacks and their tests

` + "`go test . -update`" + ` generates this page from the names of the tests. A test fails if the
page is outdated, or if an attack has neither a test nor a reason. The tests describe the attacks in
detail. Those of netns-tests and other kernel tests run with ` + "`make netns`" + `.
`)
	for _, g := range attackList {
		fmt.Fprintf(&page, "\n## %s\n\n| id | attack | tests |\n|---|---|---|\n", g.group)
		for _, a := range g.attacks {
			where := tests[a.id]
			delete(tests, a.id)
			slices.Sort(where)
			if a.where != "" {
				where = append(where, a.where)
			}
			if len(where) == 0 {
				t.Errorf("attack %s has neither a test, func TestAttack%s…, nor a reason", a.id, a.id)
			}
			fmt.Fprintf(&page, "| %s | %s | %s |\n", a.id, a.what, strings.Join(where, "<br>"))
		}
	}
	return page.Bytes()
}

func errOrSkip(err error) error {
	if err != nil {
		return err
	}
	return filepath.SkipDir
}

var (
	attackTest = regexp.MustCompile(`^Test[A-Za-z0-9]*?Attack((?:[A-I][0-9]+)+)[A-Z]`)
	attackID   = regexp.MustCompile(`[A-I][0-9]+`)
)
