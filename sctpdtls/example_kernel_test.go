//go:build kernel

package sctpdtls_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// The examples, with a real kernel: those that dial talk to that which listens.
func TestKernelExamples(t *testing.T) {
	t.Chdir(t.TempDir())
	writeCertificates(t)
	go ExampleListen()
	for { // until it listens
		ports, err := os.ReadFile("/proc/net/sctp/eps")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(ports), " 5868 ") {
			break
		}
	}
	for _, tt := range []struct {
		name    string
		example func()
		want    string
	}{
		{"Dial", ExampleDial, "stream 3: ping\n"},
		{"PSK", ExamplePSK, "the client has the key of enb-17\n"},
		{"Stream", ExampleConn_Stream, "stream 1: request 1\nstream 2: request 2\nstream 3: request 3\n"},
		{"KeyLogWriter", ExampleConfig_keyLogWriter, "secrets logged: true <nil>\n"},
		{"GetCertificate", ExampleConfig_getCertificate, "certificate: CN=server\n"},
		{"KeyUpdate", ExampleConn_KeyUpdate, "epochs of keys since: 1\n"},
	} {
		if got := printed(t, tt.example); got != tt.want {
			t.Errorf("%s printed %q, want %q", tt.name, got, tt.want)
		}
	}
}

// printed returns what f prints.
func printed(t *testing.T, f func()) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = w
	f()
	os.Stdout = stdout
	w.Close()
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// writeCertificates makes the files that the examples read.
func writeCertificates(t *testing.T) {
	t.Helper()
	write := func(name, kind string, der []byte, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "authority"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &caKey.PublicKey, caKey)
	write("ca.pem", "CERTIFICATE", der, err)
	ca := template
	for name, usage := range map[string]x509.ExtKeyUsage{"server": x509.ExtKeyUsageServerAuth, "client": x509.ExtKeyUsageClientAuth} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		leaf := &x509.Certificate{
			SerialNumber: big.NewInt(2),
			Subject:      pkix.Name{CommonName: name},
			NotBefore:    ca.NotBefore,
			NotAfter:     ca.NotAfter,
			DNSNames:     []string{"localhost"},
			IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
			KeyUsage:     x509.KeyUsageDigitalSignature,
			ExtKeyUsage:  []x509.ExtKeyUsage{usage},
		}
		der, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
		write(name+".pem", "CERTIFICATE", der, err)
		der, err = x509.MarshalPKCS8PrivateKey(key)
		write(name+"-key.pem", "PRIVATE KEY", der, err)
	}
}
