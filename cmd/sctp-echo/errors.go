package main

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/doctor"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// explain returns the text of err and its remedy, unless the text contains one. The errors of
// package sctpdtls about SCTP and the system contain theirs.
func explain(err error) string {
	if r := remedy(err); r != "" {
		return err.Error() + ": " + r
	}
	return err.Error()
}

func remedy(err error) string {
	if file, ok := errtype.As[*doctor.FileError](err); ok {
		return file.Remedy
	}
	if _, ok := errtype.As[*sctpdtls.NoSCTPError](err); ok {
		return "for the network sctp+udp give both ends -transport udp"
	}
	if _, ok := errtype.As[*sctpdtls.RawIPError](err); ok {
		return "the network sctp is -transport kernel, sctp+udp is -transport udp at both ends"
	}
	if e, ok := errtype.As[*sctpdtls.MessageTooLargeError](err); ok {
		return fmt.Sprintf("give -size %d or less, or the server -max-message %d",
			cmp.Or(min(e.Limit, e.Own), sctpdtls.MaxMessageSize), e.Size)
	}
	if _, ok := errtype.As[*sctpdtls.StreamError](err); ok {
		return "give fewer -streams, or start the server with more"
	}
	if errors.Is(err, syscall.ECONNABORTED) {
		return "the peer is unreachable: is the address right, and do firewalls pass SCTP (IP " +
			"protocol 132)?"
	}
	if _, ok := errtype.As[*net.DNSError](err); ok {
		return "give a name that resolves, or an address"
	}
	if timeout, ok := errtype.As[*sctpdtls.HandshakeTimeoutError](err); ok && timeout.KeyInUse {
		return "try -legacy-label, if the peer is an old OpenSSL or was given that flag itself"
	}
	// Check certificates before alerts: an alert of our own wraps the reason why it was sent.
	if r := certificateRemedy(err); r != "" {
		return r
	}
	if alert, ok := errtype.As[*sctpdtls.AlertError](err); ok {
		return alertRemedy(alert, err)
	}
	return ""
}

// certificateRemedy returns the remedy for a certificate of the peer that this end rejects.
func certificateRemedy(err error) string {
	if _, ok := errtype.As[x509.UnknownAuthorityError](err); ok {
		return "give the CA that signed the peer's certificate with -ca"
	}
	if _, ok := errtype.As[x509.HostnameError](err); ok {
		return "give the name in the certificate with -name, or give the server a certificate for this " +
			"name (certs -host)"
	}
	if invalid, ok := errtype.As[x509.CertificateInvalidError](err); ok {
		switch invalid.Reason {
		case x509.Expired:
			return "renew the peer's certificate, or set the clock of this machine"
		case x509.IncompatibleUsage:
			return "the peer needs a certificate for its role, server or client (extended key usage)"
		}
	}
	return ""
}

// Alerts that have a remedy. RFC 8446, Section 6.
const (
	alertHandshakeFailure      sctpdtls.Alert = 40
	alertBadCertificate        sctpdtls.Alert = 42
	alertUnsupportedCert       sctpdtls.Alert = 43
	alertCertificateRevoked    sctpdtls.Alert = 44
	alertCertificateExpired    sctpdtls.Alert = 45
	alertCertificateUnknown    sctpdtls.Alert = 46
	alertUnknownCA             sctpdtls.Alert = 48
	alertAccessDenied          sctpdtls.Alert = 49
	alertProtocolVersion       sctpdtls.Alert = 70
	alertCertificateRequired   sctpdtls.Alert = 116
	alertNoApplicationProtocol sctpdtls.Alert = 120
)

// alertRemedy returns the remedy for a connection that an alert ended. DTLS 1.2 has no alert for a
// client without a certificate: servers use handshake_failure (RFC 5246, Section 7.4.6) or
// bad_certificate.
func alertRemedy(alert *sctpdtls.AlertError, err error) string {
	if alert.Local {
		switch alert.Alert {
		case alertHandshakeFailure, alertCertificateRequired:
			return "with -ca here, the client needs -cert and -key of one of its CAs; both ends must " +
				"share a suite, a group and a signature scheme"
		case alertProtocolVersion:
			return "compare -min and -max of both ends"
		case alertNoApplicationProtocol:
			return "compare -alpn of both ends"
		}
		return ""
	}
	connect, _ := errtype.As[*connectError](err)
	noCertificate := connect != nil && !connect.haveCertificate
	switch alert.Alert {
	case alertCertificateRequired:
		return "the server requires a certificate: give -cert and -key of a CA in its -ca"
	case alertHandshakeFailure, alertBadCertificate:
		if noCertificate {
			return "the server may require a certificate: give -cert and -key"
		}
		if alert.Alert == alertHandshakeFailure {
			return "both ends must share a suite, a group and a signature scheme: compare -suite and " +
				"-group; and the CA of -cert must be in the server's -ca"
		}
		return "the peer rejects our certificate; its log says why"
	case alertUnknownCA:
		return "the peer does not know the CA of our certificate: give it our CA (-ca there), or give " +
			"-cert a certificate of a CA that it knows"
	case alertCertificateExpired:
		return "renew our certificate (-cert), or set the clock of the peer"
	case alertUnsupportedCert, alertCertificateRevoked, alertCertificateUnknown, alertAccessDenied:
		return "the peer rejects our certificate (-cert); its log says why"
	case alertProtocolVersion:
		return "compare -min and -max of both ends"
	case alertNoApplicationProtocol:
		return "compare -alpn of both ends"
	}
	return ""
}
