package sctpdtls

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
)

var bothVersions = []uint16{VersionDTLS12, VersionDTLS13}

// connectedAs returns both ends of a connection in a version, with changes to their configurations.
func connectedAs(t *testing.T, version uint16, o assoctest.Options,
	changes ...func(client, server *Config)) *testPair {
	t.Helper()
	client, server := clientConfig(), serverConfig()
	client.MaxVersion = version
	for _, change := range changes {
		change(client, server)
	}
	p := newTestPair(t, o, client, server)
	if cerr, serr := p.handshake(); cerr != nil || serr != nil {
		t.Fatal(cerr, serr)
	}
	return p
}

// A proxy with two copying goroutines, each of which ends its direction when it has read to the
// end, loses nothing, in either version: whoever has sent close_notify still gets the answer,
// before the end.
func TestHalfCloseThroughProxy(t *testing.T) {
	for _, version := range bothVersions {
		bubble(t, func(t *testing.T) {
			front, back := connectedAs(t, version, assoctest.Options{}),
				connectedAs(t, version, assoctest.Options{})
			type halfCloser interface {
				net.Conn
				CloseWrite() error
			}
			pass := func(to, from halfCloser) {
				if _, err := io.Copy(to, from); err != nil {
					t.Errorf("copying: %v", err)
				}
				if err := to.CloseWrite(); err != nil {
					t.Errorf("CloseWrite: %v", err)
				}
			}
			go pass(back.client, front.server)
			go pass(front.server, back.client)
			go func() {
				question, err := io.ReadAll(back.server)
				if err != nil {
					t.Errorf("the server reads %v", err)
				}
				for i := range 100 {
					time.Sleep(time.Second) // longer than any time of Close
					if _, err := fmt.Fprintf(back.server, "%s %d;", question, i); err != nil {
						t.Errorf("answer %d: %v", i, err)
					}
				}
				if err := back.server.Close(); err != nil {
					t.Errorf("the server's Close: %v", err)
				}
			}()
			mustWrite(t, front.client, "question", MessageInfo{})
			if err := front.client.CloseWrite(); err != nil {
				t.Error(err)
			}
			answer, err := io.ReadAll(front.client)
			want := ""
			for i := range 100 {
				want += fmt.Sprintf("question %d;", i)
			}
			if string(answer) != want || err != nil {
				t.Errorf("%#x: the client has read %q, %v", version, answer, err)
			}
			for _, c := range []*Conn{front.client, front.server, back.client} {
				if err := c.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}
		})
	}
}

// After the peer's close_notify this end may write as much as it likes, past the window of record
// numbers and what RekeyAfter says, though the peer cannot acknowledge new keys any more.
func TestHalfCloseGoesOn(t *testing.T) {
	for _, version := range bothVersions {
		for _, policy := range []RekeyPolicy{{}, {Records: 100}} {
			messages := 1000
			if version == VersionDTLS13 && policy.Records == 0 {
				messages = 1<<15 + 100 // more than half of the record numbers in a header
			}
			bubble(t, func(t *testing.T) {
				p := connectedAs(t, version, assoctest.Options{Buffer: 2000}, func(client, server *Config) {
					client.RekeyAfter, server.RekeyAfter = policy, policy
					client.Renegotiation, server.Renegotiation = RenegotiateFreely, RenegotiateFreely
				})
				if err := p.client.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				if _, err := p.server.Read(make([]byte, 1)); err != io.EOF {
					t.Fatal(err)
				}
				go func() {
					for i := range messages {
						if err := p.server.WriteMessage(fmt.Append(nil, i), MessageInfo{}); err != nil {
							t.Errorf("%#x, %+v: message %d: %v", version, policy, i, err)
							break
						}
					}
					want(t, "KeyUpdate", p.server.KeyUpdate(t.Context(), UpdateNotRequested),
						map[uint16]error{VersionDTLS12: ErrPeerClosed, VersionDTLS13: ErrPeerClosed}[version])
					want(t, "Renegotiate", p.server.Renegotiate(t.Context()), ErrPeerClosed)
					p.server.CloseWrite()
				}()
				for i := range messages {
					wantRead(t, p.client, fmt.Sprint(i), 0)
				}
				_, err := p.client.Read(make([]byte, 1))
				want(t, "the end", err, io.EOF)
				p.close()
			})
		}
	}
}

