package dtlscore

import (
	"crypto/tls"
	"testing"
)

// G7: ACKs before and during the handshake have no effect, whether encrypted or not.
func TestAttackG7ACKsDuringHandshake13(t *testing.T) {
	ack := must(appendACK(nil, []recordNumber{{0, 0}, {2, 0}, {2, 1}}))
	s := newScriptedClient13(t, testServerConfig13(tls.RequireAnyClientCert))
	s.clientHello()
	plain := recordHeader{typ: contentACK, version: VersionDTLS12, sequence: 7, length: len(ack)}
	s.under.receive(testRecord{append(plain.append(nil), ack...), true})
	s.serverFlight()
	s.sendRecord(contentACK, ack)
	s.certificate()
	s.sendRecord(contentACK, ack)
	s.verify()
	s.finished()
	s.useApplication()
	s.wantComplete()
	s.sendRecord(contentACK, ack)
	s.wantAlive("an ACK afterwards")

	s = newScriptedServer13(t, testClientConfig13())
	s.readClientHello()
	s.serverHello()
	s.sendRecord(contentACK, ack)
	s.encryptedExtensions()
	s.certificate()
	s.verify()
	s.finished()
	s.wantComplete()
	s.sendRecord(contentACK, ack) // still in epoch 2
	s.wantAlive("a server that stays in epoch 2 for its ACK")
}

// RFC 9147, Section 7: the server's ACK lists each record of the flight.
func TestAttackG7ACKOfTheLastFlight13(t *testing.T) {
	s := newScriptedClient13(t, testServerConfig13(tls.RequireAnyClientCert))
	s.clientHello()
	s.serverFlight()
	s.certificate()
	s.verify()
	s.finished()
	s.wantACK(recordNumber{2, 0}, recordNumber{2, 1}, recordNumber{2, 2})
}
