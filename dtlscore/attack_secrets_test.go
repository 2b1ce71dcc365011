package dtlscore

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// F10: what the peer must not guess byte by byte is compared in constant time. So nothing that is secret, or
// proves knowledge of a secret, is given to bytes.Equal or ==.
func TestAttackF10ConstantTimeComparison(t *testing.T) {
	secret := func(name string) bool {
		name = strings.ToLower(name)
		for _, word := range []string{"verifydata", "binder", "tag", "master", "secret", "cookie", "mac"} {
			if strings.Contains(name, word) {
				return true
			}
		}
		return false
	}
	set := token.NewFileSet()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			f, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || f.Sel.Name != "Equal" && f.Sel.Name != "ConstantTimeCompare" {
				return true
			}
			looked++
			pkg, _ := f.X.(*ast.Ident)
			for _, arg := range call.Args {
				if s, ok := arg.(*ast.SelectorExpr); ok && secret(s.Sel.Name) && (pkg == nil || pkg.Name != "hmac" && pkg.Name != "subtle") {
					t.Errorf("%v: %s is not compared in constant time", set.Position(call.Pos()), s.Sel.Name)
				}
			}
			return true
		})
	}
	if looked == 0 {
		t.Error("no comparison was found")
	}
}

// F13: no error text and no printed state tells a secret, and a connection that has ended keeps none.
func TestAttackF13SecretsStaySecret(t *testing.T) {
	for _, ending := range []string{"close", "failure"} {
		t.Run(ending, func(t *testing.T) {
			var log bytes.Buffer
			client := testClientConfig()
			client.KeyLogWriter = &log
			client.MaxVersion = VersionDTLS12
			p := newTestPair(t, client, testServerConfig(tls.NoClientCert))
			p.start()
			p.run()
			master := strings.Fields(log.String())[2]
			if raw, err := hex.DecodeString(master); err != nil || len(raw) != 48 {
				t.Fatalf("key log: %q", log.String())
			}
			conn := p.client.conn
			if ending == "failure" {
				record := []byte{23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 24}
				_, err := conn.Receive(append(record, make([]byte, 24)...), true)
				if _, ok := errors.AsType[*AlertError](err); !ok {
					t.Fatalf("a record that does not open: %v", err)
				}
				if strings.Contains(fmt.Sprintf("%+v", err), master[:16]) {
					t.Errorf("the error tells the master secret: %+v", err)
				}
				if conn.in.read != nil || conn.in.next != nil || conn.app.Load() != nil || conn.agreed.export != nil {
					t.Error("keys are left")
				}
			} else {
				conn.Close()
				if conn.app.Load() != nil {
					t.Error("keys for application data are left")
				}
			}
			if _, err := conn.Seal(nil, []byte("x")); !errors.Is(err, ErrNotOpen) {
				t.Errorf("Seal after the end: %v", err)
			}
			state := conn.ConnectionState()
			if s := fmt.Sprintf("%+v", state); strings.Contains(s, master[:16]) {
				t.Error("the printed state tells the master secret")
			}
		})
	}
}
