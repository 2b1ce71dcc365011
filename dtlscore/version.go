package dtlscore

import (
	"slices"

	"github.com/seed-41f70523/dtls-sctp/internal/legible"
)

// clientVersions returns the versions that a client offers. In a renegotiation this is the
// negotiated version only.
func (c *Conn) clientVersions() []uint16 {
	if c.agreed.HandshakeComplete {
		return []uint16{c.agreed.Version}
	}
	return c.config.versions(true)
}

// clientVersion returns the version that the server chose.
func (c *Conn) clientVersion(m *serverHello) (uint16, error) {
	offered := c.clientVersions()
	version := m.version
	if len(m.supportedVersions) > 0 {
		// RFC 8446, Section 4.2.1: this is only for versions after 1.2.
		version = m.supportedVersions[0]
		if version != VersionDTLS13 || !slices.Contains(offered, version) {
			return 0, illegal("server chose version %04x in supported_versions", version)
		}
		return version, nil
	}
	if m.isRetry() {
		return 0, illegal("HelloRetryRequest without %v", extSupportedVersions)
	}
	if version != VersionDTLS12 || !slices.Contains(offered, version) {
		return 0, misbehaved(AlertProtocolVersion, "server chose version %04x", version)
	}
	if offered[0] == VersionDTLS13 {
		// RFC 8446, Section 4.1.3.
		switch string(m.random[randomLen-len(downgradeTLS12):]) {
		case downgradeTLS12, downgradeTLS11:
			return 0, illegal("downgrade from DTLS 1.3 detected")
		}
	}
	return version, nil
}

// serverVersion chooses the version for a client.
func (c *Conn) serverVersion(m *clientHello) (uint16, error) {
	ours := c.config.versions(c.isClient)
	theirs := offeredVersions(m)
	for _, v := range ours {
		if !slices.Contains(theirs, v) {
			continue
		}
		if v != ours[0] && slices.Contains(m.suites, scsvFallback) {
			// RFC 7507, Section 3.
			return 0, misbehaved(AlertInappropriateFallback, "client fell back to version %04x", v)
		}
		return v, nil
	}
	return 0, incompatible(AlertProtocolVersion,
		"client offers none of our versions, but %04x and %04x", m.version, legible.List[uint16](theirs))
}

// offeredVersions returns the versions that the client supports.
func offeredVersions(m *clientHello) []uint16 {
	if len(m.supportedVersions) > 0 {
		return m.supportedVersions
	}
	// legacy_version is the highest version that the client supports. DTLS version numbers
	// decrease, and a client of a version after 1.2, even of an unknown one, supports 1.2 too: RFC
	// 5246, Appendix E.1. Small numbers are those of TLS.
	if m.version <= VersionDTLS12 && m.version >= 0x8000 {
		return []uint16{VersionDTLS12}
	}
	return nil
}
