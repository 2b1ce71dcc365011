//go:build kernel

package sctpdtls

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
)

// The short retransmission timeout of a handshake does not last, whatever the user's is.
func TestKernelHandshakeRestoresRTO(t *testing.T) {
	ms := time.Millisecond
	for _, rto := range [][3]time.Duration{
		{3000 * ms, 1000 * ms, 60000 * ms}, // Linux
		{400 * ms, 200 * ms, 1600 * ms},
		{8 * ms, 8 * ms, 16 * ms}, // less than the short one
	} {
		client, server := clientConfig(), serverConfig()
		for _, c := range []*Config{client, server} {
			c.MaxVersion, c.Renegotiation = VersionDTLS12, RenegotiateFreely
			c.SCTP.RTOInitial, c.SCTP.RTOMin, c.SCTP.RTOMax = rto[0], rto[1], rto[2]
		}
		ln := echoServer(t, server)
		c, err := Dial("sctp", ln.Addr().String(), client)
		if err != nil {
			t.Fatal(err)
		}
		k := c.assoc.(*kernelAssociation)
		wantRTO := func(when string) {
			t.Helper()
			initial, least, most, err := k.RTO()
			for i, got := range []time.Duration{initial, least, most} {
				// The kernel rounds up to its ticks, of which it has at least a hundred in a second.
				if err != nil || got < rto[i] || got >= rto[i]+10*ms {
					t.Errorf("after %s: %v, %v, want %v", when, got, err, rto[i])
				}
			}
		}
		wantRTO("the handshake")
		if err := c.Renegotiate(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantRTO("a renegotiation")
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Acknowledgements are sent at once during a handshake only, or as the user says.
func TestKernelSACKDelay(t *testing.T) { // RFC 6083, Section 4.8
	for name, test := range map[string]struct {
		option                time.Duration
		handshake, afterwards uint32 // milliseconds
	}{
		"default": {0, 0, 200},
		"40 ms":   {40 * time.Millisecond, 40, 40}, // a whole number of ticks of the kernel's clock
		"none":    {-1, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			client, server := clientConfig(), serverConfig()
			client.SCTP.SACKDelay, server.SCTP.SACKDelay = test.option, test.option
			ln := echoServer(t, server)
			c, err := Dial("sctp", ln.Addr().String(), client)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			k := c.assoc.(*kernelAssociation)
			wantSACKDelay(t, k, "after the handshake", test.afterwards)
			if err := k.Handshaking(true); err != nil {
				t.Fatal(err)
			}
			wantSACKDelay(t, k, "during another", test.handshake)
			if err := errors.Join(k.Handshaking(false), k.Settled()); err != nil {
				t.Fatal(err)
			}
			wantSACKDelay(t, k, "after that", test.afterwards)
		})
	}
}

func wantSACKDelay(t *testing.T, k *kernelAssociation, when string, want uint32) {
	t.Helper()
	raw, err := k.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	const delayedSACK = 16 // struct sctp_sack_info
	var info struct {
		id           int32
		delay, every uint32
	}
	size := uint32(unsafe.Sizeof(info))
	raw.Control(func(fd uintptr) {
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.IPPROTO_SCTP, delayedSACK,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
		if errno != 0 {
			t.Fatal(errno)
		}
	})
	if info.every == 1 {
		info.delay = 0
	}
	if info.delay != want {
		t.Errorf("%s: acknowledgements wait %d ms, want %d", when, info.delay, want)
	}
}

// Options are set in the kernel for what is dialed and what is accepted.
func TestKernelOptions(t *testing.T) {
	config := serverConfig()
	config.SCTP = SCTPOptions{MaxInStreams: 3, Scheduler: SchedulerPriority, RefuseRestart: true,
		AddressChanges: true}
	ln, err := Listen("sctp", "127.0.0.1/127.0.0.2:0", config)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client := clientConfig()
	client.SCTP = SCTPOptions{OutStreams: 5, AddressChanges: true}
	c, err := (&Dialer{Config: client, LocalAddr: loopbackAddr()}).DialConn(t.Context(), "sctp",
		ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := ln.AcceptConn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if state := c.ConnectionState(); state.OutStreams != 3 {
		t.Errorf("%d streams", state.OutStreams)
	}
	raw, err := s.assoc.(*kernelAssociation).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { // only what is there can be taken away
		if err := syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_DETACH_FILTER,
			0); err != nil {
			t.Errorf("no filter refuses restarts: %v", err)
		}
	})
	if err := s.SetStreamPriority(2, 5); err != nil {
		t.Error(err)
	}
	if _, ok := errtype.As[*StreamError](s.SetStreamPriority(400, 5)); !ok {
		t.Error("a priority for a stream that is not there")
	}
	paths, err := c.Paths()
	if err != nil || len(paths) != 2 || !paths[0].Primary || paths[0].State != PathActive {
		t.Errorf("paths %+v, %v", paths, err)
	}
	if err := c.SetPrimary(netip.MustParseAddr("127.0.0.2")); err != nil {
		t.Error(err)
	}
	if err := c.SetPrimary(netip.MustParseAddr("127.0.0.9")); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("a primary path that is none: %v", err)
	}
	st, err := c.Stats()
	if err != nil || st.Primary.Addr != netip.MustParseAddr("127.0.0.2") || st.PacketsSent == 0 ||
		st.ChunksSent == 0 || st.Handshakes != 1 || st.Primary.RTO <= 0 {
		t.Errorf("counted %+v, %v", st, err)
	}
	third := netip.MustParseAddr("127.0.0.3")
	if err := c.BindAdd(third); err != nil {
		t.Error(err)
	}
	if err := s.BindRemove(third); err == nil {
		t.Error("removed an address that is not there")
	}
	go c.Close()
	if _, _, err := s.ReadMessage(nil); err == nil {
		t.Error("no end")
	}
	s.Close()
	if _, err := s.Paths(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Paths after Close: %v", err)
	}
	if _, err := s.Stats(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Stats after Close: %v", err)
	}
}

func loopbackAddr() *Addr { return &Addr{IPAddrs: []net.IPAddr{{IP: net.IPv4(127, 0, 0, 1)}}} }
