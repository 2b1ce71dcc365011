package dtlscore

import (
	"bytes"
	"crypto"
	"encoding/hex"
	"errors"
	"testing"
)

// The vector was posted to the mailing list of the IETF TLS working group in 2009.
func TestPRF(t *testing.T) {
	got := newPRF12(crypto.SHA256, unhex(t, "9bbe436ba940f017b17652849a71db35")).expand("test label",
		100,
		unhex(t, "a0ba9f936cda311827a6f796ffd5198c"))
	want := unhex(t,
		"e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a"+
			"6b301791e90d35c9c9a46b4e14baf9af"+
			"0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789ba"+
			"a48082d122ee42c5a72e5a5110fff70187347b66")
	if !bytes.Equal(got, want) {
		t.Errorf("%x", got)
	}
}

func TestExtendedMasterSecret(t *testing.T) {
	var file struct {
		TestGroups []struct {
			HashAlg        string
			KeyBlockLength int // bits
			Tests          []struct {
				ClientRandom, ServerRandom, PreMasterSecret, SessionHash string
				Expected                                                 struct{ MasterSecret, KeyBlock string }
			}
		}
	}
	readJSON(t, "acvp/tls12-kdf-rfc7627.json", &file)
	hashes := map[string]crypto.Hash{"SHA2-256": crypto.SHA256, "SHA2-384": crypto.SHA384,
		"SHA2-512": crypto.SHA512}
	for _, group := range file.TestGroups {
		hash := hashes[group.HashAlg]
		for _, tt := range group.Tests {
			master := extendedMasterSecret(hash, unhex(t, tt.PreMasterSecret), unhex(t, tt.SessionHash))
			if hex.EncodeToString(master) != tt.Expected.MasterSecret {
				t.Errorf("master secret %x, not %s", master, tt.Expected.MasterSecret)
			}
			block := newPRF12(hash, master).expand("key expansion", group.KeyBlockLength/8,
				unhex(t, tt.ServerRandom), unhex(t, tt.ClientRandom))
			if hex.EncodeToString(block) != tt.Expected.KeyBlock {
				t.Errorf("key block %x, not %s", block, tt.Expected.KeyBlock)
			}
			// The same block, split for cipher suites with both sizes of the fixed IV.
			cr, sr := [randomLen]byte(unhex(t, tt.ClientRandom)), [randomLen]byte(unhex(t, tt.ServerRandom))
			for _, kind := range aeadKinds {
				b := newKeyBlock(&cipherSuite{aead: kind, hash: hash}, newPRF12(hash, master), &cr, &sr)
				joined := bytes.Join([][]byte{b.clientKey, b.serverKey, b.clientIV, b.serverIV}, nil)
				if !bytes.HasPrefix(block, joined) || len(b.clientKey) != kind.keyLen() ||
					len(b.serverIV) != kind.fixedIVLen() {
					t.Errorf("%+v", b)
				}
			}
		}
	}
}

func TestExporter(t *testing.T) { // RFC 6083, Section 4.8
	master := testBytes(0, masterSecretLen)
	clientRandom, serverRandom := random(0x40), random(0x80)
	const label = "EXPORTER_DTLS_OVER_SCTP"
	for _, tt := range []struct {
		name    string
		hash    crypto.Hash
		label   string
		context []byte
		want    string
	}{
		{"SHA-256", crypto.SHA256, label, nil,
			"f301cea25d8bdadb22012460dbaa6d18cf3979cf74123fc9484408e6edafda3d" +
				"f7a798950c371017f8eec86302af4c907da2b1de460bfea2d2ab229a3cb272c0"},
		{"SHA-256, old label of OpenSSL", crypto.SHA256, label + "\x00", nil,
			"94618116df02581720ff57951412b31f68da6cb4743f2ca09100fa775eb0220d" +
				"395f49f67abca7fb88e9f26157d250daf868373510496f717308db2ccee8a3dc"},
		{"SHA-256, empty context", crypto.SHA256, label, []byte{},
			"c8110c14b79dbae54b1c6c2aae54c9cfc3b54aa15a3d30fad6f846d8e3d6025d" +
				"807fc42be7eafb89614b15f3c45b18922f4f3a7a6b71173b0ee7adb22c8bec65"},
		{"SHA-384", crypto.SHA384, label, nil,
			"6abbd260ac85aad0ba198e218996e8d056bff70b4d523835dc5c2a668503e3e6" +
				"987613179dc9f677df55bcb83c16d489a529db1dd0ad10f6181780b858876de5"},
		{"SHA-384, old label of OpenSSL", crypto.SHA384, label + "\x00", nil,
			"e4aad7fea6842f47818d72f0a7102a522854848ee03f429a65afa2667462dff9" +
				"50af0e0f49423dc3f7cadb333dfe3c86904d7286c5ddd1f1e4d128e05f0e4d38"},
		{"SHA-384, empty context", crypto.SHA384, label, []byte{},
			"264f4eded9100e467c083119de51f9148ecb07ca42dce11ad48388e092fb0300" +
				"a56125096304cb2e8f29712a7a2c3962d4450cb6a2d52197558e80aaedcddb0e"},
	} {
		got, err := export12(newPRF12(tt.hash, master), &clientRandom, &serverRandom, tt.label,
			tt.context, 64)
		if err != nil || hex.EncodeToString(got) != tt.want {
			t.Errorf("%s: %x, %v", tt.name, got, err)
		}
	}
	for _, reserved := range []string{"client finished", "server finished", "master secret",
		"extended master secret", "key expansion"} {
		if got, err := export12(newPRF12(crypto.SHA256, master), &clientRandom, &serverRandom, reserved,
			nil, 64); !errors.Is(err, ErrMisuse) || got != nil {
			t.Errorf("%q: %v", reserved, err)
		}
	}
	if _, err := export12(newPRF12(crypto.SHA256, master), &clientRandom, &serverRandom, label, nil,
		-1); !errors.Is(err, ErrMisuse) {
		t.Errorf("negative length: %v", err)
	}
	if _, err := export12(newPRF12(crypto.SHA256, master), &clientRandom, &serverRandom, label,
		make([]byte, 1<<16), 64); !errors.Is(err, ErrMisuse) {
		t.Errorf("long context: %v", err)
	}
}

func TestPSKPreMaster(t *testing.T) { // RFC 4279, Section 2
	psk := []byte{1, 2, 3}
	if got := pskPreMaster(nil, psk); !bytes.Equal(got, unhex(t, "00030000000003010203")) {
		t.Errorf("plain: %x", got)
	}
	if got := pskPreMaster([]byte{9, 8}, psk); !bytes.Equal(got, unhex(t, "000209080003010203")) {
		t.Errorf("ECDHE: %x", got)
	}
}
