package dtlscore

import (
	"io"
	"net/netip"
	"slices"
	"strings"
)

// maxCookies is the largest number of HelloVerifyRequests that a client answers in one handshake.
const maxCookies = 2

// beginClient sends the first ClientHello of a handshake or a renegotiation.
func (c *Conn) beginClient() error {
	hello, err := c.newClientHello()
	if err != nil {
		return err
	}
	s := &clientWaitServerHello{hello: hello, session: c.offerSession(hello)}
	if hello.supportedVersions != nil {
		if err := s.offer13(c); err != nil {
			return err
		}
	}
	c.handshaking, c.state = true, s
	c.quiet()
	return s.sendHello(c)
}

func (c *Conn) newClientHello() (*clientHello, error) {
	hello := &clientHello{
		version:            VersionDTLS12,
		compressionMethods: []byte{compressionNull},
		extensions: extensions{
			serverName:          sniName(c.config.ServerName),
			statusRequest:       true,
			signatureAlgorithms: defaultSignatureAlgorithms(),
			alpn:                c.config.NextProtos,

			serverCertificateTypes: c.config.offeredServerTypes(),
			clientCertificateTypes: c.config.offeredClientTypes(),
		},
	}
	if err := c.readRandom(hello.random[:]); err != nil {
		return nil, err
	}
	for _, v := range c.clientVersions() {
		hello.suites = append(hello.suites, c.config.suites(v, true)...)
		for _, g := range c.config.groups(v) {
			if !slices.Contains(hello.supportedGroups, g) {
				hello.supportedGroups = append(hello.supportedGroups, g)
			}
		}
		if v == VersionDTLS13 {
			hello.supportedVersions = c.clientVersions()
			hello.largeRecordSizeLimit = c.config.largeLimit()
		}
		if v == VersionDTLS12 {
			hello.pointFormats = []byte{pointFormatUncompressed}
			hello.extendedMasterSecret = true
			hello.renegotiationInfo = append([]byte{}, c.finished.client...)
		}
	}
	return hello, nil
}

// readRandom fills b from Config.Rand.
func (c *Conn) readRandom(b []byte) error {
	if _, err := io.ReadFull(c.config.rand(), b); err != nil {
		return misuse("Config.Rand: %w", err)
	}
	return nil
}

// sniName returns the host name to send in server_name, without a trailing dot. It returns "" for
// an IP address. See RFC 6066, Section 3.
func sniName(name string) string {
	host := strings.TrimRight(hostOf(name), ".")
	if _, err := netip.ParseAddr(host); err == nil {
		return ""
	}
	return host
}

// hostOf returns the name that a certificate must be valid for. It removes the brackets that an
// IPv6 address has in a URL (RFC 3986, Section 3.2.2) and the zone, which has a meaning on this
// host only (RFC 4007, Section 11.2).
func hostOf(name string) string {
	host, _, zone := strings.Cut(name, "%")
	brackets := strings.HasPrefix(host, "[")
	if !zone && !brackets {
		return name
	}
	if brackets {
		host = strings.TrimSuffix(host[1:], "]")
	}
	if _, err := netip.ParseAddr(host); err != nil {
		return name
	}
	return host
}

// forget implements [forgetter].
func (s *clientWaitServerHello) forget() { s.session.forget() }

// clientWaitServerHello waits for the ServerHello, which determines the version.
type clientWaitServerHello struct {
	hello      *clientHello
	session    *session // offered in hello for resumption, or nil
	transcript *transcript
	cookies    int // HelloVerifyRequests received

	// DTLS 1.3 only.
	keys []*ephemeralKey // of the key shares in hello
	psks []*offeredPSK   // in hello
}

func (s *clientWaitServerHello) sendHello(c *Conn) error {
	raw, err := c.send(s.hello)
	if err != nil {
		return err
	}
	s.transcript = newTranscript()
	s.transcript.addMessages(raw)
	return nil
}

func (s *clientWaitServerHello) handle(c *Conn, m message, raw handshakeMessage) (state, error) {
	switch m := m.(type) {
	case *helloVerifyRequest:
		return s.answerCookie(c, m)
	case *serverHello:
		version, err := c.clientVersion(m)
		if err != nil {
			return nil, err
		}
		if version == VersionDTLS13 {
			// RFC 9147, Section 5.3: DTLS 1.3 does not use HelloVerifyRequest.
			if s.cookies > 0 {
				return nil, illegal("server chose version 1.3 after a HelloVerifyRequest")
			}
			return startClient13(c, s, m, raw)
		}
		return startClient12(c, s, m, raw)
	}
	return nil, unexpectedMessage(m, typeServerHello)
}

// answerCookie sends the ClientHello again with the server's cookie. The transcript includes
// neither the first ClientHello nor the HelloVerifyRequest: RFC 6347, Section 4.2.1.
func (s *clientWaitServerHello) answerCookie(c *Conn, m *helloVerifyRequest) (state, error) {
	// Only a server of DTLS 1.2 sends this message, whatever its version field contains.
	if !slices.Contains(c.clientVersions(), VersionDTLS12) {
		return nil, unexpected("HelloVerifyRequest, which is of DTLS 1.2, although that was not offered")
	}
	if m.version != VersionDTLS12 && m.version != versionDTLS10 {
		return nil, misbehaved(AlertProtocolVersion, "HelloVerifyRequest of version %#04x", m.version)
	}
	if s.cookies++; s.cookies > maxCookies {
		return nil, unexpected("%d HelloVerifyRequests in one handshake", s.cookies)
	}
	s.hello.cookie = m.cookie
	return s, s.sendHello(c)
}
