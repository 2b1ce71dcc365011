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
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/attacks.md and docs/api.txt anew")

// The requirements of RFC 6083 that a test must name: streams (1.22 to 1.28), authenticated chunks
// (to 1.36), handshakes (to 1.48), keys (to 1.61), and the end (to 1.66).
const firstRequirement, lastRequirement = 22, 66

// TestNamedTests fails when an attack or a requirement has no test, or docs/attacks.md does not
// tell of one. A test names attacks in its own name, TestAttackH4…, and a requirement by its
// number in a comment of its own: “1.62 to 1.64”.
func TestNamedTests(t *testing.T) {
	attacks, requirements := map[string][]string{}, map[int]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() == "testdata" {
			return errOrSkip(err)
		}
		if d.IsDir() || !strings.HasSuffix(path, "_test.go") || path == "attacks_test.go" {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
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
			test := fmt.Sprintf("[%s](../%s)", strings.TrimPrefix(f.Name.Name, "Test"), filepath.ToSlash(path))
			for _, id := range attackID.FindAllString(name[1], -1) {
				attacks[id] = append(attacks[id], test)
			}
		}
		for _, c := range file.Comments {
			addRequirements(requirements, c.Text())
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
	for n := firstRequirement; n <= lastRequirement; n++ {
		if !requirements[n] {
			t.Errorf("no test names requirement 1.%d", n)
		}
	}
}

// attacksPage is docs/attacks.md. It takes out of tests what it tells of.
func attacksPage(t *testing.T, tests map[string][]string) []byte {
	var page bytes.Buffer
	page.WriteString(`# Known attacks, and where they are tried

Made from the names of the tests by ` + "`go test . -update`" + `; a test fails when it is not up to date, or a line has neither test
nor reason. What a line means in detail, its tests say. Their kernel parts run in ` + "`make netns`" + `.
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
	attackTest         = regexp.MustCompile(`^Test[A-Za-z0-9]*?Attack((?:[A-I][0-9]+)+)[A-Z]`)
	attackID           = regexp.MustCompile(`[A-I][0-9]+`)
	requirementNumbers = regexp.MustCompile(`\b1\.([0-9]{2})a?\b(?: to 1\.([0-9]{2})\b)?`)
)

// addRequirements adds the numbers in a comment: “1.37”, and all of “1.37 to 1.43”.
func addRequirements(to map[int]bool, comment string) {
	for _, m := range requirementNumbers.FindAllStringSubmatch(strings.ReplaceAll(comment, "\n", " "), -1) {
		first, _ := strconv.Atoi(m[1])
		last := first
		if m[2] != "" {
			last, _ = strconv.Atoi(m[2])
		}
		for n := first; n <= last; n++ {
			to[n] = true
		}
	}
}

func TestRequirementNumbers(t *testing.T) {
	got := map[int]bool{}
	addRequirements(got, "requirements 1.22, 1.62 to\n1.64 and 1.44a; version 1.2")
	var numbers []int
	for n := range got {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	if fmt.Sprint(numbers) != "[22 44 62 63 64]" {
		t.Errorf("found %v", numbers)
	}
}
