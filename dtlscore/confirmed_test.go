package dtlscore

import (
	"errors"
	"testing"
)

// A client knows that the server has verified its Finished once that is acknowledged, or once the
// server sends something that it sends only afterwards. A partial acknowledgement is not enough:
// RFC 9147, Sections 7 and 7.1.
func TestConfirmed13(t *testing.T) {
	ack := func(numbers ...recordNumber) func(s *script13) {
		return func(s *script13) { s.sendRecord(contentACK, must(appendACK(nil, numbers))) }
	}
	const sent = 3 // Certificate, CertificateVerify, Finished
	inEpoch2 := func(i int) recordNumber { return recordNumber{epochHandshake, uint64(i)} }
	for _, tt := range []struct {
		name string
		send func(s *script13)
		want bool
	}{
		{"nothing", func(*script13) {}, false},
		{"ACK of all", ack(inEpoch2(0), inEpoch2(1), inEpoch2(sent-1)), true},
		{"ACK of Finished", ack(inEpoch2(sent - 1)), true},
		{"ACK of the rest", ack(inEpoch2(0), inEpoch2(1)), false},
		{"ACK of nothing", ack(), false},
		{"application data", func(s *script13) { s.sendData("x") }, true},
		{"ticket", func(s *script13) { s.send(&newSessionTicket13{lifetime: 1, ticket: []byte{1}}) },
			true},
		{"KeyUpdate", func(s *script13) { s.send(new(keyUpdate)) }, true},
		{"warning", func(s *script13) { s.sendAlert(levelWarning, AlertUserCanceled) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := testClientConfig13()
			config.Certificates = testServerConfig13(0).Certificates
			s := newScriptedServer13(t, config)
			s.completeServer(true)
			sealed := func() bool {
				_, err := s.under.conn.Seal(nil, []byte("x"))
				return err == nil
			}
			if s.under.done != 0 || sealed() {
				t.Fatal("complete before the server has said anything")
			}
			if err := s.under.conn.KeyUpdate(UpdateRequested); !errors.Is(err, ErrMisuse) {
				t.Fatalf("KeyUpdate before: %v", err)
			}
			tt.send(s)
			if got := s.under.done == 1; got != tt.want || sealed() != got {
				t.Errorf("complete: %v, want %v; sealed: %v", got, tt.want, sealed())
			}
			tt.send(s)
			if s.under.done > 1 {
				t.Errorf("it was complete %d times", s.under.done)
			}
		})
	}
}
