package sctpdtls

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// late is the association of a peer that uses a new key too late, as OpenSSL does.
type late struct {
	*memAssociation
	// after is the type of the record with which the key changes; handshake means the one after
	// ChangeCipherSpec.
	after byte
	next  uint16
	sent  byte // the type of the record before
}

func lateKeys(c *Conn, after byte) {
	l := &late{memAssociation: c.assoc.(*memAssociation), after: after}
	c.assoc, c.owner.messages = l, stream.NewReader(l)
	c.keys = newKeyring(c.authSocket())
}

func (l *late) SetActiveAuthKey(id uint16) error { l.next = id; return nil }

func (l *late) TrySend(b []byte, info stream.Info) error {
	err := l.memAssociation.TrySend(b, info)
	if before := l.sent; b[0] == l.after && (before == 20 || l.after == 20) {
		l.memAssociation.SetActiveAuthKey(l.next)
	}
	l.sent = b[0]
	return err
}

// A peer that has sent ChangeCipherSpec, or that and Finished, under the old key may have to send
// it again; so the key stays for a time. But nothing new is taken under it. Attack H4.
func TestAttackH4OldKeyOfLatePeer(t *testing.T) {
	const changeCipherSpec, handshake = 20, 22
	for _, late := range []string{"client", "server"} {
		for _, after := range []byte{changeCipherSpec, handshake} {
			if late == "server" && after == handshake {
				continue // only ChangeCipherSpec of the second tells
			}
			t.Run(fmt.Sprintf("the %s, after record type %d", late, after), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					client, server := clientConfig(), serverConfig()
					client.MaxVersion = VersionDTLS12
					p := newTestPair(t, assoctest.Options{GiveUp: time.Hour}, client, server)
					peer, end, peerSCTP, sctp := p.client, p.server, p.clientSCTP, p.sctp
					if late == "server" {
						peer, end, peerSCTP, sctp = end, peer, sctp, peerSCTP
					}
					lateKeys(peer, after)
					if cerr, serr := p.handshake(); cerr != nil || serr != nil {
						t.Fatalf("handshake: client %v, server %v", cerr, serr)
					}
					wantKeys := func(want ...uint16) {
						t.Helper()
						if keys, _, _, _ := sctp.State(); !slices.Equal(keys, want) {
							t.Errorf("keys %v, want %v", keys, want)
						}
					}
					switch {
					case late == "client" && after == changeCipherSpec:
						wantKeys(1) // Finished came under the new one
					default:
						wantKeys(0, 1)
					}
					mustWrite(t, peer, "new", MessageInfo{Stream: 1})
					wantRead(t, end, "new", 1)
					must(t, peerSCTP.SetAuthKey(0, nil), peerSCTP.SetActiveAuthKey(0))
					_, highest, err := sctp.Missing()
					must(t, err)
					mustWrite(t, peer, "forged", MessageInfo{Stream: 2})
					time.Sleep(10 * time.Millisecond)
					if _, now, err := sctp.Missing(); now != highest || err != nil {
						t.Errorf("a message was taken under key 0 (%v)", err)
					}
					must(t, peerSCTP.SetActiveAuthKey(1))
					mustWrite(t, peer, "newer", MessageInfo{Stream: 1})
					wantRead(t, end, "newer", 1)
					time.Sleep(keyGrace)
					wantKeys(1)
					p.client.Abort()
					p.server.Abort()
				})
			})
		}
	}
}
