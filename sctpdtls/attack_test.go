package sctpdtls

import (
	"reflect"
	"strings"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// Control records travel on stream 0, ordered and reliable, from the handshake over new keys to the
// end, and from nowhere else are they taken: attack H3, RFC 6083, Section 4.4; RFC 7053.
func TestAttackH3ControlRecordsOnStream0(t *testing.T) {
	for name, connect := range map[string]func(t *testing.T) *testPair{
		"1.2": func(t *testing.T) *testPair { return renegotiating(t, assoctest.Options{}) },
		"1.3": func(t *testing.T) *testPair { return connected13(t, assoctest.Options{}, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := connect(t)
				end := reader(p.server)
				if err := (&stage{T: t}).newKeys(p.client); err != nil {
					t.Error(err)
				}
				p.close()
				<-end
				for _, a := range []*assoctest.Assoc{p.clientSCTP, p.sctp} {
					sent := a.Sent()
					for i, s := range sent {
						// the last of a flight
						want := stream.Info{SackImmediately: s.Info.SackImmediately || i == len(sent)-1}
						if s.Info != want {
							t.Errorf("%v: control record %d was sent with %+v, want %+v", a.LocalAddr(), i, s.Info, want)
						}
					}
				}
			})
		})
	}
	for name, move := range map[string]func(*stream.Info){
		"another stream": func(i *stream.Info) { i.Stream = 1 },
		"unordered":      func(i *stream.Info) { i.Unordered = true },
	} {
		for moved := range 6 {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					client := clientConfig()
					client.MaxVersion = VersionDTLS12
					p := newTestPair(t, assoctest.Options{}, client, serverConfig())
					sent := 0
					alter(p.client).send = func(_ []byte, info stream.Info) stream.Info {
						if sent++; sent == 1+moved {
							move(&info)
						}
						return info
					}
					_, serr := p.handshake()
					if e, ok := errtype.As[*AlertError](serr); !ok || !e.Local ||
						e.Alert != dtlscore.AlertUnexpectedMessage {
						t.Errorf("record %d of the client: the server: %v, want unexpected_message", moved, serr)
					}
					p.client.Close()
					p.server.Close()
				})
			})
		}
	}
}

// What comes in keys that are not confirmed yet is kept only up to a limit, and then the connection
// ends: attack E4, RFC 6083, Section 4.7.
func TestAttackE4RecordsBeforeFinished(t *testing.T) {
	bubble(t, func(t *testing.T) {
		client := clientConfig()
		client.MaxVersion = VersionDTLS12
		p := newTestPair(t, assoctest.Options{}, client, serverConfig())
		const changeCipherSpec, limit = 20, 4096
		data := []byte{23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 2, 'h', 'i'}
		alter(p.client).send = func(record []byte, info stream.Info) stream.Info {
			if record[0] == changeCipherSpec {
				for i := 0; i <= limit; i++ {
					if p.clientSCTP.Send(data, stream.Info{Stream: 1}) != nil {
						break // it has been cut off
					}
				}
			}
			return info
		}
		_, serr := p.handshake()
		if e, ok := errtype.As[*AlertError](serr); !ok || !e.Local ||
			e.Alert != dtlscore.AlertUnexpectedMessage ||
			!strings.Contains(serr.Error(), "too many records") {
			t.Errorf("the server: %v, want unexpected_message for too many records", serr)
		}
		p.client.Close()
		p.server.Close()
	})
}

// Nothing that is exported lets an application at the keys of SCTP-AUTH: RFC 6083, Section 4.8.
func TestNobodyElseTouchesAuthKeys(t *testing.T) {
	for _, v := range []any{(*Conn)(nil), (*Listener)(nil), (*Stream)(nil)} {
		typ := reflect.TypeOf(v)
		for i := range typ.NumMethod() {
			if name := typ.Method(i).Name; strings.Contains(name, "Auth") ||
				strings.HasPrefix(name, "Syscall") {
				t.Errorf("%v has a method %s", typ, name)
			}
		}
	}
}
