package sctpdtls

import (
	"crypto/tls"
	"slices"
	"sync"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
)

// tlsServer is a server with mutual authentication, as it is configured for TCP.
func tlsServer(version uint16) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{pki().Server}, ClientCAs: pki().Roots,
		ClientAuth: tls.RequireAndVerifyClientCert,
		MinVersion: version, MaxVersion: version,
	}
}

// resumedWith connects a client once with each server, and says which connections were resumed.
func resumedWith(t *testing.T, servers ...*Config) (resumed []bool) {
	t.Helper()
	client := clientConfig()
	client.SessionCache = NewSessionCache(1)
	for _, server := range servers {
		p := newTestPair(t, assoctest.Options{}, client, server)
		if cerr, serr := p.handshake(); cerr != nil || serr != nil {
			t.Fatalf("client %v, server %v", cerr, serr)
		}
		resumed = append(resumed, p.server.ConnectionState().DidResume)
		p.close()
	}
	return resumed
}

// “If SessionTicketKey is explicitly set on the returned Config, or if SetSessionTicketKeys is
// called on the returned Config, those keys will be used. Otherwise, the original Config keys will
// be used.”
func TestFromTLSTicketsOfGetConfigForClient(t *testing.T) {
	set := func(key byte) func(*tls.Config) {
		return func(c *tls.Config) { c.SetSessionTicketKeys([][32]byte{{key}}) }
	}
	disabled := func(c *tls.Config) { c.SessionTicketsDisabled = true }
	field := func(c *tls.Config) { deprecated[[32]byte](c, "SessionTicketKey")[0] = 7 }
	none := func(*tls.Config) {}
	for name, tt := range map[string]struct {
		outer   func(*tls.Config)
		inner   []func(*tls.Config) // of each connection; nil: the original Config
		resumed bool
	}{
		"nil":                            {none, []func(*tls.Config){nil, nil}, true},
		"new ones":                       {none, []func(*tls.Config){none, none}, true},
		"nil, then a new one":            {none, []func(*tls.Config){nil, none}, true},
		"new ones with a key":            {none, []func(*tls.Config){set(1), set(1)}, true},
		"new ones with keys that differ": {none, []func(*tls.Config){set(1), set(2)}, false},
		"one with a key after another":   {none, []func(*tls.Config){none, set(1)}, false},
		"one without after one with":     {none, []func(*tls.Config){set(1), none}, false},
		"SessionTicketKey":               {none, []func(*tls.Config){field, field}, true},
		"keys of the original":           {set(1), []func(*tls.Config){nil, set(1)}, true},
		"disabled in the original":       {disabled, []func(*tls.Config){none, none}, false},
		"disabled in the returned":       {none, []func(*tls.Config){none, disabled}, false},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			bubble(t, func(t *testing.T) {
				outer, calls := tlsServer(version), 0
				tt.outer(outer)
				outer.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
					change := tt.inner[calls]
					calls++
					if change == nil {
						return nil, nil
					}
					inner := tlsServer(version)
					change(inner)
					return inner, nil
				}
				server := fromTLS(t, outer)
				if got, want := resumedWith(t, server, server),
					[]bool{false, tt.resumed}; !slices.Equal(got, want) {
					t.Errorf("%s, %#x: resumed %v, want %v", name, version, got, want)
				}
			})
		}
	}
}

// Servers for which the same key was set take each other's tickets.
func TestFromTLSTicketKeysInCommon(t *testing.T) {
	configured := func(change func(*tls.Config)) *Config {
		c := tlsServer(tls.VersionTLS13)
		change(c)
		return fromTLS(t, c)
	}
	field := func(c *tls.Config) { deprecated[[32]byte](c, "SessionTicketKey")[31] = 1 }
	set := func(c *tls.Config) { c.SetSessionTicketKeys([][32]byte{{31: 1}, {2}}) }
	other := func(c *tls.Config) { c.SetSessionTicketKeys([][32]byte{{2}}) }
	none := func(*tls.Config) {}
	for _, tt := range []struct {
		name      string
		one, next func(*tls.Config)
		resumed   bool
	}{
		{"field", field, field, true}, {"method", set, set, true}, {"field and method", field, set, true},
		{"another", set, other, false}, {"none", none, none, false},
	} {
		bubble(t, func(t *testing.T) {
			if got := resumedWith(t, configured(tt.one), configured(tt.next)); got[1] != tt.resumed {
				t.Errorf("%s: resumed %v", tt.name, got[1])
			}
		})
	}
}

// A Config that servers of TLS use at the same time is taken over: its SessionTicketKey is no
// longer zero then, and they may be about to fill it in.
func TestFromTLSOfConfigInUse(t *testing.T) {
	c := tlsServer(0)
	var both sync.WaitGroup
	both.Go(func() { c.DecryptTicket(nil, tls.ConnectionState{}) })
	both.Go(func() { fromTLS(t, c) })
	both.Wait()
	if *deprecated[[32]byte](c, "SessionTicketKey") == [32]byte{} {
		t.Fatal("crypto/tls leaves SessionTicketKey alone now")
	}
	if _, ok := ticketKey(c); ok {
		t.Error("a key that crypto/tls has made is taken for one that was set")
	}
	bubble(t, func(t *testing.T) {
		server := fromTLS(t, c)
		if got := resumedWith(t, server, server); !got[1] {
			t.Error("not resumed")
		}
	})
}
