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

// TestDependencies: docs/dependencies.md has what the go.mod files require directly, and nothing
// else.
func TestDependencies(t *testing.T) {
	listed := make(map[string]bool)
	row := regexp.MustCompile("(?m)^\\| ([a-z]\\S*\\.\\S+) \\| (v\\S+) \\| (`[^|]+`) \\| (\\S+) \\|")
	for _, m := range row.FindAllStringSubmatch(readDoc(t, "docs/dependencies.md"), -1) {
		for _, in := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(m[3], -1) {
			listed[in[1]+": "+m[1]+" "+m[2]] = true
		}
		// Licences that ask for no more than a notice, and so can be passed on with Apache 2.0.
		if !slices.Contains([]string{"Apache-2.0", "BSD-3-Clause", "MIT"}, m[4]) {
			t.Errorf("%s has licence %s", m[1], m[4])
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
			t.Errorf("docs/dependencies.md lacks %s", r)
		}
	}
	for _, r := range slices.Sorted(maps.Keys(listed)) {
		if !required[r] {
			t.Errorf("docs/dependencies.md has %s, which no go.mod requires", r)
		}
	}
}

// requirements returns the modules, with versions, that a go.mod requires directly, also for its tools. Ours
// are none.
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
			direct = append(direct, field[0]+" "+field[1])
		}
	}
	return direct
}
