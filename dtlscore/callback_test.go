package dtlscore

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"testing"
)

// A callback may choose the alert for the peer. An alert in its error is never taken for one from
// the peer.
func TestCallbackChoosesAlert(t *testing.T) {
	revoked := errors.New("revoked, says the list")
	for _, tt := range []struct {
		name  string
		err   error
		alert Alert
	}{
		{"an error", revoked, AlertBadCertificate},
		{"an alert", &AlertError{Alert: AlertCertificateRevoked, Local: true, Err: revoked},
			AlertCertificateRevoked},
		{"an alert in an error", fmt.Errorf("checking: %w",
			&AlertError{Alert: AlertAccessDenied, Err: revoked}), AlertAccessDenied},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client, server := testClientConfig(), testServerConfig(tls.NoClientCert)
			client.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { return tt.err }
			p := newTestPair(t, client, server)
			p.start()
			p.run()
			wantDead(t, p.client, tt.alert, ErrPeerUntrusted)
			if !errors.Is(p.client.err, revoked) {
				t.Errorf("the reason is lost: %v", p.client.err)
			}
			wantPeerAlert(t, p.server, tt.alert)
		})
	}
}
