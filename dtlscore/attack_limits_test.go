package dtlscore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"strings"
	"testing"
)

// E3: what is buffered during the handshake is limited, and released when the handshake ends or
// fails.
func TestAttackE3Buffered(t *testing.T) {
	const certificateLen = 1 << 18
	fill := func(e *testEnd) {
		t.Helper()
		for seq := range uint16(futureMessages + 1) {
			h := handshakeHeader{typ: typeCertificate, seq: seq + uint16(e.conn.in.messages.next),
				length: certificateLen, fragmentLength: blockLen}
			for h.fragmentOffset = blockLen; h.fragmentOffset+
				blockLen <= certificateLen; h.fragmentOffset += blockLen {
				record := noProtection{}.seal(nil, contentHandshake, 99,
					append(h.append(nil), make([]byte, blockLen)...))
				if _, err := e.conn.Receive(record, true, Tag{}); err != nil {
					if seq < futureMessages {
						t.Fatal(err)
					}
					return
				}
				if seq == futureMessages {
					t.Fatal("there is no bound")
				}
			}
		}
	}
	kept := func(c *Conn) (n int) {
		for p := c.in.messages.pending; p != nil; p = p.next {
			n += len(p.whole) + len(p.blocks)*blockLen
		}
		return n + c.in.heldBytes
	}
	for _, v := range eachVersion {
		t.Run(v.name, func(t *testing.T) {
			client, server := v.configs(tls.NoClientCert)
			for _, failing := range []string{"client", "server"} {
				p := newTestPair(t, client, server)
				p.start()
				e := p.client
				if failing == "server" {
					e = p.server
				}
				fill(e)
				if e.conn.Err() == nil || kept(e.conn) != 0 || !e.conn.in.messages.empty() ||
					e.conn.state != nil || e.conn.in.held != nil {
					t.Errorf("%s: %v, %d bytes are kept", failing, e.conn.Err(), kept(e.conn))
				}
			}
			// A connection keeps neither messages nor records after the handshake.
			p := newTestPair(t, client, server)
			p.handshake()
			for _, e := range []*testEnd{p.client, p.server} {
				if kept(e.conn) != 0 || !e.conn.in.messages.empty() || e.conn.in.held != nil ||
					e.conn.queue != nil {
					t.Errorf("%s keeps %d bytes", e.name, kept(e.conn))
				}
				switch s := e.conn.state.(type) {
				case *open12, *open13: // which have no transcript
				default:
					t.Errorf("%s: state %T", e.name, s)
				}
			}
		})
	}
}

// E11: the size of chains is limited before anything is verified, on both sides.
func TestAttackE11LargeChains(t *testing.T) {
	ca := testCerts().ca
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	garbage := make([][]byte, maxChain+1)
	for i := range garbage {
		garbage[i] = []byte{0x30, 0}
	}
	// An issuer can sign a large key that nobody has.
	large := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), maxRSABits, 1), E: 65537}
	tests := []struct {
		name  string
		chain [][]byte
		says  string
	}{
		{"too many", garbage, "chain of 17 certificates"},
		{"large RSA key", ca.issue(publicOnly{large}, nil).Certificate, "RSA key of 8193 bits"},
		{"large RSA key of an issuer", [][]byte{ca.issue(key, nil).Certificate[0],
			ca.issue(publicOnly{large}, func(c *x509.Certificate) {
				c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign
			}).Certificate[0]}, "RSA key of 8193 bits"},
	}
	for _, v := range eachVersion {
		for _, test := range tests {
			t.Run(v.name+"/"+test.name, func(t *testing.T) {
				for _, fromServer := range []bool{true, false} {
					cert := tls.Certificate{Certificate: test.chain, PrivateKey: key}
					client, server := v.configs(tls.RequireAndVerifyClientCert)
					verified := func([][]byte, [][]*x509.Certificate) error {
						t.Error("it was verified")
						return nil
					}
					p := newTestPair(t, client, server)
					e := p.client
					if fromServer {
						server.Certificates, client.VerifyPeerCertificate = []tls.Certificate{cert}, verified
					} else {
						client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
							return &cert, nil
						}
						server.VerifyPeerCertificate, e = verified, p.server
					}
					p.start()
					p.run()
					if e.err == nil || !strings.Contains(e.err.Error(), test.says) {
						t.Errorf("%s: %v", e.name, e.err)
					}
				}
			})
		}
		t.Run(v.name+"/too long", func(t *testing.T) {
			client, server := v.configs(tls.NoClientCert)
			server.Certificates = []tls.Certificate{{Certificate: [][]byte{make([]byte,
				maxMessageLen[typeCertificate])}, PrivateKey: key}}
			p := newTestPair(t, client, server)
			p.start()
			p.run()
			wantDead(t, p.client, AlertDecodeError, ErrInvalidMessage)
		})
	}
}

// publicOnly is the signer of a certificate whose private key nobody has.
type publicOnly struct{ key crypto.PublicKey }

func (p publicOnly) Public() crypto.PublicKey { return p.key }

func (publicOnly) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	panic("it is not there")
}
