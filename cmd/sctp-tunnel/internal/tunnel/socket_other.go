//go:build !linux

package tunnel

import (
	"errors"
	"net/netip"
	"syscall"

	"github.com/seed-41f70523/dtls-sctp/internal/sctpsock"
)

// Package sctpsock supports no other system, so there is never a socket.

func acknowledgeAtOnce(*sctpsock.Socket) {}

func abortOnClose(syscall.RawConn, bool) error { return errors.ErrUnsupported }

func bindAnywhere(syscall.RawConn) error { return errors.ErrUnsupported }

func originalDestination(*sctpsock.Socket) (netip.AddrPort, error) {
	return netip.AddrPort{}, errors.ErrUnsupported
}
