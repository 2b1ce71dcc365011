package sctpsock

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/seed-41f70523/dtls-sctp/stream"
	"golang.org/x/sys/unix"
)

// A Socket is one SCTP association. Recv must not be called concurrently with
// itself; everything else may be called by any goroutine at any time.
type Socket struct {
	f  *os.File
	rc syscall.RawConn // of f

	outStreams, inStreams uint16
	local, remote         []netip.AddrPort // as they were at first

	partial       bool // messages may be given up (RFC 3758)
	nagle         bool // is on all the time
	adopted       bool
	blocking      bool // was, before it was adopted
	keepRestarted bool // Options.KeepRestarted
	restarted     atomic.Bool
	taken         takenError

	// The following belong to Recv.
	note  []byte           // the notification that is being read in parts, or nil
	empty bool             // there was nothing in the last batch
	busy  bool             // there was something to read without waiting, and may be more
	call  *recvCall        // made by the first Recv
	batch *recvBatch       // what was read of it, or nil
	lost  *stream.EndError // after AssocAborted or AssocLost; the error follows
	down  bool             // the association has ended
	end   error            // what every further Recv returns

	firstTSN uint32 // of the first message
	received bool   // there was one

	dry    dryWait
	filter packetFilter
	tuning tuning
}

// newFile makes a non-blocking socket known to the runtime's poller. It owns fd.
func newFile(fd int) (*os.File, syscall.RawConn, error) {
	f := os.NewFile(uintptr(fd), "sctp")
	rc, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, rc, nil
}

// start learns what has been agreed on with the peer.
func (s *Socket) start() error {
	st, err := s.status()
	if err != nil {
		return err
	}
	s.outStreams, s.inStreams = st.OutStreams, st.InStreams
	if s.partial, err = s.PartialReliability(); err != nil {
		return err
	}
	s.local, s.remote = s.LocalAddrs(), s.RemoteAddrs()
	return nil
}

// Renew learns again what has been agreed on with the peer, after a restart that is no end (see
// [Options.KeepRestarted]). Nothing else may be called meanwhile.
func (s *Socket) Renew() error { return s.start() }

// control runs f on the descriptor, which stays open meanwhile.
func (s *Socket) control(f func(fd int) error) error { return control(s.rc, f) }

func control(rc syscall.RawConn, f func(fd int) error) (err error) {
	if cerr := rc.Control(func(fd uintptr) { err = f(int(fd)) }); cerr != nil {
		return pollError(cerr)
	}
	return err
}

// pollError tells the two reasons apart for which the poller gives up.
func pollError(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return os.ErrDeadlineExceeded
	}
	return net.ErrClosed
}

// Send hands one message to the kernel, whole or not at all. It waits for buffer
// space until the write deadline. It keeps no reference to b.
//
// Errors are [ErrEmptyMessage], [ErrRestarted], a [stream.EndError] after the end of the
// association, os.ErrDeadlineExceeded and net.ErrClosed.
func (s *Socket) Send(b []byte, info stream.Info) error { return s.send(b, info, true) }

// TrySend is Send that returns [stream.ErrWouldBlock] at once when there is no buffer
// space, whatever the write deadline.
func (s *Socket) TrySend(b []byte, info stream.Info) error { return s.send(b, info, false) }

func (s *Socket) send(b []byte, info stream.Info, wait bool) error {
	if len(b) == 0 {
		return ErrEmptyMessage
	}
	if s.restarted.Load() {
		return ErrRestarted
	}
	c := s.newSendCall(b, &info)
	// The kernel may also say EAGAIN, and yet be writable, if SCTP's memory is
	// used up (sysctl net.sctp.sctp_mem). That is never so with an empty send buffer,
	// and the acknowledgement of what is in it wakes the poller.
	var err error
	if wait {
		err = s.rc.Write(c.try)
	} else {
		err = s.rc.Control(c.once)
	}
	errno := c.errno
	c.release()
	if err != nil {
		return pollError(err)
	}
	return s.sendError(errno, len(b), info.Stream)
}

// MaxMessage implements [stream.MessageLimiter]: a message fits into the send buffer, or is
// refused.
func (s *Socket) MaxMessage() (size int, err error) {
	err = s.control(func(fd int) (err error) {
		size, err = getInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
		return err
	})
	return size, err
}

// sendError is what errno means of a message with size bytes that was sent on stream to.
func (s *Socket) sendError(errno syscall.Errno, size int, to uint16) error {
	switch errno {
	case 0:
		return nil
	case unix.EAGAIN:
		return stream.ErrWouldBlock
	case unix.EMSGSIZE:
		return tooLarge(size)
	case unix.ECONNRESET, unix.ETIMEDOUT:
		s.taken.set(errno)
		return &stream.EndError{Err: errno}
	case unix.EPIPE, unix.ENOTCONN, unix.ESHUTDOWN:
		return &stream.EndError{Err: errno}
	case unix.EINVAL:
		if to >= s.outStreams {
			return noStream(to, s.outStreams)
		}
	}
	return os.NewSyscallError("sendmsg", errno)
}

