package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The ring that the kernel puts frames into: packet(7), TPACKET_V2. It is there
// because of its copy. Reading the socket would do with less, but gives frames
// that share their memory with the SCTP that receives them, and Linux
// zeroes the HMAC in that memory while it verifies it.
const (
	ringSlotSize = 4 << 10 // a header and a frame
	ringSlots    = 2 << 10
	ringBlock    = 64 << 10
	ringSize     = ringSlots * ringSlotSize

	etherTypeAll = 0x0003 // ETH_P_ALL
)

// A Capture collects the frames that pass a network device, in both directions,
// with the time at which the kernel saw them.
//
// Watching makes the kernel join the segments of a packet that reached a
// virtual device whole (GSO), and an AUTH chunk in it then fails. So both ends
// of the link must have been set up with
//
//	ip link set DEV gso_max_size 1500
type Capture struct {
	f    *os.File
	rc   syscall.RawConn
	ring []byte        // shared with the kernel
	slot int           // the next one to look at
	done chan struct{} // closed when collect has ended
	stop sync.Once

	mu      sync.Mutex // guards the following
	frames  []Frame
	err     error
	arrived chan struct{} // closed, and replaced, when there are more frames
}

// StartCapture begins to collect. The device is looked for in the network
// namespace of the calling thread; the capture stays there. It needs CAP_NET_RAW.
func StartCapture(device string) (*Capture, error) {
	fail := func(err error) (*Capture, error) {
		return nil, fmt.Errorf("capture on %s: %w", device, err)
	}
	ifc, err := net.InterfaceByName(device)
	if err != nil {
		return fail(err)
	}
	// Protocol 0: nothing is captured before it is bound.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fail(err)
	}
	c := &Capture{
		f:       os.NewFile(uintptr(fd), "capture on "+device),
		done:    make(chan struct{}),
		arrived: make(chan struct{}),
	}
	if c.rc, err = c.f.SyscallConn(); err == nil {
		err = c.open(fd, ifc.Index)
	}
	if err != nil {
		c.f.Close()
		return fail(err)
	}
	go c.collect()
	return c, nil
}

func (c *Capture) open(fd, device int) (err error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION,
		unix.TPACKET_V2); err != nil {
		return os.NewSyscallError("PACKET_VERSION", err)
	}
	if err := unix.SetsockoptTpacketReq(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &unix.TpacketReq{
		Block_size: ringBlock, Block_nr: ringSize / ringBlock, Frame_size: ringSlotSize,
		Frame_nr: ringSlots,
	}); err != nil {
		return os.NewSyscallError("PACKET_RX_RING", err)
	}
	if c.ring, err = unix.Mmap(fd, 0, ringSize, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_SHARED); err != nil {
		return os.NewSyscallError("mmap", err)
	}
	protocol := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, etherTypeAll))
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: device}); err != nil {
		unix.Munmap(c.ring)
		return os.NewSyscallError("bind", err)
	}
	return nil
}

// collect takes frames until the deadline that Stop sets.
func (c *Capture) collect() {
	defer close(c.done)
	for c.rc.Read(func(uintptr) bool { return c.take() > 0 }) == nil {
	}
}

// take takes the frames that are in the ring and returns how many.
func (c *Capture) take() int {
	var got []Frame
	var err error
	for err == nil {
		slot := c.ring[c.slot*ringSlotSize:][:ringSlotSize]
		header := (*unix.Tpacket2Hdr)(unsafe.Pointer(&slot[0]))
		if atomic.LoadUint32(&header.Status)&unix.TP_STATUS_USER == 0 {
			break // it is still the kernel's
		}
		if header.Snaplen != header.Len {
			err = fmt.Errorf("capture: frame of %d bytes, %d fit", header.Len, header.Snaplen)
		}
		got = append(got, Frame{
			Time: time.Unix(int64(header.Sec), int64(header.Nsec)),
			Data: append([]byte(nil), slot[header.Mac:][:header.Snaplen]...),
		})
		atomic.StoreUint32(&header.Status, unix.TP_STATUS_KERNEL)
		c.slot = (c.slot + 1) % ringSlots
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frames = append(c.frames, got...)
	c.err = errors.Join(c.err, err)
	close(c.arrived)
	c.arrived = make(chan struct{})
	return len(got)
}

// Await waits until a frame has been captured for which match returns true.
// Each frame is shown to it once, beginning with the first of the capture.
func (c *Capture) Await(ctx context.Context, match func(Frame) bool) error {
	for seen := 0; ; {
		c.mu.Lock()
		frames, arrived, err := c.frames[seen:], c.arrived, c.err
		c.mu.Unlock()
		for _, f := range frames {
			if match(f) {
				return nil
			}
		}
		seen += len(frames)
		if err != nil {
			return err
		}
		select {
		case <-arrived:
		case <-c.done:
			return errors.New("the capture was stopped")
		case <-ctx.Done():
			return fmt.Errorf("not captured: %w", ctx.Err())
		}
	}
}

// Stop ends the capture and returns what was captured until the first call. It
// is an error if frames were lost.
func (c *Capture) Stop() ([]Frame, error) {
	c.stop.Do(func() { c.err = c.close() })
	return c.frames, c.err
}

func (c *Capture) close() error {
	c.f.SetReadDeadline(time.Unix(1, 0))
	<-c.done
	c.take() // what came after the last look
	var stats *unix.TpacketStats
	var err error
	c.rc.Control(func(fd uintptr) {
		stats, err = unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS)
	})
	if stats != nil && stats.Drops > 0 {
		err = fmt.Errorf("capture: the kernel had no room for %d frames", stats.Drops)
	}
	return errors.Join(c.err, err, unix.Munmap(c.ring), c.f.Close())
}

// EndsAssociation is for [Capture.Await]: it reports whether f holds the last
// chunk of an association, SHUTDOWN-COMPLETE or ABORT.
func EndsAssociation(f Frame) bool {
	p, err := decodeFrame(0, f)
	return err == nil && p != nil && (p.has(ChunkShutdownComplete) || p.has(ChunkAbort))
}
