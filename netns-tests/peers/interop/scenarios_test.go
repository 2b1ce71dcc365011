package interop

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A scenario is played by each of its servers with each of its clients.
type scenario struct {
	name             string
	servers, clients []string
	serverCert       string // kind; empty: none
	unseen           bool   // the server has a certificate, but does not send it
	clientCert       string // kind; empty: none
	serverArgs       string
	clientArgs       string
	bothArgs         string
	want             want
}

const psk = "--psk 000102030405060708090a0b0c0d0e0f --psk-identity someone"

var scenarios = []scenario{
	{
		name:       "no choice made but the version",
		servers:    []string{ours, "openssl", "gnutls", "mbedtls", "wolfssl"},
		clients:    []string{ours, "openssl", "gnutls", "mbedtls"},
		bothArgs:   "--version 1.2",
		serverCert: "p256", clientCert: "p256", want: want{version: "DTLSv1.2"},
	}, {
		name:       "Ed25519 server",
		servers:    []string{ours, "gnutls"}, // OpenSSL has these in TLS 1.2, not in DTLS 1.2
		clients:    []string{ours, "openssl", "gnutls"},
		bothArgs:   "--version 1.2",
		serverCert: "ed25519", clientCert: "p256", want: want{version: "DTLSv1.2"},
	}, {
		name:       "Ed25519 client",
		servers:    []string{ours, "openssl", "gnutls"},
		clients:    []string{ours, "openssl"}, // GnuTLS sends none to the other two
		bothArgs:   "--version 1.2",
		serverCert: "p256", clientCert: "ed25519", want: want{version: "DTLSv1.2"},
	}, {
		name:       "long chains",
		servers:    []string{ours, "openssl", "gnutls", "mbedtls"},
		clients:    []string{ours, "openssl", "gnutls", "mbedtls"},
		bothArgs:   "--version 1.2",
		serverCert: "chain", clientCert: "chain", want: want{version: "DTLSv1.2"},
	}, {
		name:       "long chains in fragments",
		servers:    []string{ours, "nss"},
		clients:    []string{ours, "nss"},
		bothArgs:   "--version 1.2 --cipher TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
		serverCert: "chain", clientCert: "chain", want: want{version: "DTLSv1.2"},
	}, {
		name:       "long chain in fragments of a server that does not read long packets",
		servers:    []string{"wolfssl"},
		clients:    []string{ours, "openssl", "gnutls", "mbedtls"},
		bothArgs:   "--version 1.2", // X25519MLKEM768 would not fit
		serverCert: "chain", want: want{version: "DTLSv1.2"},
	}, {
		name:       "exporter context",
		servers:    []string{ours, "openssl", "gnutls", "mbedtls", "wolfssl"},
		clients:    []string{ours, "openssl", "gnutls", "mbedtls"},
		bothArgs:   "--version 1.2 --export-context 00ff",
		serverCert: "p256", want: want{version: "DTLSv1.2"},
	}, {
		name:       "empty exporter context",
		servers:    []string{ours, "openssl", "gnutls", "mbedtls", "wolfssl"},
		clients:    []string{ours, "openssl", "gnutls", "mbedtls"},
		bothArgs:   "--version 1.2 --export-context=",
		serverCert: "p256", want: want{version: "DTLSv1.2"},
	}, {
		name:       "HelloVerifyRequest",
		servers:    []string{"openssl", "gnutls", "mbedtls", "wolfssl"},
		clients:    []string{ours, "openssl", "gnutls", "mbedtls", "nss"},
		bothArgs:   "--version 1.2 --cipher TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
		serverArgs: "--cookie",
		serverCert: "p256", clientCert: "p256", want: want{version: "DTLSv1.2"},
	}, {
		name:     "PSK",
		servers:  []string{ours, "openssl", "gnutls", "mbedtls"},
		clients:  []string{ours, "openssl", "gnutls", "mbedtls"},
		bothArgs: psk + " --cipher TLS_PSK_WITH_AES_128_GCM_SHA256",
		want:     want{version: "DTLSv1.2", cipher: "TLS_PSK_WITH_AES_128_GCM_SHA256"},
	}, {
		name:     "ECDHE_PSK",
		servers:  []string{ours, "openssl", "gnutls", "mbedtls"},
		clients:  []string{ours, "openssl", "gnutls", "mbedtls"},
		bothArgs: psk + " --cipher ECDHE-PSK-CHACHA20-POLY1305",
		want:     want{version: "DTLSv1.2", cipher: "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256"},
	}, {
		name:       "renegotiation by the client",
		servers:    []string{ours, "openssl", "gnutls", "mbedtls"},
		clients:    []string{ours, "openssl", "gnutls", "mbedtls"},
		clientArgs: "--renegotiate 3",
		serverCert: "p256", clientCert: "p384", want: want{version: "DTLSv1.2", renegotiations: 3},
	}, {
		name:       "renegotiation by the server",
		servers:    []string{ours, "openssl", "gnutls", "mbedtls"},
		clients:    []string{ours, "openssl", "gnutls", "mbedtls"},
		serverArgs: "--renegotiate 3",
		serverCert: "rsa", clientCert: "p256", want: want{version: "DTLSv1.2", renegotiations: 3},
	}, {
		// Without OpenSSL: its server goes on with what it knew of the first
		// ClientHello if that of the renegotiation has no cookie, and its client
		// sends the old one, which Mbed TLS does not take.
		name:       "renegotiation after HelloVerifyRequest",
		servers:    []string{"gnutls", "mbedtls"},
		clients:    []string{ours, "gnutls"},
		serverArgs: "--cookie --renegotiate 2",
		serverCert: "p256", want: want{version: "DTLSv1.2", renegotiations: 2},
	}, {
		name:       "no choice made, DTLS 1.3",
		servers:    []string{ours, "nss"},
		clients:    []string{ours, "nss"},
		serverCert: "p256", clientCert: "rsa", want: want{version: "DTLSv1.3", group: "X25519MLKEM768"},
	}, {
		name:       "no choice made, the server has only DTLS 1.2",
		servers:    []string{"openssl", "gnutls", "mbedtls"},
		clients:    []string{ours},
		serverCert: "p256", clientCert: "p256", want: want{version: "DTLSv1.2"},
	}, {
		name:       "no choice made, the client has only DTLS 1.2",
		servers:    []string{ours},
		clients:    []string{"openssl", "gnutls", "mbedtls"},
		serverCert: "p256", clientCert: "p256", want: want{version: "DTLSv1.2"},
	}, {
		name:       "no choice made by the server, the client wants DTLS 1.2",
		servers:    []string{ours, "nss"},
		clients:    []string{ours, "nss"},
		clientArgs: "--version 1.2 --cipher TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
		serverCert: "p256", clientCert: "rsa", want: want{version: "DTLSv1.2"},
	}, {
		name:       "HelloRetryRequest",
		servers:    []string{ours, "nss"},
		clients:    []string{ours, "nss"},
		bothArgs:   "--version 1.3",
		serverArgs: "--group P-384",
		serverCert: "p256", clientCert: "rsa", want: want{version: "DTLSv1.3", group: "P-384"},
	}, {
		name:       "HelloRetryRequest with a cookie",
		servers:    []string{ours, "nss"},
		clients:    []string{ours, "nss"},
		bothArgs:   "--version 1.3",
		serverArgs: "--cookie",
		serverCert: "p256", clientCert: "rsa", want: want{version: "DTLSv1.3"},
	}, {
		name:       "HelloRetryRequest with a cookie, for another group",
		servers:    []string{ours, "nss"},
		clients:    []string{ours, "nss"},
		bothArgs:   "--version 1.3",
		serverArgs: "--cookie --group P-384",
		serverCert: "p256", want: want{version: "DTLSv1.3", group: "P-384"},
	}, {
		name:       "DTLS 1.3 PSK",
		servers:    []string{ours, "nss"},
		clients:    []string{ours, "nss"},
		bothArgs:   "--version 1.3 --cipher TLS_AES_128_GCM_SHA256 " + psk,
		serverCert: "p256", unseen: true, // NSS wants one even so
		want: want{version: "DTLSv1.3", cipher: "TLS_AES_128_GCM_SHA256"},
	}, {
		name:       "DTLS 1.3 PSK after HelloRetryRequest",
		servers:    []string{ours, "nss"},
		clients:    []string{ours, "nss"},
		bothArgs:   "--version 1.3 --cipher TLS_CHACHA20_POLY1305_SHA256 " + psk,
		serverArgs: "--group P-384 --cookie",
		serverCert: "p256", unseen: true,
		want: want{version: "DTLSv1.3", group: "P-384"},
	}, {
		name:       "DTLS 1.3 PSK with SHA-384", // dtlscore uses its keys with SHA-256
		servers:    []string{"nss"},
		clients:    []string{"nss"},
		bothArgs:   "--version 1.3 --cipher TLS_AES_256_GCM_SHA384 " + psk,
		serverCert: "p256", unseen: true,
		want: want{version: "DTLSv1.3", cipher: "TLS_AES_256_GCM_SHA384"},
	}, {
		name:       "DTLS 1.3 exporter context",
		servers:    []string{ours, "nss"},
		clients:    []string{ours, "nss"},
		bothArgs:   "--version 1.3 --export-context 00ff",
		serverCert: "p384", clientCert: "p384", want: want{version: "DTLSv1.3"},
	}, {
		name:       "DTLS 1.3 Ed25519", // NSS has none
		servers:    []string{ours},
		clients:    []string{ours},
		bothArgs:   "--version 1.3",
		serverCert: "ed25519", clientCert: "ed25519", want: want{version: "DTLSv1.3"},
	}, {
		name:       "many key updates of both sides, each asks the other for one",
		servers:    []string{ours, "nss"},
		clients:    []string{ours, "nss"},
		bothArgs:   "--version 1.3 --key-update 5 --key-update-request",
		serverCert: "p256", clientCert: "p384",
		want: want{version: "DTLSv1.3", serverUpdates: 5, clientUpdates: 5},
	},
}

