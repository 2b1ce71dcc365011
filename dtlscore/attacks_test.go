package dtlscore

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The known attacks and defects of other implementations have identifiers. The letters are: A
// authentication, B downgrade, C unprotected data, D the state machine, E resources, F
// cryptography, G binding, and I parsers; H is SCTP and is tested elsewhere. Tests have the
// identifiers of their attacks in their names. The maps below have the number of attacks of each
// group, and the attacks that do not need a test for each version.
var attackGroups = map[string]int{"A": 15, "B": 10, "C": 7, "D": 13, "E": 15, "F": 13, "G": 7,
	"I": 7}

var attackExceptions = map[string]struct {
	versions string // for which a test is needed
	reason   string
}{
	"A5":  {"1.3", "in 1.2 ServerKeyExchange is the proof of a server: A6"},
	"A6":  {"1.2", "1.3 has no ServerKeyExchange"},
	"A15": {"1.2", "one code for both versions"},
	"B1":  {"1.2", "the marker is in a ServerHello of 1.2"},
	"B3":  {"1.2", "the signal of a client that falls back to 1.2"},
	"B5":  {"1.2", "1.3 has no renegotiation"},
	"B6":  {"1.3", "1.2 has no HelloRetryRequest"},
	"B7":  {"1.3", "a ServerHello of 1.2 has no supported_versions; that one has is in D5"},
	"B8":  {"", "AUTH chunks: package authchunk"},
	"B9":  {"", "HMAC identifiers: package authchunk"},
	"B10": {"", "plain messages of the association: package sctpdtls"},
	"C4":  {"1.3", "1.2 has no early data"},
	"E1":  {"1.2", "one code for both versions"},
	"E2":  {"1.2", "one code for both versions"},
	"E9":  {"1.2", "the version is chosen later"},
	"E12": {"", "the time of a handshake and the number of them: package sctpdtls"},
	"E14": {"", "the transport blocks: package sctpdtls"},
	"E15": {"", "listeners: package sctpdtls"},
	"F1":  {"1.2", "the suites of 1.3 are AEADs all"},
	"F2":  {"1.2", "1.3 has no RSA key transport"},
	"F7":  {"1.3", "1.2 does not encrypt record numbers"},
	"F9":  {"", "there is no suite with CBC: F1"},
	"F10": {"1.2", "it looks at all the code"},
	"F12": {"1.3", "1.2 has no prefix of labels"},
	"G1":  {"1.2", "1.3 has no renegotiation"},
	"G2":  {"1.2", "1.3 binds its secrets to the transcript always"},
	"G3":  {"1.2", "1.3 has neither renegotiation nor post-handshake authentication"},
	"G6":  {"1.3", "1.2 has no KeyUpdate"},
	"G7":  {"1.3", "1.2 has no ACK"},
	"I1":  {"1.2", "its samples are of both versions"},
	"I2":  {"1.2", "it has targets for both versions"},
	"I3":  {"1.2", "its samples are of both versions"},
}

var attackTestName = regexp.MustCompile(`^TestAttack((?:[A-I]\d+)+)[A-Z]`)

// TestAttacksHaveTests finds the tests of this package by their names. A test is for DTLS 1.3 if
// its name ends in 13 or if it uses something that only DTLS 1.3 has. It is for DTLS 1.2 unless its
// name ends in 13.
func TestAttacksHaveTests(t *testing.T) {
	type id struct{ attack, version string }
	tested := make(map[id]bool)
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(f.Name.Name, "TestAttack") || f.Name.Name == t.Name() {
				continue
			}
			name := attackTestName.FindStringSubmatch(f.Name.Name)
			if name == nil {
				t.Errorf("%s: no attack has this id", f.Name.Name)
				continue
			}
			for _, attack := range regexp.MustCompile(`[A-I]\d+`).FindAllString(name[1], -1) {
				if !strings.HasSuffix(f.Name.Name, "13") {
					tested[id{attack, "1.2"}] = true
				}
				if uses13(f) {
					tested[id{attack, "1.3"}] = true
				}
			}
		}
	}
	for group, n := range attackGroups {
		for i := range n {
			attack := group + strconv.Itoa(i+1)
			versions := "1.2 1.3"
			if e, ok := attackExceptions[attack]; ok {
				versions = e.versions
			}
			for _, version := range strings.Fields(versions) {
				if !tested[id{attack, version}] {
					t.Errorf("attack %s has no test for version %s", attack, version)
				}
			}
		}
	}
}

// uses13 reports whether a function uses something that only DTLS 1.3 has.
func uses13(f *ast.FuncDecl) (uses bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		if name, ok := n.(*ast.Ident); ok {
			uses = uses || strings.HasSuffix(name.Name, "13") ||
				slices.Contains([]string{"eachVersion", "inEachVersion", "eachProtection"}, name.Name)
		}
		return true
	})
	return uses
}
