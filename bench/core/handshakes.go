package core

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/elliptic"

	"github.com/seed-41f70523/dtls-sctp/bench/certs"
	"github.com/seed-41f70523/dtls-sctp/bench/measure"
	"github.com/seed-41f70523/dtls-sctp/dtlscore"
)

// handshakes returns contests with both ends on one processor, X25519, and P-256 certificates.
func handshakes(set *certs.Set) []measure.Contest {
	var contests []measure.Contest
	for _, version := range []string{"1.2", "1.3"} {
		for _, kind := range []string{"full", "resumed"} {
			for _, mutual := range []bool{false, true} {
				who := map[bool]string{false: "server", true: "mutual"}[mutual]
				c := measure.Contest{Name: fmt.Sprintf("handshake/%s/%s/%s", version, kind, who)}
				add := func(name string, connect func(resume bool) func() error) {
					c.Contestants = append(c.Contestants, measure.Contestant{
						Name: name,
						Run: func(d time.Duration) (measure.Sample, error) {
							return onProcessors(1, func() (measure.Sample, error) {
								ns, err := repeat(d, connect(kind == "resumed"))
								return measure.Sample{"µs": ns / 1000}, err
							})
						},
					})
				}
				add("dtls", func(resume bool) func() error {
					return dtlsHandshakes(set, version, mutual, resume)
				})
				add("crypto/tls", func(resume bool) func() error {
					return tlsHandshakes(set, version, mutual, resume)
				})
				// the only kind that it supports
				if version == "1.2" && !(mutual && kind == "resumed") {
					add("pion/dtls", func(resume bool) func() error { return pionHandshakes(set, mutual, resume) })
				}
				contests = append(contests, c)
			}
		}
	}
	return contests
}

var errWrongKind = errors.New("a handshake of the wrong kind")

func dtlsConfigs(set *certs.Set, version uint16, mutual bool) (client, server *dtlscore.Config) {
	client = &dtlscore.Config{
		RootCAs: set.CA, ServerName: certs.Name, Certificates: []tls.Certificate{set.Client},
		MinVersion: version, MaxVersion: version, CurvePreferences: curves,
	}
	server = &dtlscore.Config{
		Certificates: []tls.Certificate{set.Server}, ClientCAs: set.CA, ClientAuth: clientAuth(mutual),
		MinVersion: version, MaxVersion: version, CurvePreferences: curves,
	}
	return client, server
}

// curves starts with the group to use; in DTLS 1.2 the other one is for certificates.
var curves = []tls.CurveID{tls.X25519, tls.CurveP256}

func clientAuth(mutual bool) tls.ClientAuthType {
	if mutual {
		return tls.RequireAndVerifyClientCert
	}
	return tls.NoClientCert
}

func dtlsHandshakes(set *certs.Set, version string, mutual, resume bool) func() error {
	client, server := dtlsConfigs(set, map[string]uint16{"1.2": dtlscore.VersionDTLS12,
		"1.3": dtlscore.VersionDTLS13}[version], mutual)
	if resume {
		client.SessionCache = dtlscore.NewSessionCache(1)
		server.TicketKeys = new(dtlscore.TicketKeys)
	}
	return expect(resume, func() (bool, error) {
		p, err := connectDTLS(client, server)
		if err != nil {
			return false, err
		}
		return p.ends[0].ConnectionState().DidResume, nil
	})
}

// expect calls connect, and fails if the handshake was not resumed although it should be, or the
// reverse; the first one cannot be.
func expect(resume bool, connect func() (resumed bool, err error)) func() error {
	first := resume
	return func() error {
		resumed, err := connect()
		if err == nil && resumed != (resume && !first) {
			err = errWrongKind
		}
		first = false
		return err
	}
}

func tlsConfigs(set *certs.Set, version uint16, mutual bool) (client, server *tls.Config) {
	client = &tls.Config{
		RootCAs: set.CA, ServerName: certs.Name, Certificates: []tls.Certificate{set.Client},
		MinVersion: version, MaxVersion: version, CurvePreferences: curves,
		// Of DTLS 1.2; DTLS 1.3 prefers AES-128 too.
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
	}
	server = &tls.Config{
		Certificates: []tls.Certificate{set.Server}, ClientCAs: set.CA, ClientAuth: clientAuth(mutual),
		MinVersion: version, MaxVersion: version, CurvePreferences: curves,
		SessionTicketsDisabled: true,
	}
	return client, server
}

