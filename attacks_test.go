package dtlssctp

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The attacks on what carries DTLS that a test must name. Those on DTLS itself are package dtlscore's to name.
var attacksOnSCTP = []string{
	"B8", "B9", "B10", "C6", "C7", "D11", "E4", "E12", "E14", "E15",
	"H1", "H2", "H3", "H4", "H5", "H6", "H7", "H8", "H9", "H10", "H11", "H12", "H13",
}

// The requirements of RFC 6083 that a test must name: streams (1.22 to 1.28), authenticated chunks (to 1.36), handshakes
// (to 1.48), keys (to 1.61), and the end (to 1.66).
const firstRequirement, lastRequirement = 22, 66

// TestNamedTests fails when an attack or a requirement has no test. A test names an attack in its own name, TestAttackH4…, and
// a requirement by its number in a comment of its own: “1.62 to 1.64”.
func TestNamedTests(t *testing.T) {
	attacks, requirements := map[string]bool{}, map[int]bool{}
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
			if f, ok := decl.(*ast.FuncDecl); ok && strings.HasPrefix(f.Name.Name, "Test") {
				for _, id := range attackIDs.FindAllStringSubmatch(f.Name.Name, -1) {
					attacks[id[1]] = true
				}
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
	for _, id := range attacksOnSCTP {
		if !attacks[id] {
			t.Errorf("no test names attack %s: func TestAttack%s…", id, id)
		}
	}
	for n := firstRequirement; n <= lastRequirement; n++ {
		if !requirements[n] {
			t.Errorf("no test names requirement 1.%d", n)
		}
	}
}

func errOrSkip(err error) error {
	if err != nil {
		return err
	}
	return filepath.SkipDir
}

var (
	attackIDs          = regexp.MustCompile(`Attack([A-I][0-9]+)`)
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
