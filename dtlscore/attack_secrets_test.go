package dtlscore

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
)

// F10: values that a peer must not guess byte by byte are compared in constant time. So no secret,
// and nothing that proves knowledge of one, is compared with bytes.Equal or ==.
func TestAttackF10ConstantTimeComparison(t *testing.T) {
	secret := func(name string) bool {
		name = strings.ToLower(name)
		for _, word := range []string{"verifydata", "binder", "tag", "master", "secret", "cookie", "mac",
			"psk", "previous"} {
			if strings.Contains(name, word) {
				return true
			}
		}
		return false
	}
	set := token.NewFileSet()
	names, err := filepath.Glob("*.go")
	others, _ := filepath.Glob("../authchunk/*.go")
	if names = append(names, others...); err != nil || len(others) == 0 {
		t.Fatal(err, others)
	}
	nameOf := func(n ast.Expr) string {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			return n.Sel.Name
		case *ast.Ident:
			return n.Name
		}
		return ""
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
			if compare, ok := n.(*ast.BinaryExpr); ok &&
				(compare.Op == token.EQL || compare.Op == token.NEQ) {
				for _, side := range []ast.Expr{compare.X, compare.Y} { // string(a) == string(b)
					call, ok := side.(*ast.CallExpr)
					if ok && len(call.Args) == 1 && nameOf(call.Fun) == "string" && secret(nameOf(call.Args[0])) {
						t.Errorf("%v: %s is compared as a string", set.Position(call.Pos()), nameOf(call.Args[0]))
					}
				}
			}
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
				if name := nameOf(arg); secret(name) &&
					(pkg == nil || pkg.Name != "hmac" && pkg.Name != "subtle") {
					t.Errorf("%v: %s is not compared in constant time", set.Position(call.Pos()), name)
				}
			}
			return true
		})
	}
	if looked == 0 {
		t.Error("no comparison was found")
	}
}

// F13: no error text and no printed value contains a secret, and a connection that has ended stores
// none.
func TestAttackF13SecretsStaySecret(t *testing.T) {
	for _, v := range eachVersion {
		for _, ending := range []string{"close", "failure"} {
			t.Run(v.name+"/"+ending, func(t *testing.T) { testSecrets(t, v, ending == "failure") })
		}
	}
}

func testSecrets(t *testing.T, v testVersion, failure bool) {
	var log bytes.Buffer
	client, server := v.configs(tls.NoClientCert)
	client.KeyLogWriter = &log
	p := newTestPair(t, client, server)
	p.start()
	p.run()
	var secrets []string
	for line := range strings.Lines(log.String()) {
		secrets = append(secrets, strings.Fields(line)[2])
	}
	if want := map[uint16]int{VersionDTLS12: 1, VersionDTLS13: 5}[v.number]; len(secrets) != want {
		t.Fatalf("key log: %q", log.String())
	}
	wantNoSecret := func(what, text string) {
		for _, secret := range secrets {
			if strings.Contains(text, secret[:16]) {
				t.Errorf("%s tells a secret: %s", what, text)
			}
		}
	}
	conn := p.client.conn
	before := conn.ConnectionState()
	if failure {
		record := must(p.server.conn.Seal(nil, []byte("data")))
		record[len(record)-1] ^= 1
		_, err := conn.Receive(record, true, Tag{})
		if _, ok := errtype.As[*AlertError](err); !ok {
			t.Fatalf("a record that does not open: %v", err)
		}
		wantNoSecret("the error", fmt.Sprintf("%+v", err))
	} else {
		conn.Close()
		if conn.app.Load() != nil {
			t.Error("keys for application data are left")
		}
		conn.Forget() // the transport is gone
		if event := conn.NextEvent(); event.Kind != EventNone {
			t.Errorf("event %v of a connection that was forgotten", event.Kind)
		}
	}
	if conn.in.read != nil || conn.in.next != nil || conn.in.v13.epochs != nil || conn.state != nil ||
		conn.app.Load() != nil || conn.agreed.export != nil {
		t.Error("keys are left")
	}
	if _, err := before.ExportKeyingMaterial("EXPORTER_x", nil, 32); !errors.Is(err, ErrNotOpen) {
		t.Errorf("a state of before exports something: %v", err)
	}
	if _, err := conn.Seal(nil, []byte("x")); !errors.Is(err, ErrNotOpen) {
		t.Errorf("Seal after the end: %v", err)
	}
	state := conn.ConnectionState()
	wantNoSecret("the printed state", fmt.Sprintf("%+v", state))
}