func connectTLS(client, server *tls.Config) (c, s *tls.Conn, err error) {
	a, b := newPipe()
	c, s = tls.Client(streamPipe{a}, client), tls.Server(streamPipe{b}, server)
	tickets := !server.SessionTicketsDisabled
	done := make(chan error)
	go func() {
		err := s.Handshake()
		if err == nil && tickets {
			_, err = s.Write([]byte{0}) // follows the ticket, which Read processes
		}
		done <- err
	}()
	err = c.Handshake()
	if err == nil && tickets {
		_, err = io.ReadFull(c, make([]byte, 1))
	}
	return c, s, errors.Join(err, <-done)
}

func tlsHandshakes(set *certs.Set, version string, mutual, resume bool) func() error {
	client, server := tlsConfigs(set, map[string]uint16{"1.2": tls.VersionTLS12,
		"1.3": tls.VersionTLS13}[version], mutual)
	if resume {
		client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		server.SessionTicketsDisabled = false
	}
	return expect(resume, func() (bool, error) {
		c, _, err := connectTLS(client, server)
		if err != nil {
			return false, err
		}
		return c.ConnectionState().DidResume, nil
	})
}

// A pionStore stores one session of pion/dtls.
type pionStore struct {
	mu      sync.Mutex // guards the following
	session dtls.Session
	used    bool
}

func (s *pionStore) Set(_ []byte, session dtls.Session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.session = session
	return nil
}

func (s *pionStore) Get([]byte) (dtls.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = s.session.ID != nil
	return s.session, nil
}

func (s *pionStore) Del([]byte) error { return nil }

func pionOptions(set *certs.Set, mutual bool, clientStore,
	serverStore *pionStore) (client []dtls.ClientOption, server []dtls.ServerOption) {
	both := []dtls.Option{
		dtls.WithCipherSuites(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
		dtls.WithEllipticCurves(elliptic.X25519, elliptic.P256),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
	}
	for _, o := range both {
		client, server = append(client, o), append(server, o)
	}
	client = append(client, dtls.WithRootCAs(set.CA), dtls.WithServerName(certs.Name))
	server = append(server, dtls.WithCertificates(set.Server))
	if mutual {
		client = append(client, dtls.WithCertificates(set.Client))
		server = append(server, dtls.WithClientCAs(set.CA),
			dtls.WithClientAuth(dtls.RequireAndVerifyClientCert))
	}
	if clientStore != nil {
		client, server = append(client, dtls.WithSessionStore(clientStore)),
			append(server, dtls.WithSessionStore(serverStore))
	}
	// No cookie: the others do not use one either.
	return client, append(server, dtls.WithInsecureSkipVerifyHello(true))
}

func connectPion(a, b pipe, client []dtls.ClientOption, server []dtls.ServerOption) (c,
	s *dtls.Conn, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err = dtls.ServerWithOptions(packetPipe{b}, &net.UDPAddr{}, server...)
	if err != nil {
		return nil, nil, err
	}
	c, err = dtls.ClientWithOptions(packetPipe{a}, &net.UDPAddr{}, client...)
	if err != nil {
		return nil, nil, err
	}
	done := make(chan error)
	go func() { done <- s.HandshakeContext(ctx) }()
	return c, s, errors.Join(c.HandshakeContext(ctx), <-done)
}

func pionHandshakes(set *certs.Set, mutual, resume bool) func() error {
	var clientStore, serverStore *pionStore
	if resume {
		clientStore, serverStore = new(pionStore), new(pionStore)
	}
	client, server := pionOptions(set, mutual, clientStore, serverStore)
	return expect(resume, func() (bool, error) {
		a, b := newPipe()
		c, s, err := connectPion(a, b, client, server)
		if err != nil {
			return false, err
		}
		used := resume && serverStore.used
		a.Close() // without an alert, which is not part of a handshake
		return used, errors.Join(ignore(c.Close()), ignore(s.Close()))
	})
}

// ignore drops the error of closing a connection that cannot send any more.
func ignore(error) error { return nil }