// A half-closed connection whose association ends does not hide what could not be delivered.
// errors.Is(err, net.ErrClosed) is for this end's own Close.
func TestHalfClosedAndGone(t *testing.T) {
	for _, version := range bothVersions {
		for name, end := range map[string]struct {
			do    func(p *testPair)
			write error
			clean bool
		}{
			"Close": {func(p *testPair) { p.client.Close() }, syscall.EPIPE, true},
			"Abort": {func(p *testPair) { p.client.Abort() }, io.ErrUnexpectedEOF, false},
			"lost":  {func(p *testPair) { p.sctp.Cut() }, io.ErrUnexpectedEOF, false},
			// SCTP has delivered what was written
			"killed": {func(p *testPair) { p.clientSCTP.Close() }, syscall.EPIPE, true},
		} {
			bubble(t, func(t *testing.T) {
				p := connectedAs(t, version, assoctest.Options{GiveUp: 3 * time.Second})
				if err := p.client.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				_, err := p.server.Read(make([]byte, 1))
				want(t, "Read", err, io.EOF)
				mustWrite(t, p.server, "answer", MessageInfo{})
				wantRead(t, p.client, "answer", 0)
				end.do(p)
				time.Sleep(time.Minute)
				err = p.server.WriteMessage([]byte("more"), MessageInfo{})
				if !errors.Is(err, end.write) || errors.Is(err, net.ErrClosed) {
					t.Errorf("%#x, %s: WriteMessage: %v, want %v", version, name, err, end.write)
				}
				_, err = p.server.WriteMessages([]Message{{Data: []byte("x")}, {Data: []byte("y")}})
				if !errors.Is(err, end.write) || errors.Is(err, net.ErrClosed) {
					t.Errorf("%#x, %s: WriteMessages: %v, want %v", version, name, err, end.write)
				}
				_, err = p.server.Read(make([]byte, 1))
				want(t, "Read afterwards", err, io.EOF)
				if err := p.server.Close(); (err == nil) != end.clean {
					t.Errorf("%#x, %s: Close: %v, clean %v", version, name, err, end.clean)
				}
				p.client.Close()
			})
		}
	}
}

// CloseWrite at both ends, in any order, with and without readers, and Close afterwards.
func TestHalfCloseOrders(t *testing.T) {
	for _, version := range bothVersions {
		for n := range 4 {
			bubble(t, func(t *testing.T) {
				p := connectedAs(t, version, assoctest.Options{Delay: 10 * time.Millisecond})
				var all sync.WaitGroup
				for i, c := range []*Conn{p.client, p.server} {
					if n>>i&1 == 1 {
						all.Go(func() {
							if _, err := c.Read(make([]byte, 1)); err != io.EOF {
								t.Errorf("Read: %v", err)
							}
						})
					}
					all.Go(func() {
						time.Sleep(time.Duration(i) * 10 * time.Millisecond)
						if err := c.CloseWrite(); err != nil {
							t.Errorf("CloseWrite: %v", err)
						}
					})
				}
				all.Wait()
				start := time.Now()
				p.close()
				if d := time.Since(start); d > 200*time.Millisecond {
					t.Errorf("closing took %v", d)
				}
			})
		}
	}
}

