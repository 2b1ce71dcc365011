//go:build kernel && linux

package sctpsock

import (
	"bytes"
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// sysctl returns the value of a sysctl of net.core.
func sysctl(t *testing.T, name string) int {
	t.Helper()
	b, err := os.ReadFile("/proc/sys/net/core/" + name)
	must(t, err)
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	must(t, err)
	return n
}

// withoutNetAdmin runs f in a thread that has not the capability to exceed the sysctls.
func withoutNetAdmin(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and let it end with the goroutine
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		if err := unix.Capget(&header, &data[0]); err != nil {
			t.Error(err)
			return
		}
		data[0].Effective &^= 1 << unix.CAP_NET_ADMIN
		if err := unix.Capset(&header, &data[0]); err != nil {
			t.Error(err)
			return
		}
		f()
	}()
	<-done
}

// Buffers are as large as the largest message, by force where that is allowed, and where it is not
// the error says which sysctl has to be how large.
func TestBuffersForLargeMessages(t *testing.T) {
	read, write := sysctl(t, "rmem_max"), sysctl(t, "wmem_max")
	large := 4 * max(read, write)
	for _, o := range []Options{
		{MessageSize: large},
		{MessageSize: large, Options: stream.Options{ReadBuffer: 2 * large, WriteBuffer: 2 * large}},
	} {
		s := settingsWith(t, o)
		want := 2 * max(large, o.ReadBuffer)
		if s.buffers != [2]int{want, want} {
			t.Errorf("buffers of %v bytes for messages of %d, want %d", s.buffers, large, want)
		}
	}
	withoutNetAdmin(t, func() {
		for b, most := range map[*socketBuffer]int{&readBuffer: read, &writeBuffer: write} {
			fd, errno := socket(unix.AF_INET)
			if errno != 0 {
				t.Error(errno)
				return
			}
			if err := b.set(fd, 0, most); err != nil {
				t.Errorf("%s for messages of %d bytes: %v", b.option, most, err)
			}
			err := b.set(fd, 0, most+1)
			e, ok := errtype.As[*stream.OptionError](err)
			remedy := "set the sysctl " + b.sysctl + " to " + strconv.Itoa(most+1) + " or more"
			if !ok || e.Option != b.option || !strings.Contains(e.Remedy, remedy) {
				t.Errorf("%s for messages of %d bytes: %v", b.option, most+1, err)
			}
			unix.Close(fd)
		}
	})
}

// A message as large as the buffers arrives, and is the largest that can be sent.
func TestLargestMessage(t *testing.T) {
	const size = 1 << 20
	o := &Options{MessageSize: size}
	a, b := pair(t, o, o)
	most, err := a.MaxMessage()
	if err != nil || most < size {
		t.Fatalf("MaxMessage is %d, %v", most, err)
	}
	message := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	must(t, a.Send(message, stream.Info{Stream: 2, PPID: 7}))
	got, _ := readParts(t, b, 100_000)
	if got != string(message) {
		t.Errorf("%d bytes came", len(got))
	}
	err = a.Send(make([]byte, most+1), stream.Info{})
	if !errors.Is(err, unix.EMSGSIZE) || !strings.Contains(err.Error(), "does not fit") {
		t.Errorf("a message of %d bytes: %v", most+1, err)
	}
}
