package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// The file format of tcpdump and Wireshark: draft-ietf-opsawg-pcap.
const (
	pcapMicroseconds = 0xa1b2c3d4
	pcapNanoseconds  = 0xa1b23c4d
	pcapEthernet     = 1
	pcapHeaderLen    = 24
	pcapFrameLen     = 16
	maxFrameLen      = 1 << 18
)

// WritePcap writes frames as a capture file that Wireshark reads.
func WritePcap(w io.Writer, frames []Frame) error {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, pcapNanoseconds)
	b = le.AppendUint16(b, 2) // version 2.4
	b = le.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = le.AppendUint32(b, maxFrameLen)
	b = le.AppendUint32(b, pcapEthernet)
	for _, f := range frames {
		b = le.AppendUint32(b, uint32(f.Time.Unix()))
		b = le.AppendUint32(b, uint32(f.Time.Nanosecond()))
		b = le.AppendUint32(b, uint32(len(f.Data)))
		b = le.AppendUint32(b, uint32(len(f.Data)))
		b = append(b, f.Data...)
	}
	_, err := w.Write(b)
	return err
}

// ReadPcap reads a capture file of Ethernet frames, in either byte order and
// with either resolution of time.
func ReadPcap(r io.Reader) ([]Frame, error) {
	header := make([]byte, pcapHeaderLen)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, fmt.Errorf("capture file: %w", err)
	}
	var order binary.ByteOrder = binary.LittleEndian
	magic := order.Uint32(header)
	if magic != pcapMicroseconds && magic != pcapNanoseconds {
		order = binary.BigEndian
		magic = order.Uint32(header)
	}
	unit := time.Nanosecond
	switch magic {
	case pcapMicroseconds:
		unit = time.Microsecond
	case pcapNanoseconds:
	default:
		return nil, errors.New("capture file: not in the pcap format")
	}
	if link := order.Uint32(header[20:]) & 0xffff; link != pcapEthernet {
		return nil, fmt.Errorf("capture file: link type %d is not Ethernet", link)
	}
	var frames []Frame
	for {
		head := make([]byte, pcapFrameLen)
		if _, err := io.ReadFull(r, head); err == io.EOF {
			return frames, nil
		} else if err != nil {
			return nil, fmt.Errorf("capture file: %w", err)
		}
		n, whole := order.Uint32(head[8:]), order.Uint32(head[12:])
		if n != whole || n > maxFrameLen {
			return nil, fmt.Errorf("capture file: frame %d has %d bytes of %d", len(frames)+1, n, whole)
		}
		f := Frame{
			Time: time.Unix(int64(order.Uint32(head)), int64(order.Uint32(head[4:]))*int64(unit)),
			Data: make([]byte, n),
		}
		if _, err := io.ReadFull(r, f.Data); err != nil {
			return nil, fmt.Errorf("capture file: %w", err)
		}
		frames = append(frames, f)
	}
}
