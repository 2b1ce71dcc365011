//go:build kernel && !386

// One of the examples is with another library, which has no SCTP for 386.

package sctpdtls_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/testpki"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// The examples, with a real kernel: those that dial talk to that which listens.
func TestKernelExamples(t *testing.T) {
	t.Chdir(t.TempDir())
	writeCertificates(t)
	for _, addr := range []string{"192.0.2.1/32", "198.51.100.1/32"} {
		if out, err := exec.Command("ip", "address", "add", addr, "dev",
			"lo").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}

	t.Run("FromTLS", func(t *testing.T) { // has the port of Listen
		var client sync.WaitGroup
		client.Go(func() {
			listens(t, 5868)
			dial(t, "localhost:5868").Close()
		})
		if got := printed(t, ExampleFromTLS); got != "from CN=client\n" {
			t.Errorf("printed %q", got)
		}
		client.Wait()
	})

	go ExampleListen()
	listens(t, 5868)
	for _, tt := range []struct {
		name    string
		example func()
		want    string
	}{
		{"Dial", ExampleDial, "stream 3: ping\n"},
		{"AcceptStream", ExampleConn_AcceptStream,
			"stream 0: ping <nil>\nstream 1: ping <nil>\nstream 2: ping <nil>\n"},
		{"Trace", ExampleTrace, ""},
		{"PSK", ExamplePSK, "the client has the key of enb-17\n"},
		{"Stream", ExampleConn_Stream, "stream 1: request 1\nstream 2: request 2\nstream 3: request 3\n"},
		{"KeyLogWriter", ExampleConfig_keyLogWriter, "secrets logged: true <nil>\n"},
		{"GetCertificate", ExampleConfig_getCertificate, "certificate: CN=server\n"},
		{"KeyUpdate", ExampleConn_KeyUpdate, "epochs of keys since: 1\n"},
	} {
		got := slices.Sorted(strings.Lines(printed(t, tt.example))) // of several goroutines, perhaps
		if want := slices.Sorted(strings.Lines(tt.want)); !slices.Equal(got, want) {
			t.Errorf("%s printed %q, want %q", tt.name, got, want)
		}
	}
}

// listens waits until something listens on a port.
func listens(t *testing.T, port int) {
	for {
		ports, err := os.ReadFile("/proc/net/sctp/eps")
		if err != nil {
			t.Error(err)
			return
		}
		if strings.Contains(string(ports), fmt.Sprintf(" %d ", port)) {
			return
		}
	}
}

// dial is another end for an example that listens.
func dial(t *testing.T, addr string) *sctpdtls.Conn {
	cert, roots := credentials("client.pem", "client-key.pem")
	conn, err := sctpdtls.Dial("sctp", addr,
		&sctpdtls.Config{Certificates: []tls.Certificate{cert}, RootCAs: roots})
	if err != nil {
		panic(err) // the example waits
	}
	return conn
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
	ca := testpki.Issue(nil, nil, testpki.CA("authority"))
	testpki.WriteFiles(ca, "ca.pem", "ca-key.pem")
	for _, name := range []string{"server", "client"} {
		template := testpki.End(name, "localhost", "127.0.0.1", "::1", "192.0.2.1")
		testpki.WriteFiles(testpki.Issue(&ca, nil, template), name+".pem", name+"-key.pem")
	}
}
