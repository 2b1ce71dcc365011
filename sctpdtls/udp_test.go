package sctpdtls

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
)

// freeUDPPort returns a port that nobody uses for now.
func freeUDPPort(t *testing.T) uint16 {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return uint16(c.LocalAddr().(*net.UDPAddr).Port)
}

// serveUDP echoes on a listener of “sctp+udp”, and sets the UDP port for both ends.
func serveUDP(t *testing.T, client, server *Config) (address string) {
	t.Helper()
	port := freeUDPPort(t)
	client.SCTP.UDPEncapPort, server.SCTP.UDPEncapPort = port, port
	l, err := Listen("sctp+udp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.AcceptConn(context.Background())
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
				return
			}
			all.Go(func() {
				defer c.Close()
				if err := echoAll(c); err != io.EOF {
					t.Errorf("server: %v", err)
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return l.Addr().String()
}

func echoAll(c *Conn) error {
	b := make([]byte, MaxMessageSize)
	for {
		n, info, err := c.ReadMessage(b)
		if err == nil {
			err = c.WriteMessage(b[:n], MessageInfo{Stream: info.Stream, PPID: info.PPID})
		}
		if err != nil {
			return err
		}
	}
}

// echoed sends a message of up to MaxMessageSize bytes on each of the streams, and wants them back.
func echoed(c *Conn, streams uint16) error {
	message := func(i uint16) []byte {
		return bytes.Repeat([]byte{byte(i)}, 1+int(i)*MaxMessageSize/16)
	}
	for i := range streams {
		if err := c.WriteMessage(message(i), MessageInfo{Stream: i, PPID: uint32(i)}); err != nil {
			return err
		}
	}
	b := make([]byte, MaxMessageSize)
	for range streams {
		n, info, err := c.ReadMessage(b)
		if err != nil {
			return err
		}
		if info.PPID != uint32(info.Stream) || !bytes.Equal(b[:n], message(info.Stream)) {
			return fmt.Errorf("stream %d: %d bytes, PPID %d", info.Stream, n, info.PPID)
		}
	}
	return nil
}

// TestUDP dials over SCTP in UDP, with both versions, and does what a user does, key changes
// included.
func TestUDP(t *testing.T) {
	for _, version := range []uint16{VersionDTLS12, VersionDTLS13} {
		t.Run(fmt.Sprintf("%#04x", version), func(t *testing.T) {
			client, server := clientConfig(), serverConfig()
			for _, c := range []*Config{client, server} {
				c.MinVersion, c.MaxVersion = version, version
				c.Renegotiation = RenegotiateFreely
				c.SCTP.OutStreams = 16
			}
			c, err := Dial("sctp+udp", serveUDP(t, client, server), client)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Abort()
			c.SetDeadline(time.Now().Add(20 * time.Second))
			for range 3 {
				if err := echoed(c, 16); err != nil {
					t.Fatal(err)
				}
				rekey := func() error { return c.KeyUpdate(t.Context(), UpdateRequested) }
				if version == VersionDTLS12 {
					rekey = func() error { return c.Renegotiate(t.Context()) }
				}
				if err := rekey(); err != nil {
					t.Fatal(err)
				}
			}
			paths, err := c.Paths()
			if err != nil || len(paths) != 1 || paths[0].State != PathActive ||
				!paths[0].Primary || paths[0].RTT == 0 || paths[0].MTU == 0 {
				t.Fatalf("%+v, %v", paths, err)
			}
			st, err := c.Stats()
			if err != nil || st.MessagesSent != 48 || st.ChunksSent < 48 ||
				st.ChunksReceived < 48 || st.Pending != 0 || st.Primary != paths[0] {
				t.Errorf("%+v, %v", st, err)
			}
			if err := c.BindAdd(paths[0].Addr); !errors.Is(err, ErrNoAddressChanges) {
				t.Errorf("BindAdd: %v", err)
			}
			if err := c.SetStreamPriority(1, 1); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("SetStreamPriority: %v", err)
			}
			if err := cmp.Or(c.CloseWrite(), c.Close()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestUDPHundred has 100 connections to one UDP socket at the same time.
func TestUDPHundred(t *testing.T) {
	client, server := clientConfig(), serverConfig()
	address := serveUDP(t, client, server)
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			c, err := Dial("sctp4+udp", address, client)
			if err != nil {
				t.Error(err)
				return
			}
			if err := cmp.Or(echoed(c, 4), c.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// TestUDPErrors: what cannot be is refused before anything is sent, and nobody there is an error in
// time.
func TestUDPErrors(t *testing.T) {
	for _, network := range []string{"tcp+udp", "+udp", "sctp+tcp", "sctp5+udp"} {
		_, err := Dial(network, "127.0.0.1:1", clientConfig())
		if _, ok := errtype.As[net.UnknownNetworkError](err); !ok {
			t.Errorf("%q: %v", network, err)
		}
	}
	for name, o := range map[string]SCTPOptions{
		"Nagle":          {Nagle: true},
		"Scheduler":      {Scheduler: SchedulerPriority},
		"InitTimeout":    {InitTimeout: time.Second},
		"AddressChanges": {AddressChanges: true},
		"Control":        {Control: func(string, string, syscall.RawConn) error { return nil }},
		"ReadBuffer":     {ReadBuffer: 1},
	} {
		client, server := clientConfig(), serverConfig()
		client.SCTP, server.SCTP = o, o
		_, derr := Dial("sctp+udp", "127.0.0.1:1", client)
		_, lerr := Listen("sctp+udp", "127.0.0.1:0", server)
		for _, err := range []error{derr, lerr} {
			if e, ok := errtype.As[*OptionError](err); !ok || e.Option != name {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	_, err := Listen("sctp+udp", "127.0.0.1/0.0.0.0:0", serverConfig())
	if e, ok := errtype.As[*OptionError](err); !ok || e.Option != "local address" {
		t.Errorf("listening on an address and all of them: %v", err)
	}
	silent, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	client := clientConfig()
	client.SCTP.UDPEncapPort = uint16(silent.LocalAddr().(*net.UDPAddr).Port)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = DialContext(ctx, "sctp+udp", "127.0.0.1:1", client)
	if ne, ok := errtype.As[net.Error](err); !ok || !ne.Timeout() {
		t.Errorf("nobody there: %v", err)
	}
}
