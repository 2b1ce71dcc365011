package dtlscore

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"testing"
	"time"
)

// BenchmarkHandshake12 compares DTLS 1.2 handshakes, with both ends on one processor, with those of
// crypto/tls with the same certificates and parameters, and with the public-key operations that
// every implementation needs.
func BenchmarkHandshake12(b *testing.B) {
	benchmarkHandshakes(b, tls.VersionTLS12, tls.X25519)
}

// BenchmarkHandshake13 does the same for DTLS 1.3. When sessions are resumed, each connection
// issues a new ticket, which the client processes.
func BenchmarkHandshake13(b *testing.B) {
	for _, group := range []tls.CurveID{tls.X25519, tls.X25519MLKEM768} {
		b.Run(group.String(), func(b *testing.B) { benchmarkHandshakes(b, tls.VersionTLS13, group) })
	}
}

func benchmarkHandshakes(b *testing.B, version uint16, group tls.CurveID) {
	for _, bm := range []struct {
		name   string
		auth   tls.ClientAuthType
		resume bool
	}{
		{"server", tls.NoClientCert, false},
		{"mutual", tls.RequireAndVerifyClientCert, false},
		{"resumed", tls.NoClientCert, true},
		{"resumed-mutual", tls.RequireAndVerifyClientCert, true},
	} {
		b.Run(bm.name, func(b *testing.B) {
			signers := 1
			if bm.auth != tls.NoClientCert {
				signers = 2
			}
			if bm.resume {
				signers = 0
			}
			floor := publicKeyFloor(b, group, signers)
			if bm.resume && version == tls.VersionTLS12 {
				floor = func() {} // there is no key exchange
			}
			client, server := testClientConfig(), testServerConfig(bm.auth)
			if bm.resume {
				client, server = resumingConfigs(bm.auth)
			}
			if version == tls.VersionTLS13 {
				only13(client, server)
			}
			// P-256 is for the certificates of DTLS 1.2.
			client.CurvePreferences = []tls.CurveID{group, tls.CurveP256}
			tlsClient, tlsServer := benchmarkTLSConfigs(version, bm.auth, group, bm.resume)
			first := true // the first one is not resumed
			check := func(resumed bool) {
				if !first && resumed != bm.resume {
					b.Fatal("a handshake of the wrong kind")
				}
			}
			ours := func() {
				check(newBarePair(client, server).ends[0].ConnectionState().DidResume)
			}
			theirs := func() {
				c, _ := benchmarkTLSConnect(b, tlsClient, tlsServer)
				check(c.ConnectionState().DidResume)
			}
			ours()
			theirs()
			first = false
			us := compare(b, "us", time.Microsecond, contender{"dtlscore", ours},
				contender{"crypto-tls", theirs}, contender{"floor", floor})
			b.ReportMetric(us.difference(0, 2), "us-over-floor")
			b.ReportMetric(us.difference(1, 2), "us-over-floor/crypto-tls")
			b.ReportMetric(us.ratio(0, 1), "x-crypto-tls")
		})
	}
}

// publicKeyFloor performs the public-key operations of both ends: a key exchange, and for each end
// with a certificate a signature, which is verified together with that of the certificate. All use
// P-256.
func publicKeyFloor(b *testing.B, group tls.CurveID, signers int) func() {
	key := testCerts().ecdsa.PrivateKey.(*ecdsa.PrivateKey)
	digest := sha256.Sum256([]byte("message"))
	signature := must(key.Sign(rand.Reader, digest[:], crypto.SHA256))
	return func() {
		one := must(ecdh.X25519().GenerateKey(rand.Reader))
		other := must(ecdh.X25519().GenerateKey(rand.Reader))
		must(one.ECDH(other.PublicKey()))
		must(other.ECDH(one.PublicKey()))
		if group == tls.X25519MLKEM768 {
			kem := must(mlkem.GenerateKey768())
			_, ciphertext := must(mlkem.NewEncapsulationKey768(kem.EncapsulationKey().Bytes())).Encapsulate()
			must(kem.Decapsulate(ciphertext))
		}
		for range signers {
			must(key.Sign(rand.Reader, digest[:], crypto.SHA256))
		}
		for range 2 * signers {
			if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature) {
				b.Fatal("signature")
			}
		}
	}
}
