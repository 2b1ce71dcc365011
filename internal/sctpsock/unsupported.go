//go:build !linux

package sctpsock

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// This file lets programs compile where the kernel has no SCTP that this
// package knows. They are told by the first call, so that there is never a Socket.

var errNoSCTP = &stream.NoSCTPError{Err: errors.ErrUnsupported}

// Pause waits for d.
func Pause(d time.Duration) { time.Sleep(d) }

// AfterFunc is [time.AfterFunc].
func AfterFunc(d time.Duration, f func()) (stop func()) {
	t := time.AfterFunc(d, f)
	return func() { t.Stop() }
}

// A Socket is one SCTP association.
type Socket struct{}

// A Listener accepts associations.
type Listener struct{}

// Dial fails with a [stream.NoSCTPError] on this system.
func Dial(_ context.Context, _, remote []netip.AddrPort, _ *Options) (*Socket, error) {
	return nil, &net.OpError{Op: "dial", Net: "sctp", Addr: Addr(remote), Err: errNoSCTP}
}

// Listen fails with a [stream.NoSCTPError] on this system.
func Listen(local []netip.AddrPort, _ *Options) (*Listener, error) {
	return nil, &net.OpError{Op: "listen", Net: "sctp", Addr: Addr(local), Err: errNoSCTP}
}

// Adopt fails with a [stream.NoSCTPError] on this system.
func Adopt(syscall.Conn, *Options) (*Socket, error) { return nil, errNoSCTP }

// RequestAuth fails with a [stream.NoSCTPError] on this system.
func RequestAuth(syscall.RawConn, *Options) error { return errNoSCTP }

func (*Listener) Accept() (*Socket, error)    { return nil, errNoSCTP }
func (*Listener) SetDeadline(time.Time) error { return errNoSCTP }
func (*Listener) Addrs() []netip.AddrPort     { return nil }
func (*Listener) Close() error                { return errNoSCTP }

func (*Socket) Send([]byte, stream.Info) error { return errNoSCTP }
func (*Socket) Recv(stream.Buffer, bool) (stream.Part, error) {
	return stream.Part{},
		errNoSCTP
}
func (*Socket) TrySend([]byte, stream.Info) error               { return errNoSCTP }
func (*Socket) TrySendAll([][]byte, []stream.Info) (int, error) { return 0, errNoSCTP }
func (*Socket) AskDry() error                                   { return errNoSCTP }
func (*Socket) SetReadDeadline(time.Time) error                 { return errNoSCTP }
func (*Socket) SetWriteDeadline(time.Time) error                { return errNoSCTP }
func (*Socket) Streams() (out, in uint16)                       { return 0, 0 }
func (*Socket) LocalAddrs() []netip.AddrPort                    { return nil }
func (*Socket) RemoteAddrs() []netip.AddrPort                   { return nil }
func (*Socket) SyscallConn() (syscall.RawConn, error)           { return nil, errNoSCTP }
func (*Socket) Paths() ([]stream.Path, error)                   { return nil, errNoSCTP }
func (*Socket) Stats() (stream.Stats, error) {
	return stream.Stats{},
		errNoSCTP
}
func (*Socket) SetPrimary(netip.Addr) error                       { return errNoSCTP }
func (*Socket) BindAdd(netip.Addr) error                          { return errNoSCTP }
func (*Socket) BindRemove(netip.Addr) error                       { return errNoSCTP }
func (*Socket) SetStreamPriority(_, _ uint16) error               { return errNoSCTP }
func (*Socket) SetAuthKey(uint16, []byte) error                   { return errNoSCTP }
func (*Socket) SetActiveAuthKey(uint16) error                     { return errNoSCTP }
func (*Socket) DeleteAuthKey(uint16) error                        { return errNoSCTP }
func (*Socket) GiveBack() error                                   { return errNoSCTP }
func (*Socket) TakeRepeated(uint16, uint32) error                 { return errNoSCTP }
func (*Socket) TakeAll() error                                    { return errNoSCTP }
func (*Socket) Renew() error                                      { return errNoSCTP }
func (*Socket) Shutdown() error                                   { return errNoSCTP }
func (*Socket) Abort() error                                      { return errNoSCTP }
func (*Socket) Close() error                                      { return errNoSCTP }
func (*Socket) Missing() (missing int, highest uint32, err error) { return 0, 0, errNoSCTP }
func (*Socket) AuthAgreement() (a authchunk.Agreement, err error) { return a, errNoSCTP }
func (*Socket) Handshaking(bool) error                            { return errNoSCTP }
func (*Socket) Settled() error                                    { return errNoSCTP }
func (*Socket) Pause(d time.Duration)                             { Pause(d) }
