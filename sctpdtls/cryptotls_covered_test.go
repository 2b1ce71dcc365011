//go:build !kernel

package sctpdtls

import (
	"crypto/tls"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// It reads files that are not where the kernel's tests run.

// Every exported field and method of crypto/tls's types, those of coming Go versions too, is in a
// case or in the table of what is not the same.
func TestCryptoTLSIsCovered(t *testing.T) {
	var said strings.Builder
	for _, name := range []string{"cryptotls_test.go", "cryptotls_cases_test.go",
		"cryptotls_more_test.go", "../docs/moving.md"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		said.Write(b)
	}
	for _, of := range []reflect.Type{
		reflect.TypeFor[tls.Config](), reflect.TypeFor[tls.Certificate](),
		reflect.TypeFor[tls.ClientHelloInfo](),
		reflect.TypeFor[tls.CertificateRequestInfo](), reflect.TypeFor[tls.ConnectionState](),
		reflect.TypeFor[tls.Conn](),
	} {
		var names []string
		for i := range of.NumField() {
			if f := of.Field(i); f.IsExported() {
				names = append(names, f.Name)
			}
		}
		for i := range reflect.PointerTo(of).NumMethod() {
			names = append(names, reflect.PointerTo(of).Method(i).Name)
		}
		for _, name := range names {
			if !regexp.MustCompile(`\b` + name + `\b`).MatchString(said.String()) {
				t.Errorf("%v.%s is in no case and not in docs/moving.md", of, name)
			}
		}
	}
}
