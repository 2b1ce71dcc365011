//go:build kernel

package netns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"golang.org/x/sys/unix"
)

// This file has faults of the machine and of the peer's process.

// runWithoutDescriptors leaves the process one descriptor, which a client takes, and none for the
// server that should accept the client, until some are free again.
func runWithoutDescriptors(t *testing.T, f *faulty) {
	version := f.conns[0].ConnectionState().Version
	client := f.faultConfig(t, "client", version) // reads files
	ln := f.listen(t, f.faultConfig(t, "server", version))
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	limit := before
	limit.Cur = uint64(len(open)) + 20
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	var taken []int
	giveBack := sync.OnceFunc(func() {
		for _, fd := range taken {
			unix.Close(fd)
		}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
			t.Error(err)
		}
	})
	defer giveBack()
	for {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == unix.EMFILE {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, fd)
	}
	if _, err := sctpdtls.Dial("sctp4", f.address(), client); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("dialling without descriptors: %v, want EMFILE", err)
	}
	unix.Close(taken[0])
	taken = taken[1:]
	dialled := make(chan *sctpdtls.Conn)
	go func() {
		conn, err := f.dial(t, client)
		if err != nil {
			t.Errorf("dialling a server that has no descriptors for a time: %v", err)
		}
		dialled <- conn
	}()
	time.Sleep(*faultTime)
	giveBack()
	conn := <-dialled
	if conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	server, err := ln.AcceptConn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	closeBoth(t, conn, server)
	ln.Close()
}

// stepClock sets the clock forward and back, if it is a guest's.
func stepClock(t *testing.T, f *faulty) {
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if name != "guest" {
		t.Log("the clock is not ours to set")
		time.Sleep(*faultTime)
		return
	}
	for _, step := range []time.Duration{time.Hour, -2 * time.Hour, time.Hour} {
		now := unix.NsecToTimeval(time.Now().Add(step).UnixNano())
		if err := unix.Settimeofday(&now); err != nil {
			t.Fatal(err)
		}
		f.steps++
		time.Sleep(*faultTime / 3)
	}
}

// rekeyAllTheTime changes keys, started by both endpoints; it makes as many renegotiations as a
// peer accepts at once (attack E5).
func rekeyAllTheTime(t *testing.T, f *faulty) {
	const renegotiations = 12
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	until := time.Now().Add(*faultTime)
	var ends sync.WaitGroup
	for _, c := range f.conns {
		ends.Go(func() {
			var err error
			if c.ConnectionState().Version == sctpdtls.VersionDTLS12 {
				for n := 0; n < renegotiations && err == nil; n++ {
					err = c.Renegotiate(ctx)
				}
			} else {
				for time.Now().Before(until) && err == nil {
					err = c.KeyUpdate(ctx, sctpdtls.UpdateNotRequested)
				}
			}
			if err != nil {
				t.Errorf("new keys: %v", err)
			}
		})
	}
	ends.Wait()
	time.Sleep(time.Until(until))
}

// echoing starts traffic with sctp-echo as the peer.
func echoing(t *testing.T, version uint16) (*traffic, *Process) {
	e := newOpenSSLPair(t)
	args := append([]string{"serve"}, flags(e.certs, "server")...)
	server := e.server.Start(t, "sctp-echo", append(args, e.address())...)
	server.WaitFor(`listening on `)
	conn, err := e.dial(t, e.faultConfig(t, "client", version))
	if err != nil {
		t.Fatal(err)
	}
	return &traffic{t: t, ends: [2]*sctpdtls.Conn{conn, conn}, streams: 4, size: sizes}, server
}

// stoppedPeer tests a peer that is stopped for a time.
func stoppedPeer(t *testing.T, version uint16) string {
	f, server := echoing(t, version)
	f.begin()
	time.Sleep(*faultTime / 3)
	server.stop()
	time.Sleep(*faultTime)
	server.signal(syscall.SIGCONT)
	f.finish()
	closeBoth(t, f.ends[0])
	return f.row("the peer's process is stopped (SIGSTOP), and goes on", version, "echoes")
}

// killedPeer tests a peer that is killed: a typed error says that the messages received may be
// incomplete.
func killedPeer(t *testing.T, version uint16) string {
	f, server := echoing(t, version)
	f.fatal = true
	f.begin()
	time.Sleep(*faultTime / 3)
	server.kill()
	f.finish()
	err := f.ended.Load()
	if err == nil {
		t.Fatal("no error tells that the peer was killed")
	}
	end, ok := errors.AsType[*sctpdtls.AssociationError](*err)
	if !ok || !errors.Is(*err, io.ErrUnexpectedEOF) {
		t.Errorf("the peer was killed: %v, want an AssociationError", *err)
	}
	return fmt.Sprintf(
		"| the peer's process is killed (SIGKILL) | %s | | %d | | %d | %d | %d | | %v |",
		versionName(version)[len("DTLS "):], f.delivered(), f.tally[0].doubled, f.tally[0].disordered,
		f.tally[0].damaged, end)
}
