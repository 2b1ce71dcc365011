//go:build kernel

package interop

import (
	"testing"

	netns "github.com/seed-41f70523/dtls-sctp/netns-tests"
)

// TestOpenSSLSpeaksSCTP shows that the openssl which the other tests talk to
// works: its client and its server on two hosts.
func TestOpenSSLSpeaksSCTP(t *testing.T) {
	client, server := netns.NewPair(t)
	for _, h := range []*netns.Host{client, server} {
		h.Sysctl(t, "net.sctp.auth_enable", "1") // the switch of OpenSSL's own
	}
	dir := t.TempDir()
	server.Run(t, "sctp-echo", "certs", "-host", server.Addrs[0].String(), dir)
	s := server.Start(t, "openssl", "s_server", "-dtls1_2", "-sctp", "-accept", "4433",
		"-cert", dir+"/server.pem", "-key", dir+"/server-key.pem", "-CAfile", dir+"/ca.pem", "-Verify", "1", "-verify_return_error")
	s.WaitFor("ACCEPT")
	c := client.Start(t, "openssl", "s_client", "-dtls1_2", "-sctp", "-connect", server.Addrs[0].String()+":4433",
		"-cert", dir+"/client.pem", "-key", dir+"/client-key.pem", "-CAfile", dir+"/ca.pem", "-verify_return_error")
	c.WaitFor("Verify return code: 0 \\(ok\\)")
	c.Type("hello\n")
	s.WaitFor("(?m)^hello$")
	s.Type("to you\n")
	c.WaitFor("(?m)^to you$")
}
