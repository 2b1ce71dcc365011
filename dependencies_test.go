package dtlssctp

import (
	"cmp"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDependencies: the table in CONTRIBUTING.md has each direct requirement of each go.mod file,
// and nothing else.
func TestDependencies(t *testing.T) {
	listed := make(map[string]bool)
	row := regexp.MustCompile("(?m)^\\| ([a-z]\\S*\\.\\S+) \\| (`[^|]+`) \\| (\\S+) \\|")
	for _, m := range row.FindAllStringSubmatch(readDoc(t, "CONTRIBUTING.md"), -1) {
		for _, in := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(m[2], -1) {
			listed[in[1]+": "+m[1]] = true
		}
		// Licenses that ask for no more than a notice can be combined with Apache 2.0.
		if !slices.Contains([]string{"Apache-2.0", "BSD-3-Clause", "MIT"}, m[3]) {
			t.Errorf("%s has license %s", m[1], m[3])
		}
	}
	required := make(map[string]bool)
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() == "testdata" ||
			name != "." && d.IsDir() && strings.HasPrefix(d.Name(), ".") {
			return cmp.Or(err, fs.SkipDir)
		}
		if d.Name() == "go.mod" {
			for _, r := range requirements(t, name) {
				required[filepath.ToSlash(filepath.Dir(name))+": "+r] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(required) == 0 {
		t.Error("no requirement was found")
	}
	for _, r := range slices.Sorted(maps.Keys(required)) {
		if !listed[r] {
			t.Errorf("CONTRIBUTING.md lacks %s", r)
		}
	}
	for _, r := range slices.Sorted(maps.Keys(listed)) {
		if !required[r] {
			t.Errorf("CONTRIBUTING.md has %s, which no go.mod requires", r)
		}
	}
}

// requirements returns the modules of others that a go.mod file requires directly, for its tools
// too.
func requirements(t *testing.T, name string) (direct []string) {
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var tools []string
	for line := range strings.Lines(string(b)) {
		field := strings.Fields(strings.TrimPrefix(line, "require"))
		if len(field) == 1 && strings.HasPrefix(line, "\t") {
			tools = append(tools, field[0]) // packages
		}
	}
	for line := range strings.Lines(string(b)) {
		field := strings.Fields(strings.TrimPrefix(line, "require"))
		if len(field) < 2 || !regexp.MustCompile(`^v\d`).MatchString(field[1]) ||
			strings.HasPrefix(field[0]+"/", module) {
			continue
		}
		isTool := slices.ContainsFunc(tools, func(tool string) bool {
			return strings.HasPrefix(tool, field[0]+"/")
		})
		if !strings.HasSuffix(strings.TrimSpace(line), "// indirect") || isTool {
			direct = append(direct, field[0])
		}
	}
	return direct
}