func TestScenarios(t *testing.T) {
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			for _, server := range sc.servers {
				for _, client := range sc.clients {
					t.Run(fmt.Sprintf("server %s client %s", server, client),
						func(t *testing.T) { sc.play(t, server, client) })
				}
			}
		})
	}
}

// play has enough messages for what comes between two.
func (sc *scenario) play(t *testing.T, server, client string) {
	w := sc.want
	w.serverCert, w.clientCert, w.messages, w.size = sc.serverCert, sc.clientCert, 6, 300
	if sc.unseen {
		w.serverCert = ""
	}
	both := append(strings.Fields(sc.bothArgs), "--count", fmt.Sprint(w.messages), "--size",
		fmt.Sprint(w.size))
	serverArgs := slices.Concat(both, strings.Fields(sc.serverArgs))
	clientArgs := slices.Concat(both, strings.Fields(sc.clientArgs))
	if sc.serverCert != "" {
		serverArgs, clientArgs = append(serverArgs, own(t, sc.serverCert)...),
			append(clientArgs, trust(t)...)
	}
	if sc.clientCert != "" {
		serverArgs, clientArgs = append(serverArgs, "--verify"),
			append(clientArgs, own(t, sc.clientCert)...)
	}
	s, c := runPair(t, server, serverArgs, client, clientArgs)
	w.check(t, s, c)
}