// Close reports a fatal alert, of either end, before it and in the middle of it, and of every
// other end that was not the peer's close_notify.
func TestCloseTellsHowItEnded(t *testing.T) {
	for _, version := range bothVersions {
		for _, told := range []bool{false, true} { // by a read
			bubble(t, func(t *testing.T) {
				p := connectedAs(t, version, assoctest.Options{})
				p.clientSCTP.TrySend([]byte("no record"), controlInfo)
				time.Sleep(time.Second)
				if told {
					p.server.Read(make([]byte, 1))
					p.client.Read(make([]byte, 1))
				}
				for _, end := range []struct {
					conn  *Conn
					local bool
				}{{p.server, true}, {p.client, false}} {
					err := end.conn.Close()
					if e, ok := errtype.As[*AlertError](err); !ok || e.Local != end.local {
						t.Errorf("%#x, told %v: Close: %v, want the alert, local %v", version, told, err, end.local)
					}
					if again := end.conn.Close(); again != err {
						t.Errorf("Close again: %v", again)
					}
				}
			})
		}
	}
	bubble(t, func(t *testing.T) { // the handshake has already returned its error
		client := clientConfig()
		client.ServerName = "other.example"
		p := newTestPair(t, assoctest.Options{}, client, serverConfig())
		cerr, serr := p.handshake()
		if cerr == nil || serr == nil {
			t.Fatal(cerr, serr)
		}
		for _, c := range []*Conn{p.client, p.server} {
			if err := c.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
	})
}

// Nobody but this end's own Close makes net.ErrClosed, whichever method is asked.
func TestErrClosedIsOurs(t *testing.T) {
	for name, end := range map[string]func(p *testPair){
		"Close": func(p *testPair) { p.client.Close() }, "Abort": func(p *testPair) { p.client.Abort() },
		"lost":       func(p *testPair) { p.sctp.Cut() },
		"restart":    func(p *testPair) { p.clientSCTP.Restart() },
		"shutdown":   func(p *testPair) { p.clientSCTP.Shutdown() },
		"CloseWrite": func(p *testPair) { p.client.CloseWrite() },
		"alert": func(p *testPair) {
			goOn := p.client.stop()
			p.client.core.Fail(dtlscore.AlertInternalError, errors.New("for the test"))
			goOn()
		},
	} {
		for _, version := range bothVersions {
			bubble(t, func(t *testing.T) {
				p := connectedAs(t, version, assoctest.Options{})
				go end(p)
				time.Sleep(10 * time.Second)
				c := p.server
				errs := map[string]error{}
				_, _, errs["ReadMessage"] = c.ReadMessage(make([]byte, 1))
				_, errs["Read"] = c.Read(make([]byte, 1))
				_, errs["Stream.Read"] = c.Stream(1).Read(make([]byte, 1))
				_, errs["AcceptStream"] = c.AcceptStream(t.Context())
				errs["WriteMessage"] = c.WriteMessage([]byte("x"), MessageInfo{})
				_, errs["Write"] = c.Stream(1).Write([]byte("x"))
				_, errs["WriteMessages"] = c.WriteMessages([]Message{{}, {}})
				errs["KeyUpdate"] = c.KeyUpdate(t.Context(), UpdateRequested)
				errs["Renegotiate"] = c.Renegotiate(t.Context())
				errs["SetDeadline"] = c.SetDeadline(time.Time{})
				_, errs["Stats"] = c.Stats()
				_, errs["Paths"] = c.Paths()
				errs["CloseWrite"] = c.CloseWrite()
				errs["Close"] = c.Close()
				for call, err := range errs {
					if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("%#x, %s: %s: %v", version, name, call, err)
					}
				}
				want(t, "after Close", c.WriteMessage([]byte("x"), MessageInfo{}), net.ErrClosed)
				p.client.Close()
			})
		}
	}
}

// Both ends have closed their direction, and the peer has gone before this end has read its
// close_notify: nothing is wrong with that.
func TestHalfCloseOfBothFoundAtOnce(t *testing.T) {
	for _, version := range bothVersions {
		bubble(t, func(t *testing.T) {
			// The client's owner waits for room, so that it finds close_notify and the end together.
			p := connectedAs(t, version, assoctest.Options{}, func(client, _ *Config) {
				client.ReadQueue = 1
			})
			if err := p.client.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, MaxMessageSize)
			if _, _, err := p.server.ReadMessage(b); err != io.EOF {
				t.Fatalf("the server reads %v", err)
			}
			for range 2 {
				if err := p.server.WriteMessage([]byte("last words"), MessageInfo{}); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.server.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			go p.server.Close()
			time.Sleep(time.Second)
			for range 2 {
				if _, _, err := p.client.ReadMessage(b); err != nil {
					t.Fatal(err)
				}
			}
			if _, _, err := p.client.ReadMessage(b); err != io.EOF {
				t.Errorf("the client reads %v", err)
			}
			if err := p.client.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}
