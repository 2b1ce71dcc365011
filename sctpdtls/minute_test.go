package sctpdtls

import (
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctptest"
)

// TestMinute: 60 s of traffic both ways over 16 streams and two paths, with 2 % loss, reordering
// and a failure of the primary path, and new keys each second: nothing is lost, repeated or out of
// order.
func TestMinute(t *testing.T) {
	for _, version := range versions {
		t.Run(VersionName(version), func(t *testing.T) {
			bubble(t, func(t *testing.T) { minute(t, version) })
		})
	}
}

func minute(t *testing.T, version uint16) {
	const streams = 16
	network := sctptest.NewNetwork(60)
	defer network.Close()
	network.SetLink(sctptest.Link{
		Delay: 10 * time.Millisecond, Jitter: 8 * time.Millisecond, Loss: 0.02,
	})
	near, far := network.Host("10.0.0.1", "10.0.1.1"), network.Host("10.0.0.2", "10.0.1.2")
	clientConfig, serverConfig := clientConfig(), serverConfig()
	for _, c := range []*Config{clientConfig, serverConfig} {
		c.MinVersion, c.MaxVersion = version, version
		c.Renegotiation = RenegotiateFreely
		c.HandshakeTimeout = time.Minute
		c.SCTP.OutStreams = streams
		c.SCTP.RTOInitial, c.SCTP.RTOMin = 500*time.Millisecond, 100*time.Millisecond
	}
	l, err := far.Listen(":5868", &serverConfig.SCTP)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := near.Dial(t.Context(), "10.0.0.2:5868", &clientConfig.SCTP)
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	client, err := Client(a, clientConfig)
	if err != nil {
		t.Fatal(err)
	}
	server, err := Server(b, serverConfig)
	if err != nil {
		t.Fatal(err)
	}

	done := make(chan error)
	go func() { done <- server.Handshake() }()
	if err := errors.Join(client.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	var sent, received [2]int
	var writers, readers sync.WaitGroup
	for end, c := range []*Conn{client, server} {
		writers.Go(func() {
			message := make([]byte, 4000)
			for ; time.Since(start) < time.Minute; time.Sleep(20 * time.Millisecond) {
				n := sent[end]
				size := 8 + n*n%3992
				binary.BigEndian.PutUint32(message, uint32(n/streams))
				binary.BigEndian.PutUint32(message[4:], uint32(size))
				if err := c.WriteMessage(message[:size], MessageInfo{Stream: uint16(n % streams)}); err != nil {
					t.Errorf("end %d: writing message %d: %v", end, n, err)
					return
				}
				sent[end]++
			}
			if err := c.CloseWrite(); err != nil {
				t.Errorf("end %d: CloseWrite: %v", end, err)
			}
		})
		readers.Go(func() {
			var next [streams]uint32
			buf := make([]byte, MaxMessageSize)
			for {
				n, info, err := c.ReadMessage(buf)
				if err != nil {
					if err != io.EOF {
						t.Errorf("end %d: after %d messages: %v", end, received[end], err)
					}
					return
				}
				number, size := binary.BigEndian.Uint32(buf), binary.BigEndian.Uint32(buf[4:])
				if number != next[info.Stream] || int(size) != n {
					t.Errorf("end %d: stream %d: message %d of %d bytes, want message %d of %d",
						end, info.Stream, number, n, next[info.Stream], size)
				}
				next[info.Stream] = number + 1
				received[end]++
			}
		})
	}
	writers.Go(func() {
		time.Sleep(20 * time.Second)
		far.Unplug("10.0.0.2")
		time.Sleep(15 * time.Second)
		far.Plug("10.0.0.2")
	})
	rekeys := 0
	for range 58 { // of which some take longer while the path fails
		time.Sleep(time.Second - time.Since(start)%time.Second)
		if time.Since(start) > 58*time.Second {
			break
		}
		c := []*Conn{client, server}[rekeys%2]
		if err := (&stage{T: t}).newKeys(c); err != nil {
			t.Errorf("new keys after %v: %v", time.Since(start), err)
			break
		}
		rekeys++
	}
	writers.Wait()
	readers.Wait()
	for end, n := range sent {
		if received[1-end] != n || n < 1500 {
			t.Errorf("%d messages of %d came", received[1-end], n)
		}
	}
	t.Logf("%d messages, %d times new keys", sent, rekeys)
	if rekeys < 50 {
		t.Errorf("%d times new keys", rekeys)
	}
	for _, c := range []*Conn{client, server} {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}
