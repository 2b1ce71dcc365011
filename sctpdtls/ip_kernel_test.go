//go:build kernel

package sctpdtls

import (
	"errors"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
)

// TestKernelRawIP: where the kernel's SCTP is loaded, SCTP of this process straight over IP is
// refused.
func TestKernelRawIP(t *testing.T) {
	for _, network := range []string{"sctp+ip", "sctp4+ip", "sctp6+ip"} {
		_, lerr := Listen(network, ":5868", serverConfig())
		address := "127.0.0.1:5868"
		if network == "sctp6+ip" {
			address = "[::1]:5868"
		}
		_, derr := Dial(network, address, clientConfig())
		for _, err := range []error{lerr, derr} {
			if _, ok := errtype.As[*RawIPError](err); !ok || !errors.Is(err, ErrKernelSCTP) {
				t.Errorf("%s: %v", network, err)
			}
		}
	}
}
