package dtlscore

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

func wantHex(t *testing.T, what string, got []byte, want string) {
	t.Helper()
	if hex.EncodeToString(got) != strings.ToLower(want) {
		t.Errorf("%s is %x, not %s", what, got, want)
	}
}

// The vectors are for TLS, which has another prefix.
func TestKeySchedule(t *testing.T) { // RFC 8446, Section 4.2.11
	var file struct {
		TestGroups []struct {
			HmacAlg string
			Tests   []struct {
				PSK, DHE                                   string
				HelloClientRandom, HelloServerRandom       string
				FinishedServerRandom, FinishedClientRandom string
				Expected                                   map[string]string
			}
		}
	}
	readJSON(t, "acvp/tls13-kdf-rfc8446.json", &file)
	hashes := map[string]crypto.Hash{"SHA2-256": crypto.SHA256, "SHA2-384": crypto.SHA384}
	for _, group := range file.TestGroups {
		for _, tt := range group.Tests {
			schedule := keySchedule{hashes[group.HmacAlg], "tls13 "}
			transcript := schedule.hash.New()
			hashed := func(message string) []byte {
				transcript.Write(unhex(t, message))
				return transcript.Sum(nil)
			}
			secretOrNil := func(digits string) []byte {
				if digits == "" {
					return nil
				}
				return unhex(t, digits)
			}
			early := schedule.early(secretOrNil(tt.PSK))
			hello := hashed(tt.HelloClientRandom)
			wantHex(t, "client early traffic", early.deriveSecret("c e traffic", hello),
				tt.Expected["clientEarlyTrafficSecret"])
			wantHex(t, "early exporter", early.deriveSecret("e exp master", hello),
				tt.Expected["earlyExporterMasterSecret"])
			handshake := early.handshake(secretOrNil(tt.DHE))
			hello = hashed(tt.HelloServerRandom)
			wantHex(t, "client handshake traffic", handshake.clientTraffic(hello),
				tt.Expected["clientHandshakeTrafficSecret"])
			wantHex(t, "server handshake traffic", handshake.serverTraffic(hello),
				tt.Expected["serverHandshakeTrafficSecret"])
			master := handshake.master()
			finished := hashed(tt.FinishedServerRandom)
			wantHex(t, "client traffic", master.clientTraffic(finished),
				tt.Expected["clientApplicationTrafficSecret"])
			wantHex(t, "server traffic", master.serverTraffic(finished),
				tt.Expected["serverApplicationTrafficSecret"])
			wantHex(t, "exporter", master.exporter(finished), tt.Expected["exporterMasterSecret"])
			wantHex(t, "resumption", master.resumption(hashed(tt.FinishedClientRandom)),
				tt.Expected["resumptionMasterSecret"])
		}
	}
}

type illustratedSecret struct{ Secret, Key, IV, SN string }

// illustrated describes the Illustrated DTLS Connection, and values computed from its private keys.
type illustrated struct {
	ClientPrivateKey, ServerPrivateKey, SharedSecret string
	EarlySecret, HandshakeSecret, MasterSecret       string
	ExporterMasterSecret, ResumptionMasterSecret     string

	Exporter        string `json:"Exporter_EXPORTER_DTLS_OVER_SCTP_64"`
	ExporterOfDraft string `json:"Exporter_EXPORTER_DTLS13_OVER_SCTP_64"`

	ClientHandshakeTraffic, ServerHandshakeTraffic       illustratedSecret
	ClientApplicationTraffic0, ClientApplicationTraffic1 illustratedSecret
	ServerApplicationTraffic0, ServerApplicationTraffic1 illustratedSecret
	Records                                              []struct {
		Name, Direction, Record, Plaintext string
		Epoch, Sequence                    uint64
		ContentType                        uint8
	}
}

