package sctpdtls

import (
	"reflect"
	"slices"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
)

// Every field of the core's Config is given to it: none is forgotten when it gets new ones.
func TestConfigReachesTheCore(t *testing.T) {
	public, core := reflect.TypeFor[Config](), reflect.TypeFor[dtlscore.Config]()
	// LegacyLabel and DraftLabel here; cookies gain nothing over SCTP
	own := []string{"EndpointSecretLabel", "EndpointSecretLabel13", "CookieExchange"}
	for _, f := range reflect.VisibleFields(core) {
		if _, ok := public.FieldByName(f.Name); !ok && f.IsExported() && !slices.Contains(own, f.Name) {
			t.Errorf("dtlscore.Config.%s is not in Config", f.Name)
		}
	}

	// Values of all kinds arrive, except where functions are wrapped.
	var c Config
	v := reflect.ValueOf(&c).Elem()
	for _, f := range reflect.VisibleFields(public) {
		switch field := v.FieldByIndex(f.Index); field.Kind() {
		case reflect.Bool:
			field.SetBool(true)
		case reflect.String:
			field.SetString("x")
		case reflect.Uint8, reflect.Uint16:
			field.SetUint(1)
		case reflect.Int:
			field.SetInt(1)
		case reflect.Slice:
			field.Set(reflect.MakeSlice(f.Type, 1, 1))
		case reflect.Pointer:
			field.Set(reflect.New(f.Type.Elem()))
		case reflect.Func:
			field.Set(reflect.MakeFunc(f.Type, nil))
		}
	}
	got := reflect.ValueOf(c.core()).Elem()
	for _, f := range reflect.VisibleFields(core) {
		switch f.Type.Kind() {
		case reflect.Interface: // no value to give it without a type
		default:
			if f.IsExported() && f.Name != "CookieExchange" && got.FieldByIndex(f.Index).IsZero() {
				t.Errorf("Config.%s does not reach dtlscore.Config", f.Name)
			}
		}
	}
}

// A second connection resumes the session of the first, client certificate included.
func TestResumption(t *testing.T) {
	bubble(t, func(t *testing.T) {
		client, server := clientConfig(), serverConfig()
		client.SessionCache, server.TicketKeys = NewSessionCache(10), new(TicketKeys)
		for i := range 2 {
			p := newTestPair(t, assoctest.Options{}, client, server)
			if cerr, serr := p.handshake(); cerr != nil || serr != nil {
				t.Fatal(cerr, serr)
			}
			for _, c := range []*Conn{p.client, p.server} {
				if s := c.ConnectionState(); s.DidResume != (i == 1) || len(s.PeerCertificates) == 0 ||
					s.AuthKeyID != 1 {
					t.Errorf("connection %d: resumed %v, %d certificates, key %d", i, s.DidResume,
						len(s.PeerCertificates), s.AuthKeyID)
				}
			}
			if n, m := p.clientSCTP.Dropped(), p.sctp.Dropped(); n+m != 0 {
				t.Errorf("connection %d: %d and %d messages came under a key that was not known", i, n, m)
			}
			p.close()
		}
	})
}

// A pre-shared key is enough.
func TestPSK(t *testing.T) {
	bubble(t, func(t *testing.T) {
		psk := &PSK{Identity: []byte("gnb-1"), Key: []byte("sixteen bytes or more")}
		client := &Config{GetPSK: func([]byte) (*PSK, error) { return psk, nil }}
		server := &Config{LookupPSK: func(id []byte) (*PSK, error) { return psk, nil }}
		p := newTestPair(t, assoctest.Options{}, client, server)
		if cerr, serr := p.handshake(); cerr != nil || serr != nil {
			t.Fatal(cerr, serr)
		}
		if s := p.server.ConnectionState(); string(s.PSKIdentity) != "gnb-1" {
			t.Errorf("the server knows its client as %q", s.PSKIdentity)
		}
		p.close()
	})
}
