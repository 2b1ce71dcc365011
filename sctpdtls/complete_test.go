package sctpdtls

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
)

// ofVersion returns both ends after their handshake.
func ofVersion(t *testing.T, version uint16, o assoctest.Options,
	changes ...func(client, server *Config)) *testPair {
	t.Helper()
	return renegotiating(t, o, append(changes, func(client, server *Config) {
		client.MinVersion, client.MaxVersion, server.MaxVersion = version, version, version
	})...)
}

// wantTruncation wants err to say that messages were removed, not more than so many.
func wantTruncation(t *testing.T, err error, missing int) {
	t.Helper()
	e, ok := errtype.As[*TruncationError](err)
	if !ok || e.Missing < 1 || e.Missing > missing || !errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, io.EOF) {
		t.Errorf("the reader's error is %v, want a TruncationError for %d", err, missing)
	}
	if a, ok := errtype.As[*AlertError](err); !ok || !a.Local {
		t.Errorf("%v is no alert of this end", err)
	}
}

func wantTruncationAlert(t *testing.T, what string, err error) {
	t.Helper()
	if a, ok := errtype.As[*AlertError](err); !ok || a.Local ||
		a.Alert != dtlscore.AlertUnexpectedMessage {
		t.Errorf("%s: %v, want the peer's alert", what, err)
	}
}

// Messages are removed and acknowledged in the reader's name: nothing is said of that before the
// next record before which all had to be acknowledged, and then both ends know. Attack C6, RFC
// 6083, Section 4.9.
func TestAttackC6Removed(t *testing.T) {
	type end struct {
		name  string
		enter func(sender *Conn) error
	}
	for _, version := range []uint16{VersionDTLS12, VersionDTLS13} {
		for _, checkpoint := range []end{
			{"CloseWrite", func(c *Conn) error { c.CloseWrite(); return c.Close() }},
			{"Close", (*Conn).Close},
			{"new keys", func(c *Conn) error {
				end := reader(c)
				if err := (&stage{T: nil}).newKeys(c); err != nil {
					return err
				}
				return <-end
			}},
			{"new keys, then messages", func(c *Conn) error {
				end := reader(c)
				if err := (&stage{T: nil}).newKeys(c); err != nil {
					return err
				}
				for range 20 {
					c.WriteMessage([]byte("later"), MessageInfo{Stream: 3, Unordered: true})
				}
				return <-end
			}},
		} {
			for _, sender := range []string{"client", "server"} {
				for _, o := range []assoctest.Options{{},
					{Delay: 5 * time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.1, Seed: 7}} {
					if o.Loss > 0 && checkpoint.name == "new keys, then messages" {
						continue // which may come before the new keys, and leave it to the next checkpoint
					}
					t.Run(fmt.Sprintf("%s/%s by the %s/loss %v", VersionName(version), checkpoint.name, sender,
						o.Loss), func(t *testing.T) {
						bubble(t, func(t *testing.T) {
							p := ofVersion(t, version, o)
							from, to, sctp := p.client, p.server, p.clientSCTP
							if sender == "server" {
								from, to, sctp = p.server, p.client, p.sctp
							}
							var got []string
							end := make(chan error)
							go func() {
								buf := make([]byte, 100)
								n, _, err := to.ReadMessage(buf)
								for ; err == nil; n, _, err = to.ReadMessage(buf) {
									if s := string(buf[:n]); s != "later" {
										got = append(got, s)
									}
								}
								end <- err
							}()
							mustWrite(t, from, "one", MessageInfo{Stream: 1})
							sctp.Remove(2)
							mustWrite(t, from, "removed", MessageInfo{Stream: 2})
							mustWrite(t, from, "removed too", MessageInfo{Stream: 4, Unordered: true})
							mustWrite(t, from, "waits for it", MessageInfo{Stream: 2})
							mustWrite(t, from, "two", MessageInfo{Stream: 1})
							err := checkpoint.enter(from)
							if o.Loss == 0 { // else the alert may be lost, and ABORT overtake it
								wantTruncationAlert(t, "the sender's end", err)
							}
							wantTruncation(t, <-end, 2)
							if !slices.Equal(got, []string{"one", "two"}) {
								t.Errorf("received %q", got)
							}
							from.Close()
							to.Close()
						})
					})
				}
			}
		}
	}
}

// What is lost, late or given up is not taken for removed, at any of many checkpoints, with
// messages before and after each.
func TestNothingRemoved(t *testing.T) {
	for _, version := range []uint16{VersionDTLS12, VersionDTLS13} {
		for _, partial := range []bool{false, true} {
			for seed := range uint64(4) {
				t.Run(fmt.Sprintf("%s/partial reliability %v/%d", VersionName(version), partial, seed),
					func(t *testing.T) {
						bubble(t, func(t *testing.T) {
							o := assoctest.Options{Delay: 5 * time.Millisecond, Jitter: 30 * time.Millisecond,
								Loss: 0.15,
								Seed: seed, RTO: 100 * time.Millisecond}
							p := ofVersion(t, version, o, func(client, server *Config) {
								patient(client, server)
								client.SCTP.PartialReliability, server.SCTP.PartialReliability = partial, partial
							})
							ends := []<-chan error{reader(p.client), reader(p.server)}
							for n := range 10 {
								for _, c := range []*Conn{p.client, p.server} {
									for i := range 30 {
										info := MessageInfo{Stream: uint16(i % 10), Unordered: i%3 == 0}
										if partial && i%4 == 0 {
											info.Lifetime = 20 * time.Millisecond
										}
										mustWrite(t, c, fmt.Sprint(n, i), info)
									}
									if err := (&stage{T: t}).newKeys(c); err != nil {
										t.Fatal(err)
									}
								}
								if version == VersionDTLS12 {
									time.Sleep(time.Second) // the least between two handshakes
								}
							}
							p.close()
							for _, end := range ends {
								if err := <-end; err != io.EOF && !errors.Is(err, net.ErrClosed) {
									t.Errorf("a reader's end: %v", err)
								}
							}
						})
					})
			}
		}
	}
}

// Where the association has gone before it can be asked, the Config says what close_notify is
// worth.
func TestRequireComplete(t *testing.T) {
	for _, require := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			p := ofVersion(t, VersionDTLS12, assoctest.Options{},
				func(_, server *Config) { server.RequireComplete = require })
			mustWrite(t, p.client, "read", MessageInfo{Stream: 1})
			goOn := p.server.stop() // it does not see close_notify before the association is gone
			p.client.CloseWrite()
			time.Sleep(time.Second) // until it has arrived
			p.client.Abort()
			time.Sleep(time.Second)
			goOn()
			wantRead(t, p.server, "read", 1)
			_, _, err := p.server.ReadMessage(make([]byte, 10))
			e, ok := errtype.As[*TruncationError](err)
			switch {
			case !require && err != io.EOF:
				t.Errorf("without RequireComplete: %v", err)
			case require && (!ok || e.Missing != 0 || !errors.Is(err, io.ErrUnexpectedEOF)):
				t.Errorf("with RequireComplete: %v", err)
			}
			p.server.Close()
		})
	}
}
