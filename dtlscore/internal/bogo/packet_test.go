package main

import (
	"bytes"
	"errors"
	"net"
	"testing"
)

func TestCutRecord(t *testing.T) {
	old := append([]byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 7, 0, 3}, "abc"...)
	long := append([]byte{0x2e, 1, 2, 0, 3}, "abc"...)   // 16-bit number, length
	short := append([]byte{0x26, 1, 0, 3}, "abc"...)     // 8-bit number, length
	noLength := append([]byte{0x2a, 1, 2}, "abcdef"...)  // 16-bit number
	withID := append([]byte{0x3e, 1, 2, 3, 4}, "abc"...) // connection identifier of unknown length

	tests := []struct {
		name         string
		packet       []byte
		record, rest int
	}{
		{"alone", old, len(old), 0},
		{"two", append(bytes.Clone(old), old...), len(old), len(old)},
		{"unified header, 16-bit number", append(bytes.Clone(long), old...), len(long), len(old)},
		{"unified header, 8-bit number", append(bytes.Clone(short), long...), len(short), len(long)},
		{"no length", append(bytes.Clone(noLength), long...), len(noLength) + len(long), 0},
		{"connection identifier", append(bytes.Clone(withID), long...), len(withID) + len(long), 0},
		{"cut off", old[:14], 14, 0},
		{"cut off header", old[:12], 12, 0},
		{"one byte", []byte{0x2e}, 1, 0},
		{"empty", nil, 0, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			record, rest := cutRecord(test.packet)
			if len(record) != test.record || len(rest) != test.rest ||
				!bytes.Equal(append(bytes.Clone(record), rest...), test.packet) {
				t.Errorf("cut into %d and %d bytes, want %d and %d", len(record), len(rest), test.record,
					test.rest)
			}
			if test.rest > 0 && cap(record) != len(record) {
				t.Error("appending to the record would change the next one")
			}
		})
	}
}

// TestPacketCommands is about everything that is not a packet.
func TestPacketCommands(t *testing.T) {
	for _, b := range []string{"T\x00\x00\x00\x00\x00\x00\x00\x01", "M\x00\x00\x01\x00",
		"E\xff\xff\xff\xff\xff\xff\xff\xff", "U\x00\x00\x00\x01"} {
		if _, err := receiveFrom(t, b); !errors.Is(err, errUnimplemented) {
			t.Errorf("%q: %v, want that it is not implemented", b, err)
		}
	}
	for _, b := range []string{"X", "P\xff\xff\xff\xff", "P\x00\x00\x00\x02x", "P\x00"} {
		if _, err := receiveFrom(t, b); err == nil || errors.Is(err, errUnimplemented) {
			t.Errorf("%q: %v, want a failure", b, err)
		}
	}
	if packet, err := receiveFrom(t, "P\x00\x00\x00\x03abc"); err != nil || string(packet) != "abc" {
		t.Errorf("got %q, %v", packet, err)
	}
}

// receiveFrom receives one packet from a runner that sends b and stops.
func receiveFrom(t *testing.T, b string) ([]byte, error) {
	t.Helper()
	ours, theirs := net.Pipe()
	go func() {
		_, _ = theirs.Write([]byte(b))
		_ = theirs.Close()
	}()
	defer ours.Close()
	return (&packetConn{ours}).receive()
}
