package main

import (
	"crypto/tls"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options is what the runner asks for, for one connection.
type options struct {
	// Where the runner is.
	port   string
	ipv6   bool
	shimID uint64

	// Which side, and how often.
	askHandshaker   bool
	server          bool
	resumeCount     int
	resumptionDelay time.Duration

	// What is negotiated.
	minVersion, maxVersion         uint16
	noDTLS10, noDTLS12             bool
	noDTLS13                       bool
	groups                         []uint16
	suites                         []uint16
	hostName                       string
	alpnOffer                      []string
	alpnSelect                     string
	alpnDecline, alpnReject        bool
	noTickets, skipTicket          bool
	useTicketCallback, renewTicket bool

	// Who the ends are.
	credentials                []*credential // the first is the default one
	trustCert                  string
	requireClientCertificate   bool
	verifyPeer, verifyFail     bool
	reverifyOnResume           bool
	useCustomVerifyCallback    bool
	useEarlyCallback           bool
	useOldClientCertCallback   bool
	useOCSPCallback            bool
	setOCSP, declineOCSP       bool
	failOCSP                   bool
	expectOCSP                 []byte
	expectSelectedCredential   int
	checkSelectedCredential    bool
	expectServerName           string
	expectALPN                 string
	expectAdvertisedALPN       []string
	expectSessionMiss          bool
	expectTicketRenewal        bool
	expectNoSession            bool
	expectRetry, expectNoRetry bool
	expectNoPeerCertificate    bool

	// What is done on the open connection.
	exportLength               int
	exportLabel, exportContext string
	useExportContext           bool
	shimWritesFirst            bool
	readWithUnfinishedWrite    bool
	shimShutsDown              bool
	checkCloseNotify           bool
	sendAlert                  bool
	keyUpdateEachRead          bool
	renegotiate                bool
}

// ignored are flags that change nothing here, each with the reason.
var ignored = map[string]string{
	"dtls":                          "there is nothing else",
	"async":                         "dtlscore never blocks, so that every test is of that kind",
	"implicit-handshake":            "there is one way to do a handshake",
	"expect-verify-result":          "a failed verification ends the connection",
	"enable-ocsp-stapling":          "a client always asks for a stapled response",
	"expect-secure-renegotiation":   "a connection without it is not made",
	"expect-extended-master-secret": "a connection without it is not made",
	"expect-accept-early-data": "there is no early data, and BoringSSL's shim ignores it " +
		"in DTLS too",
	"expect-ticket-supports-early-data": "there is no early data, whatever a ticket allows",
	"enable-early-data": "there is no early data, and DTLS tests expect none of " +
		"BoringSSL either",
	"expect-early-data-reason":    "BoringSSL's shim ignores it in DTLS too",
	"available-client-cert-types": "they follow from what a client has",
	"expect-no-session-id":        "no server keeps sessions",
	"verify-prefs":                "which signatures are taken is fixed, and these are",
	"expect-msg-callback": "there is no such callback; the rest of these tests does " +
		"not need it",
	"permute-extensions": "the order of extensions is fixed, as the runner allows",
	"enable-grease":      "sending GREASE is up to each client",
}

// flagSet has all flags that are known. Their values go to o.
func (o *options) flagSet() *flag.FlagSet {
	fs := flag.NewFlagSet("bogo", flag.ContinueOnError)
	fs.SetOutput(io.Discard)

	on := func(name string, p *bool) { fs.BoolVar(p, name, false, "") }
	text := func(name string, p *string) { fs.StringVar(p, name, "", "") }
	list := func(name string, p *[]uint16) { fs.Func(name, "", appendUint16(p)) }
	blob := func(name string, p *[]byte) { fs.Func(name, "", base64Into(p)) }

	text("port", &o.port)
	on("ipv6", &o.ipv6)
	fs.Uint64Var(&o.shimID, "shim-id", 0, "")

	on("is-handshaker-supported", &o.askHandshaker)
	on("server", &o.server)
	fs.IntVar(&o.resumeCount, "resume-count", 0, "")
	fs.Func("resumption-delay", "", func(s string) error {
		seconds, err := strconv.Atoi(s)
		o.resumptionDelay = time.Duration(seconds) * time.Second
		return err
	})

	fs.Func("min-version", "", uint16Into(&o.minVersion))
	fs.Func("max-version", "", uint16Into(&o.maxVersion))
	on("no-tls1", &o.noDTLS10)
	on("no-tls12", &o.noDTLS12)
	on("no-tls13", &o.noDTLS13)
	list("curves", &o.groups)
	fs.Func("cipher", "", suitesInto(&o.suites))
	text("host-name", &o.hostName)
	fs.Func("advertise-alpn", "", protocolsInto(&o.alpnOffer))
	text("select-alpn", &o.alpnSelect)
	on("decline-alpn", &o.alpnDecline)
	on("reject-alpn", &o.alpnReject)
	on("no-ticket", &o.noTickets)
	on("skip-ticket", &o.skipTicket)
	on("renew-ticket", &o.renewTicket)
	on("use-ticket-callback", &o.useTicketCallback)
	on("use-ticket-aead-callback", &o.useTicketCallback)

	o.credentialFlags(fs)
	text("trust-cert", &o.trustCert)
	on("require-any-client-certificate", &o.requireClientCertificate)
	on("verify-peer", &o.verifyPeer)
	on("verify-fail", &o.verifyFail)
	on("reverify-on-resume", &o.reverifyOnResume)
	on("use-custom-verify-callback", &o.useCustomVerifyCallback)
	on("use-early-callback", &o.useEarlyCallback)
	on("use-old-client-cert-callback", &o.useOldClientCertCallback)
	on("use-ocsp-callback", &o.useOCSPCallback)
	on("set-ocsp-in-callback", &o.setOCSP)
	on("decline-ocsp-callback", &o.declineOCSP)
	on("fail-ocsp-callback", &o.failOCSP)

	blob("expect-ocsp-response", &o.expectOCSP)
	fs.Func("expect-selected-credential", "", func(s string) (err error) {
		o.checkSelectedCredential = true
		o.expectSelectedCredential, err = strconv.Atoi(s)
		return err
	})
	text("expect-server-name", &o.expectServerName)
	text("expect-alpn", &o.expectALPN)
	fs.Func("expect-advertised-alpn", "", protocolsInto(&o.expectAdvertisedALPN))
	on("expect-session-miss", &o.expectSessionMiss)
	on("expect-ticket-renewal", &o.expectTicketRenewal)
	on("expect-no-session", &o.expectNoSession)
	on("expect-hrr", &o.expectRetry)
	on("expect-no-hrr", &o.expectNoRetry)
	on("expect-no-peer-cert", &o.expectNoPeerCertificate)

	fs.IntVar(&o.exportLength, "export-keying-material", 0, "")
	text("export-label", &o.exportLabel)
	text("export-context", &o.exportContext)
	on("use-export-context", &o.useExportContext)
	on("shim-writes-first", &o.shimWritesFirst)
	on("read-with-unfinished-write", &o.readWithUnfinishedWrite)
	on("shim-shuts-down", &o.shimShutsDown)
	on("check-close-notify", &o.checkCloseNotify)
	on("send-alert", &o.sendAlert)
	on("key-update-before-read", &o.keyUpdateEachRead)
	on("renegotiate-freely", &o.renegotiate)

	for name := range ignored {
		switch name {
		case "available-client-cert-types", "expect-early-data-reason", "expect-msg-callback",
			"verify-prefs":
			fs.Func(name, "", func(string) error { return nil })
		default:
			fs.BoolFunc(name, "", func(string) error { return nil })
		}
	}
	return fs
}

// parseFlags returns the options of the first connection and those of the
// ones that follow. A flag that is not known is of a feature that is not
// implemented.
func parseFlags(args []string) (first, later *options, err error) {
	first, later = newOptions(), newOptions()
	firstFlags, laterFlags := first.flagSet(), later.flagSet()
	for len(args) > 0 {
		name := strings.TrimPrefix(args[0], "-")
		args = args[1:]
		sets := []*flag.FlagSet{firstFlags, laterFlags}
		if rest, ok := strings.CutPrefix(name, "on-initial-"); ok {
			name, sets = rest, sets[:1]
		} else if rest, ok := strings.CutPrefix(name, "on-resume-"); ok {
			name, sets = rest, sets[1:]
		}
		f := firstFlags.Lookup(name)
		if f == nil {
			return nil, nil, unimplemented("flag -" + name)
		}
		value := "true"
		if b, ok := f.Value.(interface{ IsBoolFlag() bool }); !ok || !b.IsBoolFlag() {
			if len(args) == 0 {
				return nil, nil, fmt.Errorf("flag -%s has no value", name)
			}
			value, args = args[0], args[1:]
		}
		for _, fs := range sets {
			if err := fs.Set(name, value); err != nil {
				return nil, nil, fmt.Errorf("flag -%s %q: %w", name, value, err)
			}
		}
	}
	return first, later, nil
}

func newOptions() *options { return &options{credentials: []*credential{{}}} }

func uint16Into(p *uint16) func(string) error {
	return func(s string) error {
		n, err := strconv.ParseUint(s, 0, 16)
		*p = uint16(n)
		return err
	}
}

func appendUint16(p *[]uint16) func(string) error {
	return func(s string) error {
		n, err := strconv.ParseUint(s, 0, 16)
		*p = append(*p, uint16(n))
		return err
	}
}

func base64Into(p *[]byte) func(string) error {
	return func(s string) (err error) {
		*p, err = base64.StdEncoding.DecodeString(s)
		return err
	}
}

// suitesInto reads names of cipher suites with colons between them. Suites that
// dtlscore does not have, and other things that OpenSSL writes there, are not for us.
func suitesInto(p *[]uint16) func(string) error {
	return func(s string) error {
		for name := range strings.SplitSeq(s, ":") {
			i := slices.IndexFunc(tls.CipherSuites(),
				func(c *tls.CipherSuite) bool { return c.Name == name })
			if i < 0 || strings.Contains(name, "_CBC_") {
				return unimplemented("cipher suite " + name)
			}
			*p = append(*p, tls.CipherSuites()[i].ID)
		}
		return nil
	}
}

// protocolsInto reads a list in the form of the ALPN extension.
func protocolsInto(p *[]string) func(string) error {
	return func(s string) error {
		for len(s) > 0 {
			n := int(s[0])
			if n+1 > len(s) {
				return fmt.Errorf("name of %d bytes in a list with %d left", n, len(s)-1)
			}
			*p = append(*p, s[1:n+1])
			s = s[n+1:]
		}
		return nil
	}
}
