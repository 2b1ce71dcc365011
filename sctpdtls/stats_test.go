package sctpdtls

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
)

func TestStats(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected(t, assoctest.Options{})
		buf := make([]byte, MaxMessageSize)
		for i := range 10 {
			if err := p.client.WriteMessage(make([]byte, 100+i),
				MessageInfo{Stream: uint16(i)}); err != nil {
				t.Fatal(err)
			}
			if _, _, err := p.server.ReadMessage(buf); err != nil {
				t.Fatal(err)
			}
		}
		sent, err := p.client.Stats()
		want(t, "Stats in memory", err, errors.ErrUnsupported)
		received, _ := p.server.Stats()
		if sent.MessagesSent != 10 || sent.BytesSent != 1045 || sent.MessagesReceived != 0 ||
			sent.BytesReceived != 0 {
			t.Errorf("the client counted %+v", sent)
		}
		if received.MessagesReceived != 10 || received.BytesReceived != 1045 ||
			received.MessagesSent != 0 {
			t.Errorf("the server counted %+v", received)
		}
		if sent.Handshakes != 1 || sent.AuthKeyID != 1 || sent.Epoch == 0 || sent.RecordsInEpoch < 10 ||
			sent.RecordsPerEpoch <= sent.RecordsInEpoch {
			t.Errorf("keys: %+v", sent)
		}
		p.close()
	})
}

// A message asks for its acknowledgement at once while about as many are sent as received, and one
// of many that go one way does not.
func TestAcknowledgementsOfOneWay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected(t, assoctest.Options{})
		handshake := len(p.clientSCTP.Sent())
		buf := make([]byte, MaxMessageSize)
		move := func(from, to *Conn, n int) {
			for range n {
				if err := from.WriteMessage([]byte("message"), MessageInfo{}); err != nil {
					t.Fatal(err)
				}
				if _, _, err := to.ReadMessage(buf); err != nil {
					t.Fatal(err)
				}
			}
		}
		move(p.client, p.server, 100)
		move(p.server, p.client, 36)
		move(p.client, p.server, 1)
		for i, s := range p.clientSCTP.Sent()[handshake:] {
			if asks := i <= 64 || i == 100; s.Info.SackImmediately != asks {
				t.Errorf("message %d: SackImmediately is %v, want %v", i, s.Info.SackImmediately, asks)
			}
		}
		p.close()
	})
}

// An answer to a message behind which the next one has arrived does not ask: that of the next one
// does. One such message excuses one answer.
func TestAcknowledgementsOfAnswers(t *testing.T) {
	for name, write := range map[string]func(*Conn) error{
		"WriteMessage": func(c *Conn) error { return c.WriteMessage([]byte("answer"), MessageInfo{}) },
		"WriteMessages": func(c *Conn) error {
			_, err := c.WriteMessages(make([]Message, 2))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p, buf := connected(t, assoctest.Options{}), make([]byte, MaxMessageSize)
				put(p.server, func(a association) *batching {
					return &batching{memAssociation: a.(*memAssociation), counted: &p.server.counted}
				})
				asks := func(more bool, want ...bool) {
					t.Helper()
					p.server.assoc.(*batching).more.Store(more)
					p.write("question")
					if _, _, err := p.server.ReadMessage(buf); err != nil {
						t.Fatal(err)
					}
					for i, want := range want {
						if err := write(p.server); err != nil {
							t.Fatal(err)
						}
						sent := p.sctp.Sent()
						if got := sent[len(sent)-1].Info.SackImmediately; got != want {
							t.Errorf("another behind: %v, answer %d: it asks: %v", more, i, got)
						}
					}
				}
				asks(false, true)
				asks(true, false, true, true)
				asks(true, false)
				asks(true)
				asks(false, true)
				p.close()
			})
		})
	}
}

func TestSCTPOptionErrors(t *testing.T) {
	for _, o := range []SCTPOptions{{ReadBuffer: 100}, {WriteBuffer: 16383}, {WriteBuffer: -1}} {
		_, err := (&Config{SCTP: o}).socket()
		if e, ok := errtype.As[*OptionError](err); !ok || e.Remedy == "" {
			t.Errorf("%+v: %v", o, err)
		}
	}
	// Dial and Listen look at the options before the network.
	c := clientConfig()
	c.SCTP.ReadBuffer = 1
	if _, err := Dial("sctp", "127.0.0.1:1", c); !isOptionError(err) {
		t.Errorf("Dial: %v", err)
	}
	s := serverConfig()
	s.SCTP.ReadBuffer = 1
	if _, err := Listen("sctp", "127.0.0.1:0", s); !isOptionError(err) {
		t.Errorf("Listen: %v", err)
	}
}

// Every option reaches the socket.
func TestSCTPOptionsArePassedOn(t *testing.T) {
	elsewhere := []string{"RefuseRestart"} // set when there is an association
	for _, field := range reflect.VisibleFields(reflect.TypeFor[SCTPOptions]()) {
		if slices.Contains(elsewhere, field.Name) {
			continue
		}
		var c Config
		value := reflect.ValueOf(&c.SCTP).Elem().FieldByIndex(field.Index)
		switch value.Kind() {
		case reflect.Pointer:
			value.Set(reflect.New(field.Type.Elem()))
			value.Elem().SetInt(54321)
		case reflect.Func:
			value.Set(reflect.ValueOf(RequestAuth))
		case reflect.Bool:
			value.SetBool(true)
		default:
			value.Set(reflect.ValueOf(54321 & (1<<(field.Type.Bits()-1) - 1)).Convert(field.Type))
		}
		o, err := c.socket()
		if err != nil {
			t.Errorf("%s: %v", field.Name, err)
			continue
		}
		got := reflect.ValueOf(o).Elem().FieldByName(field.Name)
		if field.Type.Kind() == reflect.Func {
			if got.IsNil() {
				t.Errorf("%s is not passed on", field.Name)
			}
		} else if !got.Equal(value) {
			t.Errorf("%s of %v is passed on as %v", field.Name, value, got)
		}
	}
}

func isOptionError(err error) bool {
	_, ok := errtype.As[*OptionError](err)
	return ok
}
