//go:build !linux

package tunnel

import (
	"errors"
	"net/netip"
	"syscall"

	"github.com/seed-41f70523/dtls-sctp/internal/sctpsock"
)

// Other systems have no SCTP in their kernel that package sctpsock knows: there is never a socket.

func acknowledgeAtOnce(*sctpsock.Socket) {}

func abortOnClose(syscall.RawConn, bool) error { return errors.ErrUnsupported }

func bindAnywhere(syscall.RawConn) error { return errors.ErrUnsupported }

func originalDestination(*sctpsock.Socket) (netip.AddrPort, error) {
	return netip.AddrPort{}, errors.ErrUnsupported
}
