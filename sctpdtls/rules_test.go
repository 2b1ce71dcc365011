package sctpdtls

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// Rules of RFC 6083 that show only in how the parts work together.

// An altered association changes what one end sends, or the order in which it receives.
type altered struct {
	*memAssociation
	send    func(record []byte, info stream.Info) stream.Info
	reorder bool // ChangeCipherSpec and what follows on stream 0 come after application data
	late    []arrival
	now     []arrival
}

type arrival struct {
	data []byte
	part stream.Part
}

func (a *altered) TrySend(record []byte, info stream.Info) error {
	if a.send != nil {
		info = a.send(record, info)
	}
	return a.memAssociation.TrySend(record, info)
}

func (a *altered) Recv(b stream.Buffer, wait bool) (stream.Part, error) {
	for {
		if len(a.now) > 0 {
			next := a.now[0]
			a.now = a.now[1:]
			copy(b.Get(), next.data)
			return next.part, nil
		}
		part, err := a.memAssociation.Recv(b, wait)
		if !a.reorder || err != nil || part.Event != nil {
			return part, err
		}
		const changeCipherSpec, applicationData = 20, 23
		came := arrival{bytes.Clone(b.Get()[:part.N]), part}
		switch typ := came.data[0]; {
		case typ == applicationData:
			a.reorder = false
			a.now, a.late = append([]arrival{came}, a.late...), nil
		case typ == changeCipherSpec, len(a.late) > 0:
			a.late = append(a.late, came)
		default:
			return part, nil
		}
	}
}

// alter puts an altered association under c, which has not begun.
func alter(c *Conn) *altered {
	a := &altered{memAssociation: c.assoc.(*memAssociation)}
	c.assoc, c.owner.messages = a, stream.NewReader(a)
	return a
}

// Control records are taken whatever their PPID says: RFC 6083, Section 4.3.
func TestControlRecordsOfAnyPPID(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newTestPair(t, assoctest.Options{}, clientConfig(), serverConfig())
		alter(p.client).send = func(_ []byte, info stream.Info) stream.Info {
			info.PPID = PPIDDiameter
			return info
		}
		if cerr, serr := p.handshake(); cerr != nil || serr != nil {
			t.Fatalf("handshake: client %v, server %v", cerr, serr)
		}
		pingPong(t, p.client, p.server)
		p.close()
	})
}

// Application data that overtakes ChangeCipherSpec and Finished on another stream is delivered
// after them, with its stream and PPID: RFC 6083, Sections 4.4 and 4.7; attack C2.
func TestAttackC2DataOvertakesFinished(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newTestPair(t, assoctest.Options{}, clientConfig(), serverConfig())
		alter(p.client).reorder = true
		infos := []MessageInfo{{Stream: 5, PPID: 66, Length: 1},
			{Stream: 6, PPID: 67, Unordered: true, Length: 1}}
		done := make(chan error)
		go func() {
			err := p.server.Handshake()
			for i, info := range infos {
				err = errors.Join(err, p.server.WriteMessage([]byte{byte(i)}, info))
			}
			done <- err
		}()
		if err := p.client.Handshake(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 10)
		for i, want := range infos {
			if n, info, err := p.client.ReadMessage(buf); n != 1 || buf[0] != byte(i) || info != want ||
				err != nil {
				t.Errorf("message %d: %d bytes with %+v, %v; want %+v", i, n, info, err, want)
			}
		}
		p.close()
	})
}

// Application data may use stream 0, ordered and not, beside the control records of both ends, and
// none is lost when they close: RFC 6083, Section 4.4.
func TestDataOnStream0(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected(t, assoctest.Options{})
		const messages = 50
		var both sync.WaitGroup
		for _, c := range []*Conn{p.client, p.server} {
			both.Go(func() {
				for i := range messages {
					if err := c.WriteMessage(make([]byte, i+1), MessageInfo{Unordered: i%2 == 1}); err != nil {
						t.Error(err)
					}
				}
				buf := make([]byte, messages)
				var got []int
				for range messages {
					n, _, err := c.ReadMessage(buf)
					if err != nil {
						t.Error(err)
					}
					got = append(got, n)
				}
				slices.Sort(got)
				if len(slices.Compact(got)) != messages {
					t.Errorf("received %v", got)
				}
			})
		}
		both.Wait()
		p.close()
	})
}

