package sctpsock

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// TestErrors looks at what a caller finds in each error, and whether
// a person on call finds the remedy.
func TestErrors(t *testing.T) {
	tests := []struct {
		err     error
		is      error
		says    string
		timeout bool
	}{
		{&stream.NoSCTPError{Err: syscall.EPROTONOSUPPORT}, syscall.EPROTONOSUPPORT, "modprobe sctp",
			false},
		{&authchunk.UnsupportedError{Err: syscall.EACCES}, syscall.EACCES,
			"sysctl net.sctp.auth_enable=1", false},
		{&stream.EndError{Cause: 12, Err: syscall.ECONNRESET}, syscall.ECONNRESET,
			"aborted by the peer's user", false},
		{&stream.EndError{Cause: 13, Err: syscall.ECONNRESET}, syscall.ECONNRESET, "error cause 13",
			false},
		{&stream.EndError{Err: syscall.ETIMEDOUT}, syscall.ETIMEDOUT, "timed out", false},
		{ErrRestarted, ErrRestarted, "restarted by the peer", false},
		{noStream(10, 10), syscall.EINVAL, "OutStreams", false},
		{tooLarge(1 << 20), syscall.EMSGSIZE, "WriteBuffer", false},
		{withRemedy("bindx", syscall.EADDRINUSE), syscall.EADDRINUSE, "ss --sctp", false},
		{withRemedy("bindx", syscall.EADDRNOTAVAIL), syscall.EADDRNOTAVAIL, "ip address", false},
		{withRemedy("bindx", syscall.EACCES), syscall.EACCES, "CAP_NET_BIND_SERVICE", false},
		{withRemedy("connectx", syscall.ENETUNREACH), syscall.ENETUNREACH, "ip route", false},
		{withRemedy("connectx", syscall.ECONNREFUSED), syscall.ECONNREFUSED, "nothing listens", false},
		{withRemedy("connectx", syscall.ETIMEDOUT), syscall.ETIMEDOUT, "does not answer", true},
		{withRemedy("connectx", syscall.EINVAL), syscall.EINVAL, "connectx: invalid argument", false},
		{contextError(context.DeadlineExceeded), context.DeadlineExceeded, "time", true},
		{contextError(context.DeadlineExceeded), os.ErrDeadlineExceeded, "time", true},
		{contextError(context.Canceled), context.Canceled, "canceled", false},
	}
	for _, tt := range tests {
		err := &net.OpError{Op: "dial", Net: "sctp", Err: tt.err}
		if !errors.Is(err, tt.is) {
			t.Errorf("%v is not %v", err, tt.is)
		}
		if !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%q does not say %q", err, tt.says)
		}
		if err.Timeout() != tt.timeout {
			t.Errorf("%v: Timeout is %v", err, err.Timeout())
		}
	}
}

func TestNoSCTP(t *testing.T) {
	// On a machine without SCTP in its kernel the first call says so, on others it works.
	l, err := Listen([]netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, nil)
	if err == nil {
		l.Close()
		return
	}
	var none *stream.NoSCTPError
	var op *net.OpError
	if !errors.As(err, &none) || !errors.As(err, &op) || op.Op != "listen" {
		t.Errorf("error %v, want a stream.NoSCTPError in a net.OpError", err)
	}
}
