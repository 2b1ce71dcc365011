package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
)

// maxMessage is the most that a record holds.
const maxMessage = 1 << 14

// options are what the command line says.
type options struct {
	client, server   bool
	fd               int
	version          string
	minVersion       uint16
	maxVersion       uint16
	suite            *suite
	group            tls.CurveID
	cert, key, ca    string
	name             string
	verify           bool
	psk              []byte
	pskIdentity      string
	count, size      int
	renegotiate      int
	keyUpdate        int
	keyUpdateRequest dtlscore.KeyUpdateRequest
	cookie           bool
	exportContext    []byte // nil: none
	timeout          time.Duration
}

func (o *options) role() string {
	if o.server {
		return "server"
	}
	return "client"
}

func parse(args []string) (*options, error) {
	o := new(options)
	f := flag.NewFlagSet("seqpeer", flag.ContinueOnError)
	f.SetOutput(io.Discard) // errors go into the ERROR line
	f.BoolVar(&o.client, "client", false, "")
	f.BoolVar(&o.server, "server", false, "")
	f.IntVar(&o.fd, "fd", 3, "")
	f.StringVar(&o.version, "version", "any", "")
	f.Func("cipher", "", func(s string) (err error) { o.suite, err = suiteByName(s); return err })
	f.Func("group", "", func(s string) (err error) { o.group, err = groupByName(s); return err })
	f.StringVar(&o.cert, "cert", "", "")
	f.StringVar(&o.key, "key", "", "")
	f.StringVar(&o.ca, "ca", "", "")
	f.StringVar(&o.name, "name", "localhost", "")
	f.BoolVar(&o.verify, "verify", false, "")
	f.Func("psk", "", func(s string) (err error) { o.psk, err = hex.DecodeString(s); return err })
	f.StringVar(&o.pskIdentity, "psk-identity", "Client_identity", "")
	f.IntVar(&o.count, "count", 2, "")
	f.IntVar(&o.size, "size", 64, "")
	f.IntVar(&o.renegotiate, "renegotiate", 0, "")
	f.IntVar(&o.keyUpdate, "key-update", 0, "")
	f.BoolFunc("key-update-request", "", func(string) error {
		o.keyUpdateRequest = dtlscore.UpdateRequested
		return nil
	})
	f.BoolVar(&o.cookie, "cookie", false, "")
	f.Func("export-context", "", func(s string) (err error) {
		o.exportContext, err = hex.DecodeString(s)
		return err
	})
	milliseconds := f.Int("timeout", 10000, "")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	o.timeout = time.Duration(*milliseconds) * time.Millisecond
	switch {
	case f.NArg() > 0:
		return nil, fmt.Errorf("%s: unknown argument", f.Arg(0))
	case o.client == o.server:
		return nil, errors.New("one of --server and --client is needed")
	case (o.cert == "") != (o.key == ""):
		return nil, errors.New("--cert and --key are needed together")
	case o.server && o.cert == "" && o.psk == nil:
		return nil, errors.New("a server needs --cert and --key, or --psk")
	case o.size < 0 || o.size > maxMessage:
		return nil, fmt.Errorf("--size %d: not from 0 to %d", o.size, maxMessage)
	case o.version != "1.2" && o.version != "1.3" && o.version != "any":
		return nil, fmt.Errorf("--version %s: not 1.2, 1.3 or any", o.version)
	}
	return o, o.chooseVersion()
}

// chooseVersion narrows --version to what the other options need.
func (o *options) chooseVersion() error {
	o.minVersion, o.maxVersion = dtlscore.VersionDTLS12, dtlscore.VersionDTLS13
	if o.version == "1.2" || o.renegotiate > 0 || o.suite != nil && !o.suite.is13() {
		o.maxVersion = dtlscore.VersionDTLS12
	}
	if o.version == "1.3" || o.keyUpdate > 0 || o.suite != nil && o.suite.is13() ||
		o.group == tls.X25519MLKEM768 {
		o.minVersion = dtlscore.VersionDTLS13
	}
	if o.minVersion < o.maxVersion { // they count downwards
		return errors.New(
			"--version, --cipher, --group, --renegotiate and --key-update contradict each other")
	}
	return nil
}

// config returns what dtlscore is to do.
func (o *options) config() (*dtlscore.Config, error) {
	c := &dtlscore.Config{
		ServerName:     o.name,
		MinVersion:     o.minVersion,
		MaxVersion:     o.maxVersion,
		CookieExchange: o.cookie,
		Renegotiation:  dtlscore.RenegotiateFreely,
		// Tickets go to peers, or come from them, with whatever they make of it.
		TicketKeys:   new(dtlscore.TicketKeys),
		SessionCache: dtlscore.NewSessionCache(1),
	}
	if o.suite != nil {
		c.CipherSuites = []uint16{o.suite.id}
	}
	if o.group != 0 {
		c.CurvePreferences = []tls.CurveID{o.group}
		if o.client && o.maybeECDSA12() {
			// The curves of certificates are in the same extension as the
			// groups. RFC 8422, Section 5.1.1.
			for _, curve := range []tls.CurveID{tls.CurveP256, tls.CurveP384, tls.CurveP521} {
				if curve != o.group {
					c.CurvePreferences = append(c.CurvePreferences, curve)
				}
			}
		}
	}
	return c, o.identities(c)
}

// maybeECDSA12 reports whether one end may show an ECDSA key in DTLS 1.2.
func (o *options) maybeECDSA12() bool {
	return o.minVersion == dtlscore.VersionDTLS12 &&
		(o.cert != "" || o.suite == nil || strings.Contains(o.suite.iana, "_ECDSA_"))
}

// identities sets who we are and whom we trust.
func (o *options) identities(c *dtlscore.Config) error {
	if o.psk != nil {
		psk := &dtlscore.PSK{Identity: []byte(o.pskIdentity), Key: o.psk}
		if o.client {
			c.GetPSK = func([]byte) (*dtlscore.PSK, error) { return psk, nil }
		} else {
			c.LookupPSK = func(identity []byte) (*dtlscore.PSK, error) {
				if string(identity) != o.pskIdentity {
					return nil, nil
				}
				return psk, nil
			}
		}
	}
	if o.cert != "" {
		own, err := tls.LoadX509KeyPair(o.cert, o.key)
		if err != nil {
			return err
		}
		c.Certificates = []tls.Certificate{own}
	}
	if o.verify {
		c.ClientAuth = tls.RequireAnyClientCert
	}
	if o.ca == "" {
		c.InsecureSkipVerify = true
		return nil
	}
	pem, err := os.ReadFile(o.ca)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s: no certificate", o.ca)
	}
	c.RootCAs, c.ClientCAs = roots, roots
	if o.verify {
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return nil
}
