package main

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
)

// check compares what was negotiated with what the runner expects.
func (e *exchange) check(resuming bool) error {
	o, state := e.o, e.conn.ConnectionState()
	retried := state.Version == dtlscore.VersionDTLS13 && e.hellos > 1
	wantALPN := o.expectALPN
	if o.server {
		wantALPN = o.alpnSelect
	}
	switch {
	case !state.HandshakeComplete:
		return errors.New("the handshake is not complete")
	case state.DidResume != (resuming && !o.expectSessionMiss):
		return fmt.Errorf("resumed: %v", state.DidResume)
	case o.expectServerName != "" && state.ServerName != o.expectServerName:
		return fmt.Errorf("server name %q, not %q", state.ServerName, o.expectServerName)
	case state.NegotiatedProtocol != wantALPN:
		return fmt.Errorf("protocol %q, not %q", state.NegotiatedProtocol, wantALPN)
	case o.expectOCSP != nil && !bytes.Equal(state.OCSPResponse, o.expectOCSP):
		return fmt.Errorf("OCSP response %x, not %x", state.OCSPResponse, o.expectOCSP)
	case o.expectRetry && !retried || o.expectNoRetry && retried:
		return fmt.Errorf("HelloRetryRequest: %v", retried)
	}
	return errors.Join(o.checkPeerCertificate(len(state.PeerCertificates) > 0), o.checkCredential())
}

func (o *options) checkPeerCertificate(has bool) error {
	switch {
	case has && (o.expectNoPeerCertificate):
		return errors.New("the peer sent a certificate")
	case !has && !o.expectNoPeerCertificate && (!o.server || o.requireClientCertificate):
		return errors.New("the peer sent no certificate")
	}
	return nil
}

// checkSessions looks at what a client has kept.
func (o *options) checkSessions(s *sessions) error {
	switch {
	case o.expectNoSession && s.cache.puts > 0:
		return errors.New("a session was kept")
	case o.expectTicketRenewal && s.connections > 0 && s.cache.puts == 0:
		return errors.New("no session was kept in place of the old one")
	}
	return nil
}
