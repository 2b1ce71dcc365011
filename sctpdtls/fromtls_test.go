package sctpdtls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
)

// Every exported field of tls.Config, those of coming Go versions too, makes a difference in what
// FromTLS returns, is named by its error, or is one of two that mean nothing here.
func TestFromTLSHonoursOrNames(t *testing.T) {
	meaningless := []string{"PreferServerCipherSuites", "DynamicRecordSizingDisabled"}
	zero, err := FromTLS(new(tls.Config))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[tls.Config]()) {
		if !f.IsExported() {
			continue
		}
		c := new(tls.Config)
		field := reflect.ValueOf(c).Elem().FieldByIndex(f.Index)
		switch field.Kind() {
		case reflect.Bool:
			field.SetBool(true)
		case reflect.String:
			field.SetString("x")
		case reflect.Uint16:
			field.SetUint(tls.VersionTLS12)
			if f.Name == "MaxVersion" {
				field.SetUint(tls.VersionTLS13)
			}
		case reflect.Int:
			field.SetInt(1)
		case reflect.Slice:
			field.Set(reflect.MakeSlice(f.Type, 1, 1))
		case reflect.Map:
			field.Set(reflect.MakeMap(f.Type))
		case reflect.Pointer:
			field.Set(reflect.New(f.Type.Elem()))
		case reflect.Func:
			field.Set(reflect.MakeFunc(f.Type, nil))
		case reflect.Array:
			field.Index(0).SetUint(1)
		case reflect.Interface:
			for _, v := range []any{tls.NewLRUClientSessionCache(1), new(strings.Builder),
				strings.NewReader("")} {
				if reflect.TypeOf(v).Implements(f.Type) {
					field.Set(reflect.ValueOf(v))
				}
			}
		}
		if field.IsZero() {
			t.Errorf("%s: the test does not know how to set it", f.Name)
		}
		got, err := FromTLS(c)
		var named *TLSConfigError
		switch {
		case errors.As(err, &named):
			if named.Field != f.Name || named.Remedy == "" {
				t.Errorf("%s: error %v", f.Name, err)
			}
		case err != nil:
			t.Errorf("%s: %v", f.Name, err)
		case slices.Contains(meaningless, f.Name):
		case reflect.DeepEqual(got, zero): // functions are never equal
			t.Errorf("%s is silently left out", f.Name)
		}
	}
}

func TestFromTLSVersions(t *testing.T) {
	for _, tt := range []struct{ min, max, wantMin, wantMax uint16 }{
		{0, 0, 0, 0},
		{tls.VersionTLS10, 0, 0, 0}, // nothing below DTLS 1.2 is offered anyway
		{tls.VersionTLS12, tls.VersionTLS12, VersionDTLS12, VersionDTLS12},
		{tls.VersionTLS13, tls.VersionTLS13, VersionDTLS13, VersionDTLS13},
	} {
		got, err := FromTLS(&tls.Config{MinVersion: tt.min, MaxVersion: tt.max})
		if err != nil || got.MinVersion != tt.wantMin || got.MaxVersion != tt.wantMax {
			t.Errorf("%#x to %#x became %+v, %v", tt.min, tt.max, got, err)
		}
	}
	for field, c := range map[string]*tls.Config{
		"MaxVersion":       {MaxVersion: tls.VersionTLS11},
		"MinVersion":       {MinVersion: tls.VersionTLS13 + 1},
		"CurvePreferences": {CurvePreferences: []tls.CurveID{4587 /* SecP256r1MLKEM768 */}},
		"CipherSuites": {CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA},
			MaxVersion: tls.VersionTLS12},
	} {
		var named *TLSConfigError
		if _, err := FromTLS(c); !errors.As(err, &named) || named.Field != field {
			t.Errorf("%s: error %v", field, err)
		}
	}
}

// A connection as configured for crypto/tls: mutual, with ALPN, the suite of 1.2 that the list
// allows, and verifiers that see what crypto/tls would show them.
func TestFromTLSConnects(t *testing.T) {
	for version, suite := range map[uint16]uint16{
		tls.VersionTLS12: tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.VersionTLS13: dtlscore.TLS_AES_128_GCM_SHA256,
	} {
		bubble(t, func(t *testing.T) {
			var seen []tls.ConnectionState
			verify := func(s tls.ConnectionState) error {
				seen = append(seen, s)
				return nil
			}
			suites := []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
			server := &tls.Config{
				GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
					return &tls.Config{
						Certificates: []tls.Certificate{pki().Server},
						ClientCAs:    pki().Roots,
						ClientAuth:   tls.RequireAndVerifyClientCert,
						NextProtos:   []string{"s6a"},
					}, nil
				},
				Certificates: []tls.Certificate{pki().Server},
			}
			client := &tls.Config{
				Certificates:     []tls.Certificate{pki().Client},
				RootCAs:          pki().Roots,
				ServerName:       "server.example",
				NextProtos:       []string{"s6a"},
				CipherSuites:     suites,
				MaxVersion:       version,
				VerifyConnection: verify,
			}
			p := newTestPair(t, assoctest.Options{}, fromTLS(t, client), fromTLS(t, server))
			if cerr, serr := p.handshake(); cerr != nil || serr != nil {
				t.Fatalf("handshake: client %v, server %v", cerr, serr)
			}
			if len(seen) != 1 {
				t.Fatalf("VerifyConnection was called %d times", len(seen))
			}
			s := seen[0]
			if s.Version != version || s.CipherSuite != suite || s.NegotiatedProtocol != "s6a" ||
				len(s.VerifiedChains) != 1 {
				t.Errorf("VerifyConnection saw version %#x, suite %#x, protocol %q, %d chains", s.Version,
					s.CipherSuite, s.NegotiatedProtocol, len(s.VerifiedChains))
			}
			state := p.server.ConnectionState()
			if cn := state.PeerCertificates[0].Subject.CommonName; cn != "client.example" {
				t.Errorf("the server's client is %q", cn)
			}
			p.close()
		})
	}
}

// A verifier's error ends the handshake, and so does a field that cannot be supported in the answer
// of GetConfigForClient.
func TestFromTLSRefuses(t *testing.T) {
	refused := errors.New("refused")
	for name, change := range map[string]func(client, server *tls.Config){
		"VerifyConnection": func(client, _ *tls.Config) {
			client.VerifyConnection = func(tls.ConnectionState) error { return refused }
		},
		"GetConfigForClient": func(_, server *tls.Config) {
			server.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
				return &tls.Config{MaxVersion: tls.VersionTLS10}, nil
			}
		},
		"RootCAs": func(client, _ *tls.Config) { client.RootCAs = x509.NewCertPool() },
	} {
		bubble(t, func(t *testing.T) {
			client := &tls.Config{RootCAs: pki().Roots, ServerName: "server.example"}
			server := &tls.Config{Certificates: []tls.Certificate{pki().Server}}
			change(client, server)
			p := newTestPair(t, assoctest.Options{}, fromTLS(t, client), fromTLS(t, server))
			cerr, serr := p.handshake()
			if cerr == nil || serr == nil {
				t.Errorf("%s: client %v, server %v, want errors", name, cerr, serr)
			}
			p.client.Abort()
			p.server.Abort()
		})
	}
}

func fromTLS(t *testing.T, c *tls.Config) *Config {
	t.Helper()
	d, err := FromTLS(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
