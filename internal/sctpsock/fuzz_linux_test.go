package sctpsock

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/seed-41f70523/dtls-sctp/internal/fuzzcount"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// What the kernel fills in is not trusted to be right: attack H13.

// FuzzSockaddrs reads lists of addresses that say to be longer or shorter than they are.
func FuzzSockaddrs(f *testing.F) {
	for _, a := range [][2]string{{"192.0.2.1:5868", "[2001:db8::1]:5868"},
		{"[fe80::1%lo]:1", "[::ffff:192.0.2.1]:9"}} {
		list, err := appendSockaddrs(nil, []netip.AddrPort{netip.MustParseAddrPort(a[0]),
			netip.MustParseAddrPort(a[1])})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint32(2), list)
		f.Add(uint32(1<<31), append(list, 1, 2, 3))
	}
	f.Fuzz(func(t *testing.T, n uint32, b []byte) {
		fuzzcount.Input(4 + len(b))
		list := addrList{N: n}
		copy(list.Addrs[:], b)
		addrs := parseSockaddrs(list.Addrs[:], int(list.N))
		if uint64(len(addrs)) > uint64(n) {
			t.Fatalf("%d addresses of %d", len(addrs), n)
		}
		rest := list.Addrs[:]
		for _, a := range addrs {
			family, size := unix.AF_INET, unix.SizeofSockaddrInet4
			if binary.NativeEndian.Uint16(rest) == unix.AF_INET6 {
				family, size = unix.AF_INET6, unix.SizeofSockaddrInet6
			}
			ip := rest[4:8]
			if family == unix.AF_INET6 {
				ip = rest[8:24]
				if bytes.HasPrefix(ip, []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}) {
					ip = ip[12:]
				}
			}
			zone := a.Addr().Zone() != ""
			if a.Port() != binary.BigEndian.Uint16(rest[2:]) || !bytes.Equal(a.Addr().AsSlice(), ip) ||
				zone && !a.Addr().IsLinkLocalUnicast() {
				t.Fatalf("% x read as %v", rest[:size], a)
			}
			rest = rest[size:]
		}
		again, err := appendSockaddrs(nil, addrs)
		if err != nil || !slices.Equal(parseSockaddrs(again, len(addrs)), addrs) {
			t.Fatalf("%v written as % x, %v", addrs, again, err)
		}
		var info peerAddrInfo
		copy(info.Address[:], b)
		if p := info.path(); len(addrs) > 0 && p.Addr != addrs[0].Addr() {
			t.Fatalf("path of %v to %v", p.Addr, addrs[0])
		}
	})
}

// FuzzControlMessages finds RCVINFO as the macros of cmsg(3) do.
func FuzzControlMessages(f *testing.F) {
	info := append(cmsg(solSCTP, cmsgRcvInfo, 28), 5, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 66, 1, 0, 0, 0, 2,
		0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0)
	f.Add(info)
	f.Add(append(append(cmsg(unix.SOL_SOCKET, unix.SO_TIMESTAMP, 16), make([]byte, 16)...), info...))
	f.Add(append(append(cmsg(solSCTP, cmsgRcvInfo, 3), make([]byte, 8)...), info...))
	f.Add(info[:len(info)-1])
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzcount.Input(len(b))
		var part stream.Part
		err := rcvInfoOf(slices.Clone(b), &part)
		got, tsn := part.Info, part.TSN
		var want stream.Info
		var wantTSN uint32
		wantErr := errNoRcvInfo
		for align := int(unsafe.Sizeof(uintptr(0))); len(b) >= unix.SizeofCmsghdr; {
			length := binary.NativeEndian.Uint64(append(slices.Clone(b[:unix.SizeofCmsghdr-8]), 0, 0, 0, 0))
			level, kind := binary.NativeEndian.Uint32(b[unix.SizeofCmsghdr-8:]),
				binary.NativeEndian.Uint32(b[unix.SizeofCmsghdr-4:])
			if length < unix.SizeofCmsghdr || length > uint64(len(b)) {
				break
			}
			data := b[unix.SizeofCmsghdr:length]
			if level == solSCTP && kind == cmsgRcvInfo && len(data) >= 28 {
				want = stream.Info{
					Stream:    binary.NativeEndian.Uint16(data),
					PPID:      binary.BigEndian.Uint32(data[8:]),
					Unordered: binary.NativeEndian.Uint16(data[4:])&flagUnordered != 0,
				}
				wantTSN, wantErr = binary.NativeEndian.Uint32(data[12:]), nil
				break
			}
			b = b[min((int(length)+align-1)/align*align, len(b)):]
		}
		if got != want || tsn != wantTSN || err != wantErr {
			t.Fatalf("found %+v, TSN %d, %v, not %+v, TSN %d, %v", got, tsn, err, want, wantTSN, wantErr)
		}
	})
}

