package sctpdtls

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
)

// What this system lacks has a type that callers can name, and a remedy in the text.
func TestErrorsOfThisSystem(t *testing.T) {
	wrap := func(err error) error { return inner(&net.OpError{Op: "listen", Net: "sctp", Err: err}) }

	err := wrap(&AuthUnsupportedError{Err: syscall.EACCES})
	auth, ok := errtype.As[*AuthUnsupportedError](err)
	if !ok || auth.Peer || !errors.Is(err, syscall.EACCES) ||
		!strings.Contains(err.Error(), "net.sctp.auth_enable") {
		t.Errorf("without SCTP-AUTH: %v", err)
	}

	err = wrap(&NoSCTPError{Err: syscall.EPROTONOSUPPORT})
	if _, ok := errtype.As[*NoSCTPError](err); !ok || !errors.Is(err, syscall.EPROTONOSUPPORT) ||
		!strings.Contains(err.Error(), "modprobe sctp") {
		t.Errorf("without SCTP: %v", err)
	}

	other := fmt.Errorf("something else: %w", syscall.EADDRINUSE)
	if err := wrap(other); err != other {
		t.Errorf("%v became %v", other, err)
	}
}
