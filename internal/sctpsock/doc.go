// Package sctpsock gives Go one-to-one SCTP sockets of the Linux kernel
// (RFC 6458), on the runtime's network poller: no blocked thread, deadlines,
// and Close from any goroutine.
//
// [Dial] and [Listen] establish associations. A [Socket] is one association, and implements
// stream.Association with all optional interfaces. [Options.AuthChunks] requests SCTP-AUTH (RFC
// 4895).
//
// # What this package hides of the kernel
//
//   - SCTP-AUTH is enabled for the one socket by SCTP_AUTH_SUPPORTED (Linux
//     5.4). An older kernel needs the sysctl net.sctp.auth_enable=1, set before
//     the socket is made; without either the error is an authchunk.UnsupportedError.
//   - An accepted socket forgets the AUTH settings of its listener, which
//     matters when the peer restarts the association: [Listener.Accept] makes
//     them again.
//   - Message interleaving (RFC 8260) together with SCTP-AUTH is unsafe in
//     Linux. It is never negotiated here, and a socket that has it on is refused.
//   - After the end of an association, recvmsg reports it at most once, and then
//     returns EAGAIN forever. [Socket.Recv] remembers the end.
//   - An association that was restarted by its peer is unusable from then on:
//     stream.AssocRestarted is reported once, before any data of the new one, and
//     then every call fails with [ErrRestarted].
//   - Nagle's algorithm is off, and every message states its partial
//     reliability explicitly, whatever the defaults of the socket are.
//
// Linux 4.17 is needed: since then the key of SCTP-AUTH belongs to the message.
//
// The constants of the kernel interface are in abi_linux.go. On other systems the
// package compiles, and everything fails with stream.NoSCTPError.
package sctpsock
