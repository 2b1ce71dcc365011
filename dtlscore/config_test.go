package dtlscore

import (
	"bytes"
	"crypto/tls"
	"errors"
	"strings"
	"testing"
)

// Client and Server reject a configuration that cannot work.
func TestConfigRefused(t *testing.T) {
	tests := []struct {
		name   string
		client bool
		change func(c *Config)
	}{
		{"no name and no verifier", true, func(c *Config) { c.ServerName = "" }},
		{"versions the wrong way round", true,
			func(c *Config) { c.MinVersion, c.MaxVersion = VersionDTLS13, VersionDTLS12 }},
		{"unknown version", true, func(c *Config) { c.MinVersion = versionDTLS10 }},
		{"version of TLS", false, func(c *Config) { c.MaxVersion = tls.VersionTLS12 }},
		{"unknown suite", false, func(c *Config) { c.CipherSuites = []uint16{0x002f} }},
		{"no suite of the version", true, func(c *Config) {
			c.CipherSuites = []uint16{TLS_AES_128_GCM_SHA256}
		}},
		{"unknown group", true, func(c *Config) { c.CurvePreferences = []tls.CurveID{21} }},
		{"no group of the version", true, func(c *Config) {
			c.CurvePreferences = []tls.CurveID{tls.X25519MLKEM768}
		}},
		{"empty protocol", true, func(c *Config) { c.NextProtos = []string{""} }},
		{"long protocol", false, func(c *Config) { c.NextProtos = []string{strings.Repeat("x", 256)} }},
		{"no certificate", false, func(c *Config) { c.Certificates = nil }},
		{"nothing to verify clients with", false,
			func(c *Config) { c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, nil }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			config, make := testServerConfig(tls.NoClientCert), Server
			if test.client {
				config, make = testClientConfig(), Client
			}
			if _, err := make(config); err != nil {
				t.Fatal(err)
			}
			test.change(config)
			if _, err := make(config); !errors.Is(err, ErrMisuse) {
				t.Errorf("error is %v", err)
			}
		})
	}
	for _, make := range []func(*Config) (*Conn, error){Client, Server} {
		if _, err := make(nil); !errors.Is(err, ErrMisuse) {
			t.Errorf("nil: %v", err)
		}
	}
}

func TestConfigRand(t *testing.T) {
	for _, random := range []string{strings.Repeat("random", 6), "short"} {
		client, server := testClientConfig(), testServerConfig(tls.NoClientCert)
		client.Rand = strings.NewReader(random)
		c := must(Client(client))
		if err := c.Start(); (err == nil) != (len(random) > randomLen) {
			t.Fatalf("client with %q: %v", random, err)
		} else if err == nil && !bytes.Contains(c.NextEvent().Data, []byte(random[:randomLen])) {
			t.Error("client does not use Config.Rand")
		}
		server.Rand = strings.NewReader(random)
		s := newScriptedClient(t, server)
		s.clientHello()
		if len(random) < randomLen {
			s.wantAlert(AlertInternalError, ErrMisuse)
		} else if s.serverFlight(); string(s.hs.serverRandom[:]) != random[:randomLen] {
			t.Error("server does not use Config.Rand")
		}
	}
}

// The default time is the present one, at which the test certificates are not valid yet.
func TestConfigTime(t *testing.T) {
	client := testClientConfig()
	client.Time = nil
	p := newTestPair(t, client, testServerConfig(tls.NoClientCert))
	p.start()
	p.run()
	wantDead(t, p.client, AlertCertificateExpired, ErrPeerUntrusted)
}

// E5: renegotiation is disabled by default. RFC 6083, Section 4.6.
func TestAttackE5RenegotiationIsOff(t *testing.T) {
	for _, isClient := range []bool{true, false} {
		s := newScript(t, isClient, map[bool]*Config{true: testServerConfig(tls.NoClientCert),
			false: testClientConfig()}[isClient])
		asks := func() {
			s.conn.nextSendSeq = 0
			if isClient {
				s.send(must((&Conn{config: testClientConfig()}).newClientHello()))
			} else {
				s.sendMessage(typeHelloRequest, nil)
			}
		}
		if isClient {
			s.completeClient()
		} else {
			s.completeServer(false)
		}
		for range 3 {
			s.under.story = nil
			for range maxWarnings {
				asks()
			}
			if got := strings.Join(s.under.story,
				", "); got != strings.Repeat("Send alert no_renegotiation, ",
				maxWarnings-1)+"Send alert no_renegotiation" {
				t.Errorf("answer: %s", got)
			}
			s.sendData("x")
		}
		for range maxWarnings {
			asks()
		}
		s.wantAlive("the limit is reached")
		asks()
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	}
}
