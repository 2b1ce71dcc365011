package sctpsock

import (
	"sync"
	"syscall"
	"unsafe"

	"github.com/seed-41f70523/dtls-sctp/stream"
	"golang.org/x/sys/unix"
)

// A sendBatch is one sendmmsg, pooled as a sendCall is. It does not block either.
type sendBatch struct {
	hdrs     [stream.MaxBatch]mmsghdr
	iovs     [stream.MaxBatch]unix.Iovec
	ctls     [stream.MaxBatch]sendControl
	n, taken int
	bundle   bool // as many messages as fit in each packet
	errno    syscall.Errno
	once     func(fd uintptr) // b.send
}

// mmsghdr is struct mmsghdr of linux/socket.h.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

var sendBatches = sync.Pool{New: func() any {
	b := new(sendBatch)
	b.once = b.send
	for i := range b.hdrs {
		h := &b.hdrs[i].hdr
		h.Iov = &b.iovs[i]
		h.SetIovlen(1)
		h.Control = (*byte)(unsafe.Pointer(&b.ctls[i]))
		b.ctls[i].init()
	}
	return b
}}

// send sends all messages that the kernel accepts. Without Nagle's algorithm, each would be a
// packet with its own HMAC. So all but the last are sent with the algorithm, which collects them
// until a packet is full, and the last one without, which sends the rest. If the last one is not
// sent, the next acknowledgement sends the rest. (MSG_MORE is less safe: what it collects waits for
// another message, which may never come.)
func (b *sendBatch) send(fd uintptr) {
	b.taken, b.errno = 0, 0
	if b.bundle && setInt(int(fd), solSCTP, optNoDelay, 0) == nil {
		b.sendUpTo(b.n-1, fd)
		setInt(int(fd), solSCTP, optNoDelay, 1)
	}
	b.sendUpTo(b.n, fd)
}

// sendUpTo repeats sendmmsg until the kernel does not accept a message: only the next call returns
// the error.
func (b *sendBatch) sendUpTo(end int, fd uintptr) {
	for b.taken < end && b.errno == 0 {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&b.hdrs[b.taken])),
			uintptr(end-b.taken), unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			b.taken += int(n)
		case unix.EINTR:
		default:
			b.errno = errno
		}
	}
}

// TrySendAll implements [stream.BatchSender], usually with one system call.
func (s *Socket) TrySendAll(msgs [][]byte, infos []stream.Info) (n int, err error) {
	if s.restarted.Load() {
		return 0, ErrRestarted
	}
	b := sendBatches.Get().(*sendBatch)
	defer b.release()
	b.n = len(msgs)
	size := 0
	for i, m := range msgs {
		size += len(m)
		if len(m) == 0 {
			return 0, ErrEmptyMessage
		}
		b.iovs[i].Base = unsafe.SliceData(m)
		b.iovs[i].SetLen(len(m))
		b.hdrs[i].hdr.SetControllen(b.ctls[i].set(&infos[i], s.partial))
	}
	b.bundle = !s.nagle && b.n > 1 && size/b.n <= bundled
	if err := s.rc.Control(b.once); err != nil {
		return 0, pollError(err)
	}
	if b.taken == b.n {
		return b.n, nil
	}
	return b.taken, s.sendError(b.errno, len(msgs[b.taken]), infos[b.taken].Stream)
}

// bundled is the largest size of two messages that fit in a packet of 1,500 bytes.
const bundled = 680

func (b *sendBatch) release() {
	clear(b.iovs[:b.n]) // forget the messages
	sendBatches.Put(b)
}

// A recvBatch is one recvmmsg, which does not block either. It has the messages, or parts of them,
// that are available if there is more than one. It is pooled, and small: the parts of a large
// message take several slots.
type recvBatch struct {
	hdrs  [recvSlots]mmsghdr
	iovs  [recvSlots]unix.Iovec
	ctls  [recvSlots][16]uint64
	slots [recvSlots][recvSlot]byte
	n     int // slots that are filled
	next  int // slot to be read
	at    int // bytes of it that have been read
	errno syscall.Errno
	once  func(fd uintptr) // b.recv
}

const (
	recvSlots = 16
	recvSlot  = 2048 // bytes; large messages gain nothing, and are read one by one
)

var recvBatches = sync.Pool{New: func() any {
	b := new(recvBatch)
	b.once = b.recv
	for i := range b.hdrs {
		h := &b.hdrs[i].hdr
		h.Iov = &b.iovs[i]
		h.SetIovlen(1)
		h.Control = (*byte)(unsafe.Pointer(&b.ctls[i]))
		b.iovs[i].Base = &b.slots[i][0]
		b.iovs[i].SetLen(len(b.slots[i]))
	}
	return b
}}

func (b *recvBatch) recv(fd uintptr) {
	for i := range b.hdrs {
		b.hdrs[i].hdr.SetControllen(int(unsafe.Sizeof(b.ctls[i])))
	}
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.hdrs)),
			recvSlots, unix.MSG_DONTWAIT, 0, 0)
		b.n, b.errno = int(n), errno
		if errno != unix.EINTR {
			break
		}
	}
	if b.errno != 0 {
		b.n = 0
	}
	b.next, b.at = 0, 0
}

// recvMany returns the next message of the batch, and reads a batch if there is none. It does not
// wait; ok is false if no message is available.
func (s *Socket) recvMany(buffer stream.Buffer, part *stream.Part) (ok bool, err error) {
	if s.batch == nil {
		b := recvBatches.Get().(*recvBatch)
		if err := s.rc.Control(b.once); err != nil {
			recvBatches.Put(b)
			return false, pollError(err)
		}
		if b.n == 0 {
			s.busy, s.empty = false, b.errno == unix.EAGAIN
			if b.errno != unix.EAGAIN {
				// Unlike recvmsg, it reports the end of the association before data that can still be read.
				s.taken.set(b.errno)
			}
			recvBatches.Put(b)
			return false, nil
		}
		s.batch, s.empty = b, false
	}
	b := s.batch
	for b.next < b.n {
		h := &b.hdrs[b.next]
		data := b.slots[b.next][b.at:h.n]
		switch {
		case h.n == 0: // the end, and so are all that follow
			s.end = s.ending(0)
			s.endBatch()
			return false, s.end
		case h.hdr.Flags&msgNotification != 0:
			b.next++
			if part.Event = s.notified(data, h.hdr.Flags&msgEOR != 0); part.Event != nil {
				s.endBatch()
				return true, nil
			}
		default:
			control := unsafe.Slice((*byte)(unsafe.Pointer(&b.ctls[b.next])), int(h.hdr.Controllen))
			if s.end = rcvInfoOf(control, part); s.end != nil {
				return false, s.end
			}
			part.N = copy(buffer.Get(), data)
			if b.at += part.N; part.N == len(data) {
				b.next, b.at = b.next+1, 0
				part.End = h.hdr.Flags&msgEOR != 0
				part.More = part.End && b.next < b.n
				s.busy = part.End // else it is a large one
			}
			s.endBatch()
			return true, nil
		}
	}
	s.endBatch()
	return false, nil
}

// endBatch returns the batch to the pool when it has been read.
func (s *Socket) endBatch() {
	if s.batch.next >= s.batch.n || s.end != nil {
		recvBatches.Put(s.batch)
		s.batch = nil
	}
}
