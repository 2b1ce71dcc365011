package sctpcore

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestPure checks that the package does no I/O, starts no goroutines, and reads no clock.
func TestPure(t *testing.T) {
	allowed := []string{
		"bytes", "crypto/hmac", "crypto/sha256", "encoding/binary", "errors", "fmt", "hash/crc32", "io",
		"math", "math/bits",
		"net/netip", "slices", "sync", "time",
		"github.com/seed-41f70523/dtls-sctp/authchunk",
	}
	ofTime := []string{"Duration", "Millisecond", "Microsecond", "Second", "Minute", "Hour"}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		seen++
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if lines := fset.File(file.Pos()).LineCount(); lines > 600 {
			t.Errorf("%s has %d lines", f.Name(), lines)
		}
		for _, imp := range file.Imports {
			if path, _ := strconv.Unquote(imp.Path.Value); !slices.Contains(allowed, path) {
				t.Errorf("%s imports %s", f.Name(), path)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: a goroutine", fset.Position(n.Pos()))
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && !slices.Contains(ofTime, n.Sel.Name) {
					t.Errorf("%s: time.%s", fset.Position(n.Pos()), n.Sel.Name)
				}
			}
			return true
		})
	}
	if seen == 0 {
		t.Error("found no file")
	}
}
