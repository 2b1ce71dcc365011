package dtlscore

import (
	"crypto/tls"
	"testing"
)

// The end that completes the handshake first may go on at once, and the other
// find all of that behind ChangeCipherSpec, while it drains. Requirement 1.63.
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
