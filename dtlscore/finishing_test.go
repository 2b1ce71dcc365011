package dtlscore

import (
	"crypto/tls"
	"testing"
)

// The end that completes the handshake first may send data immediately. The other end may read that
// after ChangeCipherSpec, while it drains. RFC 6083, Section 4.9.
func TestWhatIsSentBehindFinished(t *testing.T) {
	for _, resumed := range []bool{false, true} {
		for _, test := range []struct {
			name string
			send func(e *testEnd)
			done int
		}{
			{"close_notify", func(e *testEnd) { e.write("a"); e.conn.Close() }, 1},
			{"renegotiation", func(e *testEnd) { e.write("a"); must(0, e.conn.Renegotiate()) }, 2},
		} {
			client, server := resumingConfigs(tls.RequireAndVerifyClientCert)
			client.Renegotiation, server.Renegotiation = RenegotiateFreely, RenegotiateFreely
			if resumed {
				newTestPair(t, client, server).handshake()
			}
			p := newTestPair(t, client, server)
			first, second := p.server, p.client
			if resumed {
				first, second = second, first
			}
			p.start()
			for first.done == 0 && first.err == nil && second.err == nil {
				first.receiveNext()
				if first.done == 0 {
					second.receiveNext()
				}
			}
			test.send(first)
			first.obey()
			p.run()
			closed := test.done == 1
			for _, e := range []*testEnd{first, second} {
				if e.err != nil || e.done != test.done || e.closed != closed {
					t.Errorf("%s, %s: %v, %d handshakes\n%q", test.name, e.name, e.err, e.done, e.story)
				}
			}
			if len(second.data) != 1 || string(second.data[0]) != "a" {
				t.Errorf("%s, %s: data %q", test.name, second.name, second.data)
			}
		}
	}
}

// If a peer changes its keys before its data has arrived, no data is lost: records of both epochs
// are accepted until the handshake is complete. RFC 6347, Section 4.1.
func TestDataOfTheEpochBefore(t *testing.T) {
	client, server := testClientConfig(), testServerConfig(tls.RequireAndVerifyClientCert)
	client.Renegotiation, server.Renegotiation = RenegotiateFreely, RenegotiateFreely
	p := newTestPair(t, client, server)
	p.handshake()
	late := must(p.client.conn.Seal(nil, []byte("late")))
	tooLate := must(p.client.conn.Seal(nil, []byte("too late")))
	must(0, p.client.conn.Renegotiate())
	p.client.obey()
	inbox := &p.server.inbox
	for len(*inbox) == 0 || (*inbox)[0].bytes[0] != byte(contentChangeCipherSpec) {
		if len(*inbox) > 0 {
			p.server.receiveNext()
		} else {
			p.client.receiveNext()
		}
	}
	finished := (*inbox)[1:]
	*inbox = (*inbox)[:1]
	p.server.receiveNext()
	p.server.receive(testRecord{late, false})
	if p.server.err != nil || len(p.server.data) != 1 || string(p.server.data[0]) != "late" {
		t.Fatalf("data %q, %v", p.server.data, p.server.err)
	}
	*inbox = finished
	p.run()
	if p.server.done != 2 || p.client.done != 2 {
		t.Fatalf("%v, %v", p.server.err, p.client.err)
	}
	p.server.receive(testRecord{tooLate, false})
	wantDead(t, p.server, AlertUnexpectedMessage, ErrPeerMisbehaved)
}