// Recv reads the next part of a message, or event, into b, which it may
// overwrite in either case. It waits until there is one, the read deadline passes
// or the socket is closed; with wait false it returns [stream.ErrWouldBlock] at once when
// there is none.
//
// Between the parts of a message there is nothing else, except [stream.PartialDeliveryAborted],
// after which that message is over. A buffer of 18445 bytes takes a DTLS record in one part unless
// the receive buffer is full.
//
// At the end it returns io.EOF, or a [stream.EndError] if the association
// was not shut down, then and ever after.
func (s *Socket) Recv(b stream.Buffer, wait bool) (stream.Part, error) {
	c := s.call
	if c == nil {
		c = newRecvCall()
		s.call = c
	}
	// Who has waited for a message will wait for the next one, as where requests and answers take
	// turns.
	c.buffer, c.vain, c.waited = b, wait && c.waited, false
	var p stream.Part
	err := s.recv(c, wait, &p)
	c.b, c.buffer, c.iov.Base = nil, nil, nil
	if err == nil && p.Event == nil && !s.received {
		s.firstTSN, s.received = p.TSN, true
	}
	return p, err
}

// recv is Recv into part, which is empty.
func (s *Socket) recv(c *recvCall, wait bool, part *stream.Part) error {
	for s.end == nil {
		if s.dry.now.Load() {
			s.dry.now.Store(false)
			part.Event = stream.Dry{}
			return nil
		}
		if s.batch != nil || s.busy {
			ok, err := s.recvMany(c.buffer, part)
			if ok || err != nil {
				return err
			}
			if s.empty && !wait && !s.down {
				return stream.ErrWouldBlock
			}
		}
		// After the end there may be a last error, or nothing at all forever.
		var err error
		if wait && !s.down {
			err = s.rc.Read(c.try)
		} else {
			err = s.rc.Control(c.once)
		}
		s.busy = err == nil && c.errno == 0 && !c.waited && c.n <= recvSlot
		switch {
		case err != nil:
			return pollError(err)
		case c.errno == unix.EAGAIN && !s.down:
			return stream.ErrWouldBlock
		case c.errno != 0 || c.n == 0:
			s.end = s.ending(c.errno)
		case c.hdr.Flags&msgNotification != 0:
			part.Event = s.notified(c.b[:c.n], c.hdr.Flags&msgEOR != 0)
			if part.Event != nil {
				return nil
			}
		default:
			part.N, part.End = c.n, c.hdr.Flags&msgEOR != 0
			s.end = c.info(part)
			return s.end
		}
	}
	return s.end
}

// ending is the error for the end that recvmsg reports by errno, or by
// EAGAIN or a length of 0 if errno is none.
func (s *Socket) ending(errno syscall.Errno) error {
	switch {
	case errno != 0 && errno != unix.EAGAIN:
		err := &stream.EndError{Err: errno}
		if s.lost != nil {
			err.Cause = s.lost.Cause
		}
		return err
	case s.lost != nil:
		if taken := s.taken.wait(); taken != 0 {
			s.lost.Err = taken
		}
		return s.lost
	}
	return io.EOF
}

// notified takes the next piece of a notification, and returns the event when it is
// complete and concerns the caller of Recv.
func (s *Socket) notified(b []byte, complete bool) stream.Event {
	if s.note != nil || !complete {
		s.note = append(s.note, b[:min(len(b), maxNotification-len(s.note))]...)
		if !complete {
			return nil
		}
		b, s.note = s.note, nil
	}
	event := parseNotification(b)
	switch e := event.(type) {
	case stream.Dry:
		if !s.dryNow() {
			return nil
		}
	case stream.AssocChange:
		switch e.State {
		case stream.AssocShutdown:
			s.down = true
		case stream.AssocAborted, stream.AssocLost:
			s.down = true
			s.lost = &stream.EndError{Cause: e.Cause, Err: unix.ECONNRESET}
		case stream.AssocRestarted:
			if s.keepRestarted {
				break
			}
			s.restarted.Store(true)
			s.end = ErrRestarted
		}
	}
	return event
}

// SetReadDeadline sets the time after which Recv fails with
// os.ErrDeadlineExceeded instead of waiting; the zero value is never.
func (s *Socket) SetReadDeadline(t time.Time) error { return s.f.SetReadDeadline(t) }

// SetWriteDeadline is the same for Send.
func (s *Socket) SetWriteDeadline(t time.Time) error { return s.f.SetWriteDeadline(t) }

// Streams returns the number of outgoing and incoming streams that the ends have agreed on.
func (s *Socket) Streams() (out, in uint16) { return s.outStreams, s.inStreams }

// SyscallConn gives access to the descriptor, for socket options that have no method here.
func (s *Socket) SyscallConn() (syscall.RawConn, error) { return s.rc, nil }

// LocalAddrs returns the addresses of this end.
func (s *Socket) LocalAddrs() []netip.AddrPort {
	if a, err := addrs(s.rc, optGetLocalAddrs); err == nil && len(a) > 0 {
		return a
	}
	return s.local
}

