package dtlscore

import (
	"context"
	"crypto/tls"
	"net"
	"reflect"
	"slices"
)

// SetContext says what callbacks of crypto/tls's types find in the Context and the Conn of their
// [tls.ClientHelloInfo], and in the Context of their [tls.CertificateRequestInfo]. Without it, or
// with a nil context, the context is [context.Background] and Conn is nil.
func (c *Conn) SetContext(ctx context.Context, conn net.Conn) {
	c.callbackContext, c.callbackConn = ctx, conn
}

// authoritiesKey is where the context of a ClientHelloInfo has the certificate_authorities of the
// client.
type authoritiesKey struct{}

// AcceptableCAs returns the certificate authorities that a client names in its ClientHello (RFC
// 8446, Section 4.2.4), for Config.GetCertificate and Config.GetConfigForClient, whose parameter
// info is: the DER of their names, as in [tls.CertificateRequestInfo].AcceptableCAs. It is nil for
// a client that names none, which takes any. The caller must not change it.
func AcceptableCAs(info *tls.ClientHelloInfo) [][]byte {
	ctx := info.Context()
	if ctx == nil {
		return nil // not one of ours
	}
	names, _ := ctx.Value(authoritiesKey{}).([][]byte)
	return names
}

// clientHelloInfo tells callbacks written for crypto/tls about the client. Versions have the
// numbers of TLS there. retried says that hello answers a HelloRetryRequest.
func (c *Conn) clientHelloInfo(hello *clientHello, retried bool) *tls.ClientHelloInfo {
	info := &tls.ClientHelloInfo{
		CipherSuites:     hello.suites,
		ServerName:       hello.serverName,
		SupportedCurves:  hello.supportedGroups,
		SupportedPoints:  hello.pointFormats,
		SignatureSchemes: hello.signatureAlgorithms,
		SupportedProtos:  hello.alpn,
		Conn:             c.callbackConn,
	}
	for _, v := range offeredVersions(hello) {
		if v := versionOfTLS(v); v != 0 {
			info.SupportedVersions = append(info.SupportedVersions, v)
		}
	}
	for _, t := range hello.seen {
		info.Extensions = append(info.Extensions, uint16(t))
	}
	setHidden(info, "HelloRetryRequest", retried) // a field since Go 1.26
	setHidden(info, "ctx", context.WithValue(c.contextOfCallbacks(), authoritiesKey{},
		hello.certificateAuthorities))
	setHidden(info, "config", c.config.tls()) // what SupportsCertificate takes into account
	return info
}

func (c *Conn) contextOfCallbacks() context.Context {
	if c.callbackContext != nil {
		return c.callbackContext
	}
	return context.Background()
}

// tls returns the part of c by which [tls.ClientHelloInfo.SupportsCertificate] judges. Whether c
// has certificates does not count: Config.GetConfigForClient may be about to give some.
func (c *Config) tls() *tls.Config {
	config := &tls.Config{CurvePreferences: c.groups(VersionDTLS12), CipherSuites: c.wantedSuites()}
	for _, v := range implementedVersions {
		if c.allowsVersion(v) && slices.ContainsFunc(config.CipherSuites,
			func(id uint16) bool { return suiteByID(id, v) != nil }) {
			config.MinVersion = versionOfTLS(v)
			config.MaxVersion = max(config.MaxVersion, config.MinVersion)
		}
	}
	return config
}

// versionOfTLS returns the version of TLS on which a version of DTLS is based, 0 if it is not
// known.
func versionOfTLS(version uint16) uint16 {
	switch version {
	case VersionDTLS13:
		return tls.VersionTLS13
	case VersionDTLS12:
		return tls.VersionTLS12
	case versionDTLS10:
		return tls.VersionTLS11
	}
	return 0
}

// setHidden sets a field of one of crypto/tls's types that has no other way to be set. Callbacks
// written for crypto/tls call the methods that depend on it. A Go release that renames the field
// breaks TestClientHelloInfo and TestCertificateRequestInfo, and nothing else.
func setHidden[T any](info any, name string, value T) {
	field := reflect.ValueOf(info).Elem().FieldByName(name)
	if field.IsValid() && field.Type() == reflect.TypeFor[T]() {
		*(*T)(field.Addr().UnsafePointer()) = value
	}
}
