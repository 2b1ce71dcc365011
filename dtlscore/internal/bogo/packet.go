package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// Opcodes of the runner's packet adaptor, before each packet or command.
const (
	opPacket        = 'P' // 32-bit big-endian length, packet
	opTimeout       = 'T' // these simulate the clock and the path MTU of UDP
	opMTU           = 'M'
	opExpectTimeout = 'E'
	opUpdateTimeout = 'U'
)

// maxPacket is beyond the largest record, and what several of them are in.
const maxPacket = 1 << 18

// A packetConn keeps packets apart on a TCP connection.
type packetConn struct{ net.Conn }

// dialRunner connects to the runner and tells it for which test.
func dialRunner(o *options) (*packetConn, error) {
	host := "127.0.0.1"
	if o.ipv6 {
		host = "::1"
	}
	c, err := net.Dial("tcp", net.JoinHostPort(host, o.port))
	if err != nil {
		return nil, err
	}
	_, err = c.Write(binary.LittleEndian.AppendUint64(nil, o.shimID))
	return &packetConn{c}, err
}

// send writes one packet.
func (c *packetConn) send(packet []byte) error {
	b := binary.BigEndian.AppendUint32([]byte{opPacket}, uint32(len(packet)))
	_, err := c.Write(append(b, packet...))
	return err
}

// receive reads one packet. At the end of the connection it fails with io.EOF.
func (c *packetConn) receive() ([]byte, error) {
	var header [5]byte
	if _, err := io.ReadFull(c, header[:1]); err != nil {
		return nil, err
	}
	switch header[0] {
	case opPacket:
	case opTimeout, opMTU, opExpectTimeout, opUpdateTimeout:
		return nil,
			unimplemented(
				fmt.Sprintf("packet command %c: nothing is retransmitted, and there is no path MTU", header[0]))
	default:
		return nil, fmt.Errorf("unknown packet command %#02x", header[0])
	}
	if _, err := io.ReadFull(c, header[1:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(header[1:])
	if n > maxPacket {
		return nil, fmt.Errorf("packet of %d bytes", n)
	}
	packet := make([]byte, n)
	_, err := io.ReadFull(c, packet)
	return packet, err
}

// closeGently says that nothing more will be sent, and takes what is under
// way, so that the runner can write and read to the end.
func (c *packetConn) closeGently() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok && tcp.CloseWrite() == nil {
		_, _ = io.Copy(io.Discard, tcp)
	}
	_ = c.Close()
}

// cutRecord splits the first record off a packet. What has no length, or one
// that is wrong, is left whole for dtlscore to judge.
func cutRecord(packet []byte) (record, rest []byte) {
	end := len(packet)
	switch {
	case end > 0 && packet[0]>>5 == 1: // 0b001CSLEE, RFC 9147, Section 4
		const id, length = 1 << 4, 1 << 2
		if packet[0]&(id|length) != length {
			return packet, nil // it ends with the packet, or is unknown
		}
		at := 2 + int(packet[0]>>3&1)
		if len(packet) >= at+2 {
			end = at + 2 + int(binary.BigEndian.Uint16(packet[at:]))
		}
	case end >= 13:
		end = 13 + int(binary.BigEndian.Uint16(packet[11:]))
	}
	if end >= len(packet) {
		return packet, nil
	}
	// The record is decrypted in place, and must not grow into the next.
	return packet[:end:end], packet[end:]
}

// errUnimplemented: a test is about something that this project does not have.
var errUnimplemented = errors.New("not implemented")

func unimplemented(what string) error { return fmt.Errorf("%w: %s", errUnimplemented, what) }
