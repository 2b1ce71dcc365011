package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Types of chunks. RFC 9260, Section 3.2, and the RFCs named.
const (
	ChunkData             = 0
	ChunkInit             = 1
	ChunkInitAck          = 2
	ChunkSack             = 3
	ChunkHeartbeat        = 4
	ChunkHeartbeatAck     = 5
	ChunkAbort            = 6
	ChunkShutdown         = 7
	ChunkShutdownAck      = 8
	ChunkError            = 9
	ChunkCookieEcho       = 10
	ChunkCookieAck        = 11
	ChunkShutdownComplete = 14
	ChunkAuth             = 15   // RFC 4895
	ChunkIData            = 0x40 // RFC 8260
	ChunkForwardTSN       = 0xc0 // RFC 3758
)

var chunkNames = map[byte]string{
	ChunkData:             "DATA",
	ChunkInit:             "INIT",
	ChunkInitAck:          "INIT-ACK",
	ChunkSack:             "SACK",
	ChunkHeartbeat:        "HEARTBEAT",
	ChunkHeartbeatAck:     "HEARTBEAT-ACK",
	ChunkAbort:            "ABORT",
	ChunkShutdown:         "SHUTDOWN",
	ChunkShutdownAck:      "SHUTDOWN-ACK",
	ChunkError:            "ERROR",
	ChunkCookieEcho:       "COOKIE-ECHO",
	ChunkCookieAck:        "COOKIE-ACK",
	ChunkShutdownComplete: "SHUTDOWN-COMPLETE",
	ChunkAuth:             "AUTH",
	ChunkIData:            "I-DATA",
	ChunkForwardTSN:       "FORWARD-TSN",
}

// A Chunk is a chunk of an SCTP packet. RFC 9260, Section 3.2.
type Chunk struct {
	Type, Flags byte
	Value       []byte // what follows the header, without padding

	offset int // of its header in the packet's body
}

const chunkHeaderLen = 4

func parseChunks(body []byte) ([]Chunk, error) {
	var chunks []Chunk
	for at := 0; at < len(body); {
		b := body[at:]
		if len(b) < chunkHeaderLen {
			return chunks, fmt.Errorf("%d bytes after the last chunk", len(b))
		}
		n := int(binary.BigEndian.Uint16(b[2:]))
		if n < chunkHeaderLen || n > len(b) {
			return chunks, fmt.Errorf("%s chunk of %d bytes, %d are left", chunkName(b[0]), n, len(b))
		}
		chunks = append(chunks, Chunk{b[0], b[1], b[chunkHeaderLen:n], at})
		at += n + -n&3
	}
	return chunks, nil
}

func chunkName(typ byte) string {
	if s, ok := chunkNames[typ]; ok {
		return s
	}
	return fmt.Sprintf("chunk-%d", typ)
}

func (c Chunk) String() string {
	switch c.Type {
	case ChunkData:
		if d, err := c.asData(); err == nil {
			return d.String()
		}
	case ChunkSack, ChunkShutdown:
		if tsn, ok := c.cumulativeTSN(); ok {
			return fmt.Sprintf("%s(%d)", chunkName(c.Type), tsn)
		}
	case ChunkAuth:
		if len(c.Value) >= 2 {
			return fmt.Sprintf("AUTH(key %d)", binary.BigEndian.Uint16(c.Value))
		}
	}
	return chunkName(c.Type)
}

// An initChunk is an INIT or INIT-ACK chunk. RFC 9260, Sections 3.3.2 and 3.3.3.
type initChunk struct {
	tag        uint32
	initialTSN uint32
	params     []byte
}

func (c Chunk) asInit() (initChunk, error) {
	if len(c.Value) < 16 {
		return initChunk{}, fmt.Errorf("%s of %d bytes", c, len(c.Value))
	}
	return initChunk{
		tag:        binary.BigEndian.Uint32(c.Value),
		initialTSN: binary.BigEndian.Uint32(c.Value[12:]),
		params:     c.Value[16:],
	}, nil
}

// A dataChunk is a DATA chunk. RFC 9260, Section 3.3.1.
type dataChunk struct {
	tsn         uint32
	stream, ssn uint16
	ppid        uint32
	payload     []byte

	begin, end, unordered, sackImmediately bool // B, E, U, I
}

var errShortData = errors.New("DATA chunk without data")

func (c Chunk) asData() (dataChunk, error) {
	if len(c.Value) <= 12 {
		return dataChunk{}, errShortData
	}
	return dataChunk{
		tsn:             binary.BigEndian.Uint32(c.Value),
		stream:          binary.BigEndian.Uint16(c.Value[4:]),
		ssn:             binary.BigEndian.Uint16(c.Value[6:]),
		ppid:            binary.BigEndian.Uint32(c.Value[8:]),
		payload:         c.Value[12:],
		end:             c.Flags&1 != 0,
		begin:           c.Flags&2 != 0,
		unordered:       c.Flags&4 != 0,
		sackImmediately: c.Flags&8 != 0,
	}, nil
}

func (d dataChunk) String() string {
	flags := ""
	for _, f := range []struct {
		set  bool
		name string
	}{{d.begin, "B"}, {d.end, "E"}, {d.unordered, "U"}, {d.sackImmediately, "I"}} {
		if f.set {
			flags += f.name
		}
	}
	return fmt.Sprintf("DATA(tsn %d, stream %d, %d bytes, %s)", d.tsn, d.stream, len(d.payload), flags)
}

// cumulativeTSN returns the first field of a SACK, SHUTDOWN or FORWARD-TSN
// chunk: everything up to it has been received, or given up.
func (c Chunk) cumulativeTSN() (uint32, bool) {
	switch c.Type {
	case ChunkSack, ChunkShutdown, ChunkForwardTSN:
		if len(c.Value) >= 4 {
			return binary.BigEndian.Uint32(c.Value), true
		}
	}
	return 0, false
}

// before reports whether TSN a comes before TSN b, in serial number
// arithmetic. RFC 9260, Section 1.6.
func before(a, b uint32) bool { return int32(a-b) < 0 }
