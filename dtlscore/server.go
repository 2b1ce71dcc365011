package dtlscore

import (
	"crypto/tls"
	"slices"
)

// serverWaitClientHello is where the version is chosen.
type serverWaitClientHello struct{}

func (s *serverWaitClientHello) handle(c *Conn, m message, raw handshakeMessage) (state, error) {
	hello, ok := m.(*clientHello)
	if !ok {
		return nil, unexpectedMessage(m, typeClientHello)
	}
	info := clientHelloInfo(hello)
	if err := c.chooseConfig(info); err != nil {
		return nil, err
	}
	if _, err := c.serverVersion(hello); err != nil {
		return nil, err
	}
	return startServer12(c, hello, info, raw)
}

// chooseConfig lets the Config give another one for this client.
func (c *Conn) chooseConfig(info *tls.ClientHelloInfo) error {
	if c.config.GetConfigForClient == nil {
		return nil
	}
	config, err := c.config.GetConfigForClient(info)
	if err != nil {
		return misuse("Config.GetConfigForClient: %w", err)
	}
	if config == nil {
		return nil
	}
	if err := config.check(false); err != nil {
		return err
	}
	c.config = config
	return nil
}

// clientHelloInfo tells callbacks written for crypto/tls about the client.
// Versions have the numbers of TLS there.
func clientHelloInfo(hello *clientHello) *tls.ClientHelloInfo {
	info := &tls.ClientHelloInfo{
		CipherSuites:      hello.suites,
		ServerName:        hello.serverName,
		SupportedCurves:   hello.supportedGroups,
		SupportedPoints:   hello.pointFormats,
		SignatureSchemes:  hello.signatureAlgorithms,
		SupportedProtos:   hello.alpn,
		SupportedVersions: []uint16{tls.VersionTLS12},
	}
	for _, t := range hello.seen {
		info.Extensions = append(info.Extensions, uint16(t))
	}
	if slices.Contains(hello.supportedVersions, VersionDTLS13) {
		info.SupportedVersions = []uint16{tls.VersionTLS13, tls.VersionTLS12}
	}
	return info
}

// chooseProtocol is RFC 7301, Section 3.2: the first of ours that the client
// has too.
func (c *Config) chooseProtocol(offered []string) (string, error) {
	if len(offered) == 0 || len(c.NextProtos) == 0 {
		return "", nil
	}
	for _, p := range c.NextProtos {
		if slices.Contains(offered, p) {
			return p, nil
		}
	}
	return "", incompatible(AlertNoApplicationProtocol, "client offers protocols %q only", offered)
}
