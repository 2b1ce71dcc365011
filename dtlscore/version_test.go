package dtlscore

import (
	"crypto/tls"
	"testing"
)

// TestServerVersionWithoutExtension tests clients that announce their versions in legacy_version
// only: RFC 5246, Appendix E.1.
func TestServerVersionWithoutExtension(t *testing.T) {
	for _, tt := range []struct {
		legacy uint16
		want   uint16
	}{
		{versionDTLS10, 0}, {0xfefe, 0}, {0xffff, 0}, // lower
		{VersionDTLS12, VersionDTLS12},
		{VersionDTLS13, VersionDTLS12},                   // must not be negotiated in this way
		{0xfe00, VersionDTLS12}, {0xfdff, VersionDTLS12}, // higher
		{0x0303, 0}, {0, 0}, // of TLS
	} {
		c := &Conn{config: testServerConfig(tls.NoClientCert)}
		got, err := c.serverVersion(&clientHello{version: tt.legacy})
		if got != tt.want || (err == nil) != (tt.want != 0) {
			t.Errorf("legacy_version %04x: %04x, %v, want %04x", tt.legacy, got, err, tt.want)
		}
		if err != nil && alertOf(err) != AlertProtocolVersion {
			t.Errorf("legacy_version %04x: %v", tt.legacy, err)
		}
	}
}
