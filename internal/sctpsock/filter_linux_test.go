package sctpsock

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

// A filtered chunk is one of a packet for the filter, with a length of its own if that is not 0.
type filtered struct {
	typ    byte
	value  []byte
	length int
}

func data(tsn uint32) filtered {
	return filtered{typ: chunkDATA, value: binary.BigEndian.AppendUint32(nil, tsn)}
}

func auth(key uint16) filtered {
	return filtered{typ: chunkAUTH, value: []byte{byte(key >> 8), byte(key), 0, 1}}
}

func sack() filtered { return filtered{typ: 3, value: make([]byte, 13)} } // with padding

func packet(chunks ...filtered) (b []byte) {
	for _, c := range chunks {
		n := 4 + len(c.value)
		if c.length != 0 {
			n = c.length
		}
		b = binary.BigEndian.AppendUint16(append(b, c.typ, 0), uint16(n))
		b = append(append(b, c.value...), make([]byte, -len(c.value)&3)...)
	}
	return b
}

// TestFilter runs the programs in the kernel, on a socket to which packets can be sent as they are.
func TestFilter(t *testing.T) {
	const first, last, old = 1<<32 - 2, 1, 0 // four chunks
	repeated := func(adopted bool, received bool, id uint16) packetFilter {
		s := Socket{firstTSN: first, received: received, adopted: adopted}
		s.limit(id, last)
		return s.filter
	}
	taken, adopted := repeated(false, true, old), repeated(true, true, old)
	all := []filtered{auth(old), data(first), data(first + 1), data(0), data(last)}
	later := append([]filtered{auth(1)}, data(1), data(1), data(1), data(1), data(1), data(1))
	seven := []filtered{auth(old), data(1), data(1), data(1), data(1), data(1), data(1), data(1)}
	noRestart := packetFilter{refuseRestart: true}
	for _, tt := range []struct {
		name   string
		filter packetFilter
		packet []byte
		taken  bool
	}{
		{"repeated", taken, packet(auth(old), data(last)), true},
		{"all repeated", taken, packet(all...), true},
		{"behind others", taken, packet(append([]filtered{sack(), sack()}, all...)...), true},
		{"new", taken, packet(auth(old), data(last+1)), false},
		{"new behind repeated", taken, packet(auth(old), data(last), data(last+1)), false},
		{"far from last", taken, packet(auth(old), data(last+1<<31-1)), false},
		{"more than there were", taken, packet(append(all, data(last+1))...), false},
		{"no DATA", taken, packet(auth(old), sack()), false},
		{"under another key", taken, packet(auth(1), data(last+1)), true},
		{"without AUTH", taken, packet(sack()), true},
		{"AUTH too far behind", taken, packet(sack(), sack(), sack(), auth(old), data(last)), false},
		{"length beyond the end", taken, packet(filtered{typ: 3, length: 100}), true},
		{"AUTH without a key", taken, packet(filtered{typ: chunkAUTH}), false},
		// how much there was is not known
		{"of an adopted socket", adopted, packet(seven[:7]...), true},
		{"nothing received", repeated(false, false, old), packet(seven[:7]...), true},
		{"of a later key", repeated(false, true, 1), packet(later...), true},
		{"too many", adopted, packet(seven...), false},
		{"INIT", noRestart, packet(filtered{typ: chunkINIT, value: make([]byte, 16)}), false},
		{"no INIT", noRestart, packet(all...), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fds[0])
			defer unix.Close(fds[1])
			if err := tt.filter.attach(fds[1]); err != nil {
				t.Fatal(err)
			}
			if _, err := unix.Write(fds[0], tt.packet); err != nil {
				t.Fatal(err)
			}
			if n, err := unix.Read(fds[1], make([]byte, 1000)); (err == nil) != tt.taken {
				t.Errorf("%x: read %d bytes, %v; want taken %v", tt.packet, n, err, tt.taken)
			}
		})
	}
}
