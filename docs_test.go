package dtlssctp

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// goFiles returns the contents of the repository's Go files, including those of its other modules,
// by their names.
func goFiles(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
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
		all[name] = string(b)
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

// tried says who has run or compiled each block of a document, by its first line: a test, which
// reads the document itself, or a reason why there is none. Blocks of Go need no entry where every
// line is in a Go file too.
var tried = map[string]string{
	"README.md: make demo    #":            "scripts/test runs the first and is the second",
	"README.md: mkdir hello && cd hello":   "TestReadmeProgram",
	"README.md: package main":              "TestReadmeProgram",
	"README.md: func call(":                "TestReadmeProgram",
	"README.md: func main() {":             "TestReadmeProgram",
	"README.md: go mod tidy && go build":   "TestReadmeProgram",
	"README.md: go -C cmd/sctp-echo":       "TestReadmeCommands",
	"docs/moving.md: configuration:":       "TestMovingConfiguration",
	"docs/operating.md: sctp-echo certs":   "TestOperatingCommands",
	"docs/operating.md: $ ":                "TestOperatingCommands",
	"docs/operating.md: apiVersion: v1":    "TestKubernetes",
	"docs/operating.md: tshark -r capture": "TestTshark",
	"docs/tunnel.md: apt-get install -y":   "netns-tests/daemons fetches these packages",
	"docs/tunnel.md: ip netns add":         "TestTunnelSteps",
	"docs/tunnel.md: openssl genpkey":      "TestTunnelSteps",
	"docs/tunnel.md: for host in":          "TestTunnelSteps",
	"docs/tunnel.md: ip netns exec hss":    "TestTunnelSteps",
	"docs/tunnel.md: until grep":           "TestTunnelSteps",
	"docs/tunnel.md: table ip tunnel":      "TestTunnelRedirect",
	"docs/tunnel.md: ip -6 rule":           "TestTunnelPeerSource",
	"CONTRIBUTING.md: make check && make": "scripts/check reproducible makes a release; the tag " +
		"was tried by hand",
	"CONTRIBUTING.md: scripts/release v": "scripts/check reproducible",
	"CONTRIBUTING.md: echo 'maintainers": "scripts/check reproducible verifies the signature; " +
		"the tag's was tried by hand",
}

// TestBlocksOfDocuments: what a document shows to be typed has been run, and its Go compiled.
func TestBlocksOfDocuments(t *testing.T) {
	plain := func(line string) string { return strings.Join(strings.Fields(line), " ") }
	have := make(map[string]bool)
	reads := make(map[string]string) // the files that have each test
	for _, code := range goFiles(t) {
		for line := range strings.Lines(code) {
			have[plain(line)] = true
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(code, -1) {
			reads[m[1]] += code
		}
	}
	docs, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	used := make(map[string]bool)
	for _, doc := range append(docs, "README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md") {
		for _, b := range blocks(readDoc(t, doc)) {
			first, _, _ := strings.Cut(b.text, "\n")
			by := ""
			for key, test := range tried {
				if strings.HasPrefix(doc+": "+first, key) {
					by, used[key] = test, true
				}
			}
			if name := filepath.Base(doc); strings.HasPrefix(by, "Test") &&
				!strings.Contains(reads[by], name) {
				t.Errorf("%s: %s is no test that reads %s", doc, by, name)
			}
			if by != "" {
				continue
			}
			if b.language != "go" {
				t.Errorf("%s: which test runs this?\n%s", doc, b.text)
				continue
			}
			for line := range strings.Lines(b.text) {
				if !have[plain(line)] {
					t.Errorf("%s: no Go file has this line: %s", doc, line)
				}
			}
		}
	}
	for key := range tried {
		if !used[key] {
			t.Errorf("there is no block %q", key)
		}
	}
}

// A code is a block of code in a document: between fences, or indented by four spaces.
type code struct{ language, text string }

func blocks(doc string) (all []code) {
	block := regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$|((?:^    [^\n]*\n)+)")
	for _, m := range block.FindAllStringSubmatch(doc, -1) {
		all = append(all, code{m[1], strings.TrimLeft(m[2]+m[3], " ")})
	}
	return all
}
