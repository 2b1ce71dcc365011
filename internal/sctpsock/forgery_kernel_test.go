//go:build kernel && linux

package sctpsock

import (
	"encoding/binary"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

// authChunk is an AUTH chunk with a wrong HMAC. RFC 4895, Section 4.1.
func authChunk(key, hmac uint16) []byte {
	v := binary.BigEndian.AppendUint16(nil, key)
	v = binary.BigEndian.AppendUint16(v, hmac)
	size := map[uint16]int{1: 20, 3: 32}[hmac]
	return chunk(nil, chunkAuth, 0, append(v, make([]byte, size)...))
}

// TestAttackH5UnauthenticatedChunk puts chunks into a live association, with
// everything right but their authentication.
func TestAttackH5UnauthenticatedChunk(t *testing.T) {
	const sha1, sha256 = 1, 3
	tests := []struct {
		name    string
		forge   func(tsn uint32) []byte
		plain   bool // without SCTP-AUTH: shows that the forgery is a good one
		forgery bool // is delivered
	}{
		{"control", func(tsn uint32) []byte { return dataChunk(tsn, "forged") }, true, true},
		{"no AUTH", func(tsn uint32) []byte { return dataChunk(tsn, "forged") }, false, false},
		{"wrong HMAC", func(tsn uint32) []byte {
			return append(authChunk(1, sha256), dataChunk(tsn, "forged")...)
		}, false, false},
		{"other HMAC", func(tsn uint32) []byte {
			return append(authChunk(1, sha1), dataChunk(tsn, "forged")...)
		}, false, false},
		{"deleted key", func(tsn uint32) []byte {
			return append(authChunk(0, sha256), dataChunk(tsn, "forged")...)
		}, false, false},
		{"unknown key", func(tsn uint32) []byte {
			return append(authChunk(9, sha256), dataChunk(tsn, "forged")...)
		}, false, false},
		{"AUTH last", func(tsn uint32) []byte {
			return append(dataChunk(tsn, "forged"), authChunk(1, sha256)...)
		}, false, false},
		{"FORWARD TSN", func(tsn uint32) []byte { // skips the next message
			return chunk(nil, chunkForwardTSN, 0, binary.BigEndian.AppendUint32(nil, tsn))
		}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c, s *Socket
			if tt.plain {
				c, s = pair(t, nil, nil)
			} else {
				c, s = protectedPair(t)
			}
			m := newImpostor(t, c, s)
			send(t, c, "overheard", stream.Info{})
			wantMessage(t, s, "overheard")
			m.send(tt.forge(m.overhear() + 1))
			if tt.forgery {
				wantMessage(t, s, "forged")
				return
			}
			// The true one of that number comes through.
			send(t, c, "true", stream.Info{Stream: 1})
			wantMessage(t, s, "true")
			wantNothing(t, s)
		})
	}
}