// While keys change nobody writes, and the write deadline holds all the same: RFC 6083, Section
// 4.7.
func TestWritersWaitForKeys(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected(t, assoctest.Options{})
		sent := len(p.clientSCTP.Sent())
		goOn := p.client.stop()
		p.client.owner.shutGate()
		p.client.SetWriteDeadline(time.Now().Add(time.Second))
		want(t, "WriteMessage", p.client.WriteMessage([]byte("x"), MessageInfo{}), os.ErrDeadlineExceeded)
		p.client.SetWriteDeadline(time.Time{})
		done := make(chan error, 3)
		for range 3 {
			go func() { done <- p.client.WriteMessage([]byte("x"), MessageInfo{}) }()
		}
		synctest.Wait()
		p.client.SetWriteDeadline(time.Now().Add(time.Minute)) // must not let them go
		synctest.Wait()
		if n := len(p.clientSCTP.Sent()); n != sent {
			t.Errorf("%d messages were sent", n-sent)
		}
		p.client.owner.openGate()
		goOn()
		for range 3 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		p.close()
	})
}

// A record of another connection, or of the receiver's own, never opens, and ends the connection
// and the association: RFC 6347, Section 4.1.2.7; RFC 6083, Section 4.2; RFC 4895, Section 9;
// attacks H2, H6.
func TestAttackH6RecordsOfOthers(t *testing.T) {
	for name, from := range map[string]func(p, other *testPair) *Conn{
		"another connection": func(_, other *testPair) *Conn { return other.client },
		"reflected":          func(p, _ *testPair) *Conn { return p.server },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p, other := connected(t, assoctest.Options{}), connected(t, assoctest.Options{})
				record, err := from(p, other).core.Seal(nil, []byte("for somebody else"))
				if err != nil {
					t.Fatal(err)
				}
				if err := p.clientSCTP.Send(record, stream.Info{Stream: 1}); err != nil {
					t.Fatal(err)
				}
				n, _, err := p.server.ReadMessage(make([]byte, 100))
				if e, ok := errtype.As[*AlertError](err); n != 0 || !ok ||
					e.Alert != dtlscore.AlertBadRecordMAC {
					t.Errorf("ReadMessage = %d, %v, want bad_record_mac", n, err)
				}
				time.Sleep(alertTime) // for the alert
				if _, _, closed, _ := p.sctp.State(); !closed || !p.sctp.Gone() {
					t.Error("the association was not ended")
				}
				if _, err := p.server.core.Seal(nil, nil); !errors.Is(err, dtlscore.ErrNotOpen) {
					t.Errorf("the keys are still there: Seal: %v", err)
				}
				p.client.Close()
				p.server.Close()
				other.close()
			})
		})
	}
}

// Close from several goroutines at once, and from one whose read has just failed, as go-diameter
// does, is one Close: all come back, with the same result.
func TestCloseFromEverywhere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected(t, assoctest.Options{})
		results := make(chan error)
		for range 2 {
			go func() {
				if _, _, err := p.client.ReadMessage(make([]byte, 10)); err != io.EOF &&
					!errors.Is(err, net.ErrClosed) {
					t.Errorf("ReadMessage: %v", err)
				}
				results <- p.client.Close()
			}()
		}
		synctest.Wait()
		go func() { results <- p.client.Close() }()
		go func() { results <- p.server.Close() }()
		for range 4 {
			if err := <-results; err != nil {
				t.Errorf("Close: %v", err)
			}
		}
		for i, err := range []error{p.client.Close(), p.client.Abort()} {
			if err != nil {
				t.Errorf("call %d after all: %v", i, err)
			}
		}
	})
}
