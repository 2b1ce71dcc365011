//go:build kernel && linux

package sctpsock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// settings are options as the kernel tells them.
type settings struct {
	init    initMsg
	rto     rtoInfo
	sack    sackInfo
	assoc   assocParams
	path    peerAddrParams
	encaps  udpEncaps
	noDelay int
	buffers [2]int

	scheduler, asconf assocValue
	events            [14]byte
}

func settingsOf(t *testing.T, rc syscall.RawConn) (s settings) {
	t.Helper()
	must(t, control(rc, func(fd int) error {
		s.noDelay, _ = unix.GetsockoptInt(fd, solSCTP, optNoDelay)
		s.buffers[0], _ = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
		s.buffers[1], _ = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
		var err error
		s.encaps, err = getOptBytes(fd, solSCTP, optUDPEncapsPort, make([]byte, largestUDPEncaps))
		return errors.Join(
			err,
			getOpt(fd, solSCTP, optInitMsg, &s.init),
			getOpt(fd, solSCTP, optRTOInfo, &s.rto),
			getOpt(fd, solSCTP, optDelayedSACK, &s.sack),
			getOpt(fd, solSCTP, optAssocInfo, &s.assoc),
			getOpt(fd, solSCTP, optPeerAddrParams, &s.path),
			getOpt(fd, solSCTP, optStreamScheduler, &s.scheduler),
			getOpt(fd, solSCTP, optASCONFSupported, &s.asconf),
			getOpt(fd, solSCTP, optEvents, &s.events),
		)
	}))
	return s
}

// settingsWith makes a socket with these options and returns what the kernel says.
func settingsWith(t *testing.T, o Options) (s settings) {
	t.Helper()
	o.Control = func(_, _ string, rc syscall.RawConn) error {
		s = settingsOf(t, rc)
		return nil
	}
	listenLoopback(t, &o)
	return s
}

func TestOptions(t *testing.T) {
	s := settingsWith(t, Options{Options: stream.Options{
		OutStreams: 100, MaxInStreams: 200, MaxInitAttempts: 4, InitTimeout: 700 * time.Millisecond,
		Nagle:      true,
		RTOInitial: 300 * time.Millisecond, RTOMin: 200 * time.Millisecond,
		RTOMax:          1500 * time.Millisecond,
		Heartbeat:       5 * time.Second,
		AssocMaxRetrans: 7, PathMaxRetrans: 3,
		SACKDelay:  50 * time.Millisecond,
		ReadBuffer: 50000, WriteBuffer: 60000,
		Scheduler:      stream.SchedulerRoundRobin,
		AddressChanges: true,
		UDPEncapPort:   9899,
	}, Events: []EventType{EventRemoteError}})
	if want := (initMsg{100, 200, 4, 700}); s.init != want {
		t.Errorf("INITMSG %+v, want %+v", s.init, want)
	}
	if s.rto.Initial != 300 || s.rto.Min != 200 || s.rto.Max != 1500 {
		t.Errorf("RTOINFO %+v", s.rto)
	}
	if s.sack.Delay != 50 || s.sack.Freq != 2 {
		t.Errorf("DELAYED_SACK %+v", s.sack)
	}
	if s.assoc.MaxRetrans != 7 {
		t.Errorf("ASSOCINFO %+v", s.assoc)
	}
	if s.path.HeartbeatInterval != 5000 || s.path.PathMaxRetrans != 3 {
		t.Errorf("PEER_ADDR_PARAMS %+v", s.path)
	}
	if port := binary.BigEndian.Uint16(s.encaps.port()); port != 9899 {
		t.Errorf("REMOTE_UDP_ENCAPS_PORT %d", port)
	}
	if s.scheduler.Value != uint32(stream.SchedulerRoundRobin) || s.asconf.Value != 1 {
		t.Errorf("STREAM_SCHEDULER %d, ASCONF_SUPPORTED %d", s.scheduler.Value, s.asconf.Value)
	}
	// The events that are always on, and the requested one.
	if want := [14]byte{1: 1, 4: 1, 5: 1, 6: 1}; s.events != want {
		t.Errorf("EVENTS %v, want %v", s.events, want)
	}
	if s.noDelay != 0 {
		t.Error("Nagle is off")
	}
	if s.buffers != [2]int{100000, 120000} {
		t.Errorf("buffers of %d bytes", s.buffers)
	}

	if s := settingsWith(t, Options{Options: stream.Options{SACKDelay: -1,
		Heartbeat: -1}}); s.sack.Freq != 1 {
		t.Errorf("DELAYED_SACK %+v, want every packet", s.sack)
	} else if flags := binary.NativeEndian.Uint32(s.path.Flags[:]); flags&heartbeatEnable != 0 {
		t.Errorf("PEER_ADDR_PARAMS flags %#x, want no heartbeat", flags)
	}
}

