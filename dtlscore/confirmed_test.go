package dtlscore

import (
	"slices"
	"testing"
)

// A client knows that the server has verified its Finished when that is acknowledged, or when the
// server sends what it sends only then. Half an acknowledgement is none: RFC 9147, Section 7.1. RFC
// 9147, Section 7.
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
			if s.under.conn.Confirmed() {
				t.Fatal("confirmed before the server has said anything")
			}
			tt.send(s)
			if got := s.under.conn.Confirmed(); got != tt.want {
				t.Errorf("confirmed: %v, want %v", got, tt.want)
			}
			if got := slices.Contains(s.under.story, "Confirmed"); got != tt.want {
				t.Errorf("EventConfirmed: %v, want %v", got, tt.want)
			}
			tt.send(s)
			if n := len(s.under.story) - len(slices.DeleteFunc(slices.Clone(s.under.story),
				func(e string) bool { return e == "Confirmed" })); n > 1 {
				t.Errorf("it was confirmed %d times", n)
			}
		})
	}
}
