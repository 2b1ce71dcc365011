package authchunk

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestDefaultChunks(t *testing.T) { // RFC 6083, Section 4.5
	want := []byte{0x00, 0xc0, 0x40, 0xc2, 0x82, 0xc1, 0x80}
	if got := DefaultChunks(); !bytes.Equal(got, want) {
		t.Errorf("default chunks %x, want %x", got, want)
	}
}

func TestAttackB8NoAuth(t *testing.T) { // RFC 6083, Section 4.5
	const (
		data, fwd, idata, ifwd = ChunkData, ChunkForwardTSN, ChunkIData, ChunkIForwardTSN
	)
	all := DefaultChunks()
	tests := []struct {
		name string
		a    Agreement
		want *UnsupportedError // nil is fit for DTLS
		text string            // part of the message
	}{
		{"both default", Agreement{Supported: true, Local: all, Peer: all, PartialReliability: true}, nil,
			""},
		{"with interleaving", Agreement{Supported: true, Local: all, Peer: all, PartialReliability: true,
			Interleaving: true}, nil, ""},
		{"least", Agreement{Supported: true, Local: []byte{data}, Peer: []byte{data}}, nil, ""},
		{"least with PR", Agreement{Supported: true, Local: []byte{fwd, data}, Peer: []byte{data, fwd},
			PartialReliability: true}, nil, ""},
		{"peer without AUTH", Agreement{Local: all, Peer: nil, PartialReliability: true},
			&UnsupportedError{Peer: true}, "net.sctp.auth_enable"},
		{"peer without AUTH, stale list", Agreement{Local: all, Peer: all},
			&UnsupportedError{Peer: true}, "net.sctp.auth_enable"},
		{"neither", Agreement{}, &UnsupportedError{Missing: []byte{data}},
			"this end does not ask for authenticated DATA"},
		{"peer with empty list", Agreement{Supported: true, Local: all},
			&UnsupportedError{Peer: true, Missing: []byte{data}},
			"peer does not ask for authenticated DATA chunks"},
		{"peer without DATA", Agreement{Supported: true, Local: all, Peer: []byte{fwd, 3, 4},
			PartialReliability: true},
			&UnsupportedError{Peer: true, Missing: []byte{data}}, "DATA"},
		{"peer without FORWARD TSN", Agreement{Supported: true, Local: all, Peer: []byte{data},
			PartialReliability: true},
			&UnsupportedError{Peer: true, Missing: []byte{fwd}}, "FORWARD TSN"},
		{"peer without I-DATA", Agreement{Supported: true, Local: all, Peer: []byte{data, fwd},
			PartialReliability: true, Interleaving: true},
			&UnsupportedError{Peer: true, Missing: []byte{idata, ifwd}}, "I-DATA, I-FORWARD TSN"},
		{"this end without DATA", Agreement{Supported: true, Local: []byte{fwd}, Peer: all,
			PartialReliability: true},
			&UnsupportedError{Missing: []byte{data}}, "this end"},
		{"this end without FORWARD TSN", Agreement{Supported: true, Local: []byte{data}, Peer: all,
			PartialReliability: true},
			&UnsupportedError{Missing: []byte{fwd}}, "this end"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.a.Check()
			if tt.want == nil {
				if err != nil {
					t.Errorf("error %v, want none", err)
				}
				return
			}
			var got *UnsupportedError
			if !errors.As(err, &got) {
				t.Fatalf("error %v, want an UnsupportedError", err)
			}
			if got.Peer != tt.want.Peer || !bytes.Equal(got.Missing, tt.want.Missing) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if !strings.Contains(err.Error(), tt.text) {
				t.Errorf("the message %q does not say %q", err, tt.text)
			}
		})
	}
}