// F12: recompute a complete DTLS 1.3 connection from its private keys: each secret, key, record and
// Finished.
func TestIllustratedConnection(t *testing.T) {
	var file illustrated
	readJSON(t, "illustrated-dtls13/dtls13-connection.json", &file)
	schedule := newKeySchedule(crypto.SHA256)
	suite := suiteByID(TLS_AES_128_GCM_SHA256, VersionDTLS13)
	messages := newTranscript()
	messages.choose(VersionDTLS13, suite.hash)

	protections := map[string]map[uint64]*protection13{"c>s": {}, "s>c": {}}
	use := func(what, direction string, epoch uint64, secret []byte, want illustratedSecret) {
		keys := schedule.trafficKeys(suite.aead, secret)
		wantHex(t, what+" secret", secret, want.Secret)
		wantHex(t, what+" key", keys.key, want.Key)
		wantHex(t, what+" iv", keys.iv, want.IV)
		wantHex(t, what+" sn", keys.sn, want.SN)
		p, err := newProtection13(suite.aead, epoch, keys, usualForm)
		if err != nil {
			t.Fatal(err)
		}
		protections[direction][epoch] = p
	}

	early := schedule.early(nil)
	wantHex(t, "early secret", early.secret, file.EarlySecret)
	var share []byte // of the client
	var handshake handshakeSecret
	var master masterSecret
	var clientTraffic, serverTraffic []byte
	var certificate *x509.Certificate
	for _, r := range file.Records {
		record, plaintext := unhex(t, r.Record), unhex(t, r.Plaintext)
		var typ contentType
		var content []byte
		if isUnified(record[0]) {
			h, err := parseUnified(record, usualForm)
			if err != nil || uint64(h.epoch) != r.Epoch {
				t.Fatalf("%s: %+v, %v", r.Name, h, err)
			}
			p := protections[r.Direction][r.Epoch]
			var sequence uint64
			if typ, sequence, content, err = p.open(h, record); err != nil || sequence != r.Sequence {
				t.Fatalf("%s: record %d, %v", r.Name, sequence, err)
			}
			wantHex(t, r.Name+" sealed", p.seal(nil, typ, sequence, content), r.Record)
		} else {
			h, fragment, err := parseRecord(record)
			if err != nil {
				t.Fatal(err)
			}
			typ, content = h.typ, fragment
		}
		if typ != contentType(r.ContentType) || !bytes.Equal(content, plaintext) {
			t.Errorf("%s: %v, %x", r.Name, typ, content)
		}
		switch r.Name {
		case "ClientHello":
			m, err := parseMessage(typeClientHello, content[handshakeHeaderLen:], messageForm{})
			if err != nil {
				t.Fatal(err)
			}
			share = m.(*clientHello).keyShares[0].data
		case "Certificate":
			m, err := parseMessage(typeCertificate, content[handshakeHeaderLen:], form13)
			if err != nil {
				t.Fatal(err)
			}
			if certificate, err = x509.ParseCertificate(m.(*certificate13).entries[0].data); err != nil {
				t.Fatal(err)
			}
		case "CertificateVerify":
			m, err := parseMessage(typeCertificateVerify, content[handshakeHeaderLen:], form13)
			if err != nil {
				t.Fatal(err)
			}
			verify := m.(*certificateVerify)
			if err := verifySignature(certificate.PublicKey, verify.scheme, defaultSignatureAlgorithms(),
				VersionDTLS13,
				signed13(contextServerSignature, messages.sum()), verify.signature); err != nil {
				t.Error(err)
			}
		case "Finished (server)", "Finished (client)":
			secret := serverTraffic
			if r.Direction == "c>s" {
				secret = clientTraffic
			}
			wantHex(t, r.Name, schedule.finished13(secret, messages.sum()),
				hex.EncodeToString(content[handshakeHeaderLen:]))
		}
		if typ != contentHandshake {
			continue
		}
		messages.addMessages(content)
		switch r.Name {
		case "ServerHello":
			// We are the server.
			private, err := ecdh.X25519().NewPrivateKey(unhex(t, file.ServerPrivateKey))
			if err != nil {
				t.Fatal(err)
			}
			shared, err := (&ephemeralKey{group: tls.X25519, ecdh: private}).agree(share)
			if err != nil {
				t.Fatal(err)
			}
			wantHex(t, "shared secret", shared, file.SharedSecret)
			handshake = early.handshake(shared)
			wantHex(t, "handshake secret", handshake.secret, file.HandshakeSecret)
			clientTraffic, serverTraffic = handshake.clientTraffic(messages.sum()),
				handshake.serverTraffic(messages.sum())
			use("client handshake", "c>s", 2, clientTraffic, file.ClientHandshakeTraffic)
			use("server handshake", "s>c", 2, serverTraffic, file.ServerHandshakeTraffic)
		case "Finished (server)":
			wantHex(t, "hash", messages.sum(),
				"77ff5eee528abc269960b0ea316eb8578dc8325d86ec1336ffe4b2941e26d82b")
			master = handshake.master()
			wantHex(t, "master secret", master.secret, file.MasterSecret)
			wantHex(t, "exporter", master.exporter(messages.sum()), file.ExporterMasterSecret)
			client, server := master.clientTraffic(messages.sum()), master.serverTraffic(messages.sum())
			use("client update", "c>s", 4, schedule.nextTraffic(client), file.ClientApplicationTraffic1)
			use("server update", "s>c", 4, schedule.nextTraffic(server), file.ServerApplicationTraffic1)
			use("client traffic", "c>s", 3, client, file.ClientApplicationTraffic0)
			use("server traffic", "s>c", 3, server, file.ServerApplicationTraffic0)
		case "Finished (client)":
			wantHex(t, "resumption", master.resumption(messages.sum()), file.ResumptionMasterSecret)
		}
	}
}

