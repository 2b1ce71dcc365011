package sctpsock

import (
	"encoding/binary"
	"errors"
	"sync"
	"syscall"
	"unsafe"

	"github.com/seed-41f70523/dtls-sctp/stream"
	"golang.org/x/sys/unix"
)

// A sendCall is one sendmsg, a recvCall one recvmsg. Both keep what the kernel reads and writes,
// and the function that the poller calls, so that a message costs no allocation. A sendCall is
// pooled, so that an idle socket holds none; a socket has one recvCall, in which someone mostly
// waits. x/sys is not used for the calls, because it adds a byte to an empty message, and has one
// more call around RawSyscall. They never wait (see setOpt): if Go's scheduler were notified of
// them, it would hand the processor to another thread whenever the kernel takes some time over a
// message, which can cost more than the message does.
type sendCall struct {
	hdr   unix.Msghdr
	iov   unix.Iovec
	ctl   sendControl
	errno syscall.Errno
	once  func(fd uintptr)             // sends without waiting
	try   func(fd uintptr) (done bool) // the same, for who waits
}

// sendControl is the two control messages that go with a message. Each has the alignment that the
// kernel wants. The second one is for associations with partial reliability alone: for two the
// kernel allocates memory.
type sendControl struct {
	sndHdr unix.Cmsghdr
	snd    sndInfo
	prHdr  unix.Cmsghdr
	pr     prInfo
}

var sendCalls = sync.Pool{New: func() any {
	c := new(sendCall)
	c.once = func(fd uintptr) { // not a method, which would need another function around it
		for {
			_, _, c.errno = syscall.RawSyscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&c.hdr)),
				unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
			if c.errno != unix.EINTR {
				return
			}
		}
	}
	c.try = func(fd uintptr) (done bool) {
		c.once(fd)
		return c.errno != unix.EAGAIN
	}
	c.hdr.Iov = &c.iov
	c.hdr.SetIovlen(1)
	c.hdr.Control = (*byte)(unsafe.Pointer(&c.ctl))
	c.ctl.init()
	return c
}}

func (c *sendControl) init() {
	c.sndHdr = cmsgHeader(cmsgSndInfo, unsafe.Sizeof(c.snd))
	c.prHdr = cmsgHeader(cmsgPRInfo, unsafe.Sizeof(c.pr))
}

func cmsgHeader(kind int32, size uintptr) (h unix.Cmsghdr) {
	h.Level = solSCTP
	h.Type = kind
	h.SetLen(unix.CmsgLen(int(size)))
	return h
}

func (s *Socket) newSendCall(b []byte, info *stream.Info) *sendCall {
	c := sendCalls.Get().(*sendCall)
	c.iov.Base = unsafe.SliceData(b)
	c.iov.SetLen(len(b))
	c.hdr.SetControllen(c.ctl.set(info, s.partial))
	return c
}

// set sets what goes with a message, and returns its length.
func (c *sendControl) set(info *stream.Info, partial bool) (length int) {
	c.snd = sndInfo{Stream: info.Stream}
	binary.BigEndian.PutUint32(c.snd.PPID[:], info.PPID)
	if info.Unordered {
		c.snd.Flags |= flagUnordered
	}
	if info.SackImmediately {
		c.snd.Flags |= flagSACKImmediately
	}
	if !partial {
		return int(unsafe.Offsetof(c.prHdr))
	}
	// Stated for reliable messages, too: without it the socket's default
	// applies, whatever that is by now.
	c.pr = prInfo{Policy: policyNone}
	switch {
	case info.Lifetime > 0:
		c.pr = prInfo{Policy: policyTTL, Value: uint32(min(milliseconds(info.Lifetime), 1<<32-1))}
	case info.Retransmissions != 0:
		c.pr = prInfo{Policy: policyRTX, Value: uint32(min(uint64(max(info.Retransmissions, 0)),
			1<<32-1))}
	}
	return int(unsafe.Sizeof(*c))
}

func (c *sendCall) release() {
	c.iov.Base = nil
	sendCalls.Put(c)
}

type recvCall struct {
	hdr    unix.Msghdr
	iov    unix.Iovec
	ctl    [16]uint64    // room for RCVINFO and what else a socket's former owner asked for
	buffer stream.Buffer // lends b
	b      []byte
	n      int
	errno  syscall.Errno
	waited bool
	vain   bool // who waits looks in vain first, most likely
	peek   byte
	try    func(fd uintptr) (done bool) // receives, for who waits
	once   func(fd uintptr)             // the same without waiting
}

func newRecvCall() *recvCall {
	c := new(recvCall)
	c.try = func(fd uintptr) (done bool) { // likewise no method
		if c.vain {
			c.vain = false
			switch c.errno = c.look(fd); c.errno {
			case 0, unix.EINTR: // recvmsg finds out what there is
			case unix.EAGAIN:
				c.waited = true
				c.buffer.Put()
				return false
			default: // an error, which the kernel reports once
				c.n = 0
				return true
			}
		}
		c.b = c.buffer.Get()
		c.iov.Base = unsafe.SliceData(c.b)
		c.iov.SetLen(len(c.b))
		for {
			c.hdr.SetControllen(int(unsafe.Sizeof(c.ctl)))
			n, _, errno := syscall.RawSyscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&c.hdr)),
				unix.MSG_DONTWAIT)
			c.n, c.errno = int(n), errno
			if errno != unix.EINTR {
				break
			}
		}
		if c.errno != unix.EAGAIN {
			return true
		}
		c.waited = true
		c.b, c.iov.Base = nil, nil
		c.buffer.Put()
		return false
	}
	c.once = func(fd uintptr) { c.try(fd) }
	c.hdr.Iov = &c.iov
	c.hdr.SetIovlen(1)
	c.hdr.Control = (*byte)(unsafe.Pointer(&c.ctl))
	return c
}

// look looks whether there is something to read: it returns EAGAIN if not. It takes half as much as
// recvmsg to find that out, and no buffer.
func (c *recvCall) look(fd uintptr) syscall.Errno {
	_, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&c.peek)), 1,
		unix.MSG_PEEK|unix.MSG_DONTWAIT, 0, 0)
	return errno
}

var errNoRcvInfo = errors.New("sctp: the kernel delivered a message without SCTP_RCVINFO")

// info puts what goes with the message into part.
func (c *recvCall) info(part *stream.Part) error {
	return rcvInfoOf(unsafe.Slice((*byte)(unsafe.Pointer(&c.ctl)), int(c.hdr.Controllen)), part)
}

// rcvInfoOf finds the RCVINFO among control messages.
func rcvInfoOf(b []byte, part *stream.Part) error {
	for len(b) >= unix.SizeofCmsghdr {
		hdr := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		if hdr.Len < unix.SizeofCmsghdr || uint64(hdr.Len) > uint64(len(b)) {
			break
		}
		data := b[unix.CmsgLen(0):hdr.Len]
		if hdr.Level == solSCTP && hdr.Type == cmsgRcvInfo && len(data) >= int(unsafe.Sizeof(rcvInfo{})) {
			r := (*rcvInfo)(unsafe.Pointer(&data[0]))
			part.Info.Stream, part.Info.Unordered = r.Stream, r.Flags&flagUnordered != 0
			part.Info.PPID, part.TSN = binary.BigEndian.Uint32(r.PPID[:]), r.TSN
			return nil
		}
		b = b[min(unix.CmsgSpace(len(data)), len(b)):]
	}
	return errNoRcvInfo
}