// cmsg is the header of a control message.
func cmsg(level, kind int32, length int) []byte {
	h := cmsgHeader(kind, uintptr(length))
	h.Level = level
	return slices.Clone(unsafe.Slice((*byte)(unsafe.Pointer(&h)), unix.SizeofCmsghdr))
}

// FuzzRecvBatch has recvmmsg fill the slots of a batch as the input says: parts of messages and of
// notifications, empty slots, and slots without RCVINFO. What comes out is in their order, whole,
// and nothing comes after the end.
func FuzzRecvBatch(f *testing.F) {
	f.Add(uint16(4000), []byte{slotInfo | slotEnd, 10, 0, slotInfo, 255, 7, slotInfo | slotEnd, 255, 7,
		slotNote | slotEnd, 0, 0})
	f.Add(uint16(5), []byte{slotInfo | slotEnd, 10, 0, slotNote, 9, 3, slotNote | slotEnd, 2, 3,
		slotInfo | slotEnd, 0, 0, slotInfo | slotEnd, 1, 1})
	f.Add(uint16(100), []byte{slotNote | slotEnd, 0, 3, slotEnd, 3, 3})
	f.Fuzz(func(t *testing.T, room uint16, script []byte) {
		fuzzcount.Input(2 + len(script))
		b := recvBatches.New().(*recvBatch)
		var want []stream.Part // of one slot each, N with room for everything
		var data []byte
		var end error
		var model Socket // for notifications
		for ; len(script) >= 3 && b.n < recvSlots; script = script[3:] {
			flags, n := script[0], min(int(script[1])<<3, recvSlot)
			h := &b.hdrs[b.n]
			content := bytes.Repeat(script[1:3], (n+1)/2)[:n]
			h.hdr.SetControllen(0)
			if flags&slotNote != 0 {
				h.hdr.Flags |= msgNotification
				content = notifications[int(script[2])%len(notifications)].raw
			}
			if flags&slotEnd != 0 {
				h.hdr.Flags |= msgEOR
			}
			if flags&slotInfo != 0 {
				control := unsafe.Slice((*byte)(unsafe.Pointer(&b.ctls[b.n])), unsafe.Sizeof(b.ctls[b.n]))
				h.hdr.SetControllen(copy(control, append(cmsg(solSCTP, cmsgRcvInfo, 28),
					append([]byte{script[2], 0}, make([]byte, 26)...)...)))
			}
			h.n = uint32(copy(b.slots[b.n][:], content))
			b.n++
			switch {
			case end != nil:
			case len(content) == 0:
				end = model.ending(0)
			case flags&slotNote != 0:
				if event := model.notified(content, flags&slotEnd != 0); event != nil {
					want, end = append(want, stream.Part{Event: event}), model.end
				}
			case flags&slotInfo == 0:
				end = errNoRcvInfo
			default:
				data = append(data, content...)
				want = append(want, stream.Part{N: len(content), Info: stream.Info{Stream: uint16(script[2])},
					End: flags&slotEnd != 0})
			}
		}
		if b.n == 0 {
			return
		}
		s := &Socket{batch: b}
		buffer := make(sliceBuffer, int(room)+1)
		for s.batch != nil && s.end == nil {
			var part stream.Part
			ok, err := s.recvMany(buffer, &part)
			if err != nil || !ok {
				break
			}
			if len(want) == 0 || part.Event != want[0].Event || part.Info != want[0].Info ||
				part.N > want[0].N || !bytes.HasPrefix(data, buffer[:part.N]) {
				t.Fatalf("%+v came instead of %+v", part, want)
			}
			data = data[part.N:]
			if want[0].N -= part.N; want[0].N > 0 == part.End && want[0].End {
				t.Fatalf("%+v came, and %d bytes are missing", part, want[0].N)
			}
			if want[0].N == 0 {
				want = want[1:]
			}
		}
		if len(want) > 0 || !errors.Is(s.end, end) &&
			(s.end == nil || end == nil || s.end.Error() != end.Error()) {
			t.Fatalf("at the end %+v is missing; error %v instead of %v", want, s.end, end)
		}
		if _, isLost := s.end.(*stream.EndError); s.end != nil && !isLost && s.end != io.EOF &&
			s.end != errNoRcvInfo && s.end != ErrRestarted {
			t.Fatalf("an end of no known type: %v", s.end)
		}
	})
}

const (
	slotNote = 1 << iota
	slotEnd
	slotInfo
)

type sliceBuffer []byte

func (b sliceBuffer) Get() []byte { return b }
func (sliceBuffer) Put()          {}