func TestDefaults(t *testing.T) {
	s := settingsWith(t, Options{})
	if s.noDelay != 1 {
		t.Error("Nagle is on")
	}
	for _, size := range s.buffers {
		if size < defaultBuffer {
			t.Errorf("buffers of %d bytes, want %d at least", s.buffers, defaultBuffer)
		}
	}
	if s.sack.Freq != 1 || s.init.MaxInStreams != stream.DefaultInStreams {
		t.Errorf("DELAYED_SACK %+v, INITMSG %+v, want every packet, as in a handshake, and %d streams",
			s.sack, s.init, stream.DefaultInStreams)
	}
	// The rest is the kernel's.
	if s.asconf.Value != 0 || s.scheduler.Value != 0 || s.init.OutStreams != 10 ||
		s.rto.Initial != 3000 || s.path.HeartbeatInterval != 30000 {
		t.Errorf("%+v", s)
	}
}

func TestBadOptions(t *testing.T) {
	for name, o := range map[string]stream.Options{
		"RTO bounds":     {RTOMin: time.Second, RTOMax: time.Millisecond},
		"RTO negative":   {RTOMin: -1},
		"SACK delay":     {SACKDelay: time.Minute},
		"INIT timeout":   {InitTimeout: time.Hour},
		"scheduler":      {Scheduler: 200},
		"least RTO only": {RTOMin: 2 * time.Hour}, // more than the kernel's most
		"error of caller": {Control: func(string, string, syscall.RawConn) error {
			return errors.New("no")
		}},
	} {
		if l, err := Listen(loopback, &Options{Options: o}); err == nil {
			l.Close()
			t.Errorf("%s: no error", name)
		} else if _, ok := errtype.As[*stream.OptionError](err); !ok && o.Control == nil {
			t.Errorf("%s: %v is no OptionError", name, err)
		}
	}
}

func TestUDPEncapsulation(t *testing.T) { // RFC 6951
	const sysctl, port = "/proc/sys/net/sctp/udp_port", 9899
	before, err := os.ReadFile(sysctl)
	must(t, err, os.WriteFile(sysctl, fmt.Append(nil, port), 0))
	t.Cleanup(func() { os.WriteFile(sysctl, before, 0) })
	o := withAuth()
	o.UDPEncapPort = port
	c, s := pair(t, o, withAuth())
	for _, end := range []*Socket{c, s} {
		if got := peerUDPPort(t, end); got != port {
			t.Errorf("the peer's UDP port is %d, want %d", got, port)
		}
	}
	send(t, c, "inside UDP", stream.Info{})
	wantMessage(t, s, "inside UDP")
}

func peerUDPPort(t *testing.T, s *Socket) uint16 {
	t.Helper()
	addr, err := appendSockaddr(nil, s.RemoteAddrs()[0])
	must(t, err)
	var u udpEncaps
	must(t, s.control(func(fd int) error {
		if u, err = getOptBytes(fd, solSCTP, optUDPEncapsPort,
			make([]byte, largestUDPEncaps)); err == nil {
			copy(u.address(), addr)
			u, err = getOptBytes(fd, solSCTP, optUDPEncapsPort, u)
		}
		return err
	}))
	return binary.BigEndian.Uint16(u.port())
}

func TestSchedulers(t *testing.T) {
	for scheduler := stream.SchedulerFCFS; scheduler <= stream.SchedulerWeightedQueue; scheduler++ {
		o := &Options{Options: stream.Options{Scheduler: scheduler}}
		l, err := Listen(loopback, o)
		if _, ok := errtype.As[*stream.OptionError](err); ok &&
			scheduler >= stream.SchedulerFairCapacity {
			t.Logf("%v: %v", scheduler, err)
			continue
		}
		must(t, err)
		l.Close()
		c, s := pair(t, o, nil)
		if scheduler == stream.SchedulerPriority {
			must(t, c.SetStreamPriority(3, 7))
			v := streamValue{Stream: 3}
			must(t, c.control(func(fd int) error {
				return getOpt(fd, solSCTP, optStreamSchedulerValue, &v)
			}))
			if v.Value != 7 {
				t.Errorf("the priority is %d", v.Value)
			}
			if err := c.SetStreamPriority(99, 1); !errors.Is(err, syscall.EINVAL) {
				t.Error("a priority for a stream that is not there")
			}
		}
		send(t, c, "scheduled", stream.Info{Stream: 3})
		wantMessage(t, s, "scheduled")
	}
}

func TestRTO(t *testing.T) {
	c, _ := pair(t, nil, nil)
	must(t, c.SetRTO(0, 150*time.Millisecond, 250*time.Millisecond))
	initial, least, most, err := c.RTO()
	must(t, err)
	const tick = 10 * time.Millisecond // the kernel rounds to its clock
	if initial != 3*time.Second || least.Round(tick) != 150*time.Millisecond ||
		most.Round(tick) != 250*time.Millisecond {
		t.Errorf("RTO %v, from %v to %v", initial, least, most)
	}
}