func TestExporter13(t *testing.T) { // attack G4
	schedule := newKeySchedule(crypto.SHA256)
	secret := unhex(t, "6c9c3ccd6f1c17356c5369de372df4ccf63a9bd32aad23529302535fc84cee32")
	for label, want := range map[string]string{
		"EXPORTER_DTLS_OVER_SCTP": "a073457f4f2a47e6ab6ee1d6b590aa28c73f2d92e8b6d9bb1759012a0af9f85b" +
			"d05d73c896f52174aff473f5db8721fb1214168ad25fc97534ce92ace27c25f4",
		"EXPORTER_DTLS_OVER_SCTP\x00": "" +
			"9398042b790c366d7bd725362edf80d61e6e8d47898129a24364cf6ab60c1708" +
			"5b2e4088971ed4a3e080bfe172c8d254a2932daa37c4cb5688bff32f0b936a7e",
		"EXPORTER_DTLS13_OVER_SCTP": "d3362b22423a73350f580ff804a18e1a8061800da99b92227b150fa4890d5142" +
			"2c22218169f8acf37127b7f0bd11d4d4e964523327285be88091e3990e635263",
		"EXPORTER-DTLS-OVER-SCTP-CLIENT-WRITE": "" +
			"1bc2bb088f4db4df54d31694ee010ca31ab24804497bbcb11401f7c16c00ae2e" +
			"d2b23ce66a4fea0d0e3d8b381489889294afd55b94ac1f4b9a2f202109a93ab1",
		"EXPORTER-DTLS-OVER-SCTP-SERVER-WRITE": "" +
			"f96f18800a8206c217b6f0ccfffbd67f1eb454a955ece6bd470f154f1a340dde" +
			"71608465bcb6acf1f5bc38ce98facb8465df64b5558f1448eeafae8a67d93142",
	} {
		for _, context := range [][]byte{nil, {}} {
			got, err := schedule.export13(secret, label, context, 64)
			if err != nil {
				t.Error(err)
			}
			wantHex(t, label, got, want)
		}
	}
	other, err := schedule.export13(secret, "EXPORTER_DTLS_OVER_SCTP", []byte{1}, 64)
	if err != nil || bytes.HasPrefix(other, []byte{0xa0, 0x73}) {
		t.Errorf("a context changes nothing: %x, %v", other, err)
	}
	for _, tt := range []struct {
		label string
		n     int
	}{{strings.Repeat("l", 250), 64}, {"l", 255*32 + 1}, {"l", -1}} {
		if got, err := schedule.export13(secret, tt.label, nil, tt.n); !errors.Is(err, ErrMisuse) ||
			got != nil {
			t.Errorf("%d bytes for a label of %d: %v", tt.n, len(tt.label), err)
		}
	}
	if got, err := schedule.export13(secret, strings.Repeat("l", 249), nil, 255*32); err != nil ||
		len(got) != 255*32 {
		t.Errorf("the longest: %d bytes, %v", len(got), err)
	}
}

// F12: secrets of TLS and DTLS are different.
func TestAttackF12Prefix13(t *testing.T) {
	dtls, spaced := newKeySchedule(crypto.SHA256), keySchedule{crypto.SHA256, "dtls13 "}
	tlsSchedule := keySchedule{crypto.SHA256, "tls13 "}
	secret := testBytes(1, 32)
	for _, other := range []keySchedule{spaced, tlsSchedule} {
		if bytes.Equal(dtls.nextTraffic(secret), other.nextTraffic(secret)) {
			t.Errorf("%q and %q give the same", dtls.prefix, other.prefix)
		}
	}
}

func TestResumptionSecrets(t *testing.T) {
	schedule := newKeySchedule(crypto.SHA384)
	early := schedule.early(testBytes(1, 48))
	if bytes.Equal(early.binderKey(true), early.binderKey(false)) {
		t.Error("binder keys of external and of resumption keys are the same")
	}
	a, b := schedule.resumptionPSK(testBytes(1, 48), []byte{0}),
		schedule.resumptionPSK(testBytes(1, 48), []byte{1})
	if len(a) != 48 || bytes.Equal(a, b) {
		t.Errorf("tickets of one connection have the keys %x and %x", a, b)
	}
}
