package sctpdtls

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A bare association has nothing that package stream calls optional.
type bare struct{ stream.Association }

// Client and Server take any association, and need nothing of it that is optional.
func TestAnyAssociation(t *testing.T) {
	for _, version := range []uint16{VersionDTLS12, VersionDTLS13} {
		bubble(t, func(t *testing.T) {
			a, b := assoctest.Pair(t, assoctest.Options{Delay: 1e6})
			config := clientConfig()
			config.MaxVersion = version
			c, err := Client(bare{a}, config)
			if err != nil {
				t.Fatal(err)
			}
			s, err := Server(bare{b}, serverConfig())
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() {
				buf := make([]byte, MaxMessageSize)
				for {
					n, info, err := s.ReadMessage(buf)
					if err != nil {
						done <- err
						return
					}
					s.WriteMessage(buf[:n], info)
				}
			}()
			messages := []Message{{Data: []byte("one"), MessageInfo: MessageInfo{Stream: 3, PPID: 66}},
				{Data: []byte("two")}}
			if n, err := c.WriteMessages(messages); n != 2 || err != nil {
				t.Fatalf("WriteMessages: %d, %v", n, err)
			}
			for range messages {
				if n, _, err := c.ReadMessage(make([]byte, 10)); n != 3 || err != nil {
					t.Errorf("ReadMessage: %d, %v", n, err)
				}
			}
			want(t, "SetPrimary", c.SetPrimary(netip.IPv4Unspecified()), errors.ErrUnsupported)
			want(t, "SetStreamPriority", c.SetStreamPriority(1, 1), errors.ErrUnsupported)
			if st, err := c.Stats(); !errors.Is(err, errors.ErrUnsupported) || st.MessagesSent != 2 {
				t.Errorf("Stats: %+v, %v", st, err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			want(t, "the server", <-done, io.EOF)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// An association that Client or Server refuses is still the caller's.
func TestRefusedAssociationIsTheCallers(t *testing.T) {
	a, _ := assoctest.Pair(t, assoctest.Options{})
	refuse := func(what string, c *Conn, err error) {
		t.Helper()
		if c != nil || err == nil {
			t.Errorf("%s: %v, %v", what, c, err)
		}
		if _, _, closed, _ := a.State(); closed || len(a.Sent()) > 0 {
			t.Errorf("%s: the association was used or closed", what)
		}
	}
	c, err := Client(bare{a}, nil) // trusts nobody
	refuse("Client without a ServerName", c, err)
	c, err = Server(bare{a}, nil)
	refuse("Server without a Config", c, err)
	c, err = Client(unauthenticated{&memAssociation{Assoc: a}}, clientConfig())
	if _, ok := errtype.As[*AuthUnsupportedError](err); !ok {
		t.Errorf("without SCTP-AUTH: %v", err)
	}
	refuse("without SCTP-AUTH", c, err)
}

// NewListener serves what any stream.Listener accepts, and refuses at once what no handshake would
// accept.
func TestNewListener(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := newFakeListener()
		if l, err := NewListener(inner, nil); l != nil || err == nil {
			t.Errorf("without a Config: %v, %v", l, err)
		}
		if l, err := NewListener(inner, new(Config)); l != nil || err == nil {
			t.Errorf("without a certificate: %v, %v", l, err)
		}
		l, err := NewListener(inner, serverConfig())
		if err != nil {
			t.Fatal(err)
		}
		if l.Addr().String() != inner.Addr().String() {
			t.Errorf("Addr is %v", l.Addr())
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept: %v", err)
		}
	})
}
