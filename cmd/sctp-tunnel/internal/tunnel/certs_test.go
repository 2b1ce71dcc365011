package tunnel

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/testpki"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// An authority issues certificates for tests.
type authority struct {
	cert tls.Certificate
	pool *x509.CertPool
}

func newAuthority() *authority {
	cert := testpki.Issue(nil, nil, testpki.CA("tests"))
	return &authority{cert, testpki.Pool(cert)}
}

// config returns one for either role, with a certificate for name, which is valid until then.
func (a *authority) config(name string, until time.Time) *sctpdtls.Config {
	template := testpki.End(name)
	template.NotAfter = until
	return &sctpdtls.Config{
		Certificates: []tls.Certificate{testpki.Issue(&a.cert, nil, template)},
		RootCAs:      a.pool,
		ClientCAs:    a.pool,
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ServerName:   "server",
	}
}

// logTo returns a logger whose records are those of the test.
func logTo(t *testing.T, tunnel string) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, nil)).With("tunnel", tunnel)
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Logf("%s", bytes.TrimSpace(b))
	return len(b), nil
}