// RemoteAddrs returns the addresses of the peer.
func (s *Socket) RemoteAddrs() []netip.AddrPort {
	if a, err := addrs(s.rc, optGetPeerAddrs); err == nil && len(a) > 0 {
		return a
	}
	return s.remote // the association is gone
}

func addrs(rc syscall.RawConn, opt int) ([]netip.AddrPort, error) {
	var list addrList
	err := control(rc, func(fd int) error { return getOpt(fd, solSCTP, opt, &list) })
	if err == unix.ENOMEM {
		return manyAddrs(rc, opt)
	}
	if err != nil {
		return nil, os.NewSyscallError("getsockopt", err)
	}
	return parseSockaddrs(list.Addrs[:], int(list.N)), nil
}

// manyAddrs is addrs for more addresses than a few. An INIT chunk has room for some 8000.
func manyAddrs(rc syscall.RawConn, opt int) ([]netip.AddrPort, error) {
	for size := 4 * unsafe.Sizeof(addrList{}); ; size *= 2 {
		b := make([]byte, size)
		err := control(rc, func(fd int) error { _, err := getOptBytes(fd, solSCTP, opt, b); return err })
		if err == unix.ENOMEM && size < 1<<19 {
			continue
		}
		if err != nil {
			return nil, os.NewSyscallError("getsockopt", err)
		}
		var head addrList
		at := unsafe.Offsetof(head.Addrs)
		return parseSockaddrs(b[at:], int(binary.NativeEndian.Uint32(b[unsafe.Offsetof(head.N):]))), nil
	}
}

// Shutdown sends what is queued and then ends the association in the orderly way (RFC 9260,
// Section 9.2), without waiting. What the peer has sent can still be read; Recv goes
// on to io.EOF.
func (s *Socket) Shutdown() error {
	return s.control(func(fd int) error {
		_, _, errno := unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0)
		if errno == 0 || errno == unix.ENOTCONN { // it has ended already
			return nil
		}
		return errno
	})
}

// Abort ends the association at once with an ABORT, and closes the socket.
func (s *Socket) Abort() error {
	abortOnClose(s.rc)
	return s.Close()
}

// abortOnClose makes the kernel end the association with an ABORT when the
// descriptor is closed. On one-to-one sockets there is no other way.
func abortOnClose(rc syscall.RawConn) {
	control(rc, func(fd int) error {
		return setOpt(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	})
}

// Close releases the socket and wakes every call that waits. If the association still
// exists, the kernel sends what is queued and shuts it down, or aborts it if
// something received is unread. Closing again does nothing.
func (s *Socket) Close() error { return closeFile(s.f) }

func closeFile(f *os.File) error {
	if err := f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// A dryWait guards against notifications of the past (see AskDry).
type dryWait struct {
	now atomic.Bool // AskDry is to be answered at once

	sync.Mutex // not on the data path: taken for dry notifications only
	asked      bool
}

// AskDry asks for one [stream.Dry] event, which Recv returns when the peer has
// acknowledged everything that was sent before the call. Nothing may be sent meanwhile, and no Recv
// may be waiting.
func (s *Socket) AskDry() error {
	if s.isDry() { // as a rule, where the network is faster than the program
		s.dry.now.Store(true)
		return nil
	}
	s.dry.Lock()
	defer s.dry.Unlock()
	s.dry.asked = true
	// The kernel notifies at once if nothing is outstanding by now.
	return s.Subscribe(EventSenderDry, true)
}

// dryNow reports whether a dry notification that was read answers AskDry.
//
// The kernel queues one whenever an acknowledgement leaves its send queue
// empty, window updates included, and Recv may come to it much later. So
// it is only the occasion to look whether there is anything unacknowledged in the
// send buffer now. If there is, the acknowledgement to come notifies again.
func (s *Socket) dryNow() bool {
	s.dry.Lock()
	defer s.dry.Unlock()
	if !s.dry.asked || !s.isDry() {
		return false
	}
	s.dry.asked = false
	s.Subscribe(EventSenderDry, false)
	return true
}

// isDry reports whether there is nothing in the send buffer, where everything stays until it is
// acknowledged.
func (s *Socket) isDry() bool {
	var mem [9]uint32
	err := s.control(func(fd int) error { return getOpt(fd, unix.SOL_SOCKET, unix.SO_MEMINFO, &mem) })
	return err == nil && mem[memInfoWmemQueued] == 0
}

// Subscribe switches one type of notification on or off. One that is queued
// already is delivered in either case.
func (s *Socket) Subscribe(t EventType, on bool) error {
	return s.control(func(fd int) error { return subscribe(fd, t, on) })
}

func subscribe(fd int, t EventType, on bool) error {
	e := eventSubscription{Type: uint16(t)}
	if on {
		e.On = 1
	}
	return os.NewSyscallError("setsockopt", setOpt(fd, solSCTP, optEvent, &e))
}
