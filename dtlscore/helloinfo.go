package dtlscore

import (
	"context"
	"crypto/tls"
	"net"
	"reflect"
	"slices"
)

// SetContext sets the Context and the Conn of the [tls.ClientHelloInfo], and the Context of the
// [tls.CertificateRequestInfo], that callbacks receive. By default, or with a nil ctx, the context
// is [context.Background] and Conn is nil.
func (c *Conn) SetContext(ctx context.Context, conn net.Conn) {
	c.callbackContext, c.callbackConn = ctx, conn
}

// authoritiesKey is the context key of the client's certificate_authorities in a ClientHelloInfo.
type authoritiesKey struct{}

// AcceptableCAs returns the certificate authorities that a client names in its ClientHello (RFC
// 8446, Section 4.2.4), as DER-encoded names, like [tls.CertificateRequestInfo].AcceptableCAs. info
// is the argument of Config.GetCertificate or Config.GetConfigForClient. The result is nil if the
// client names no authorities, which means that it accepts any. The caller must not modify the
// result.
func AcceptableCAs(info *tls.ClientHelloInfo) [][]byte {
	ctx := info.Context()
	if ctx == nil {
		return nil // not made by this package
	}
	names, _ := ctx.Value(authoritiesKey{}).([][]byte)
	return names
}

// clientHelloInfo describes the client to callbacks of crypto/tls, which use the version numbers of
// TLS. retried reports whether hello answers a HelloRetryRequest.
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
	setHidden(info, "HelloRetryRequest", retried) // an exported field since Go 1.26
	setHidden(info, "ctx", context.WithValue(c.contextOfCallbacks(), authoritiesKey{},
		hello.certificateAuthorities))
	setHidden(info, "config", c.config.tls()) // used by SupportsCertificate
	return info
}

func (c *Conn) contextOfCallbacks() context.Context {
	if c.callbackContext != nil {
		return c.callbackContext
	}
	return context.Background()
}

// tls returns the part of c that [tls.ClientHelloInfo.SupportsCertificate] uses. It ignores whether
// c has certificates: Config.GetConfigForClient may return a Config that has some.
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

// versionOfTLS returns the TLS version on which a DTLS version is based, or 0 if the version is
// unknown.
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

// setHidden sets an unexported field of a crypto/tls type, on which methods depend that callbacks
// call. A Go release that renames the field breaks only TestClientHelloInfo and
// TestCertificateRequestInfo.
func setHidden[T any](info any, name string, value T) {
	field := reflect.ValueOf(info).Elem().FieldByName(name)
	if field.IsValid() && field.Type() == reflect.TypeFor[T]() {
		*(*T)(field.Addr().UnsafePointer()) = value
	}
}
