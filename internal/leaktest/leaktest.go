// Package leaktest detects goroutines and file descriptors that the tests of a package leave
// behind.
package leaktest

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// patience is how long Run waits for goroutines that are about to return.
const patience = 30 * time.Second

// Run runs the tests of m, a *testing.M, and returns their exit status, or 1 if they pass but leave
// goroutines or file descriptors behind. It is for TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(leaktest.Run(m)) }
func Run(m interface{ Run() int }) int {
	before := descriptors()
	status := m.Run()
	if f := flag.Lookup("test.fuzz"); status != 0 || f != nil && f.Value.String() != "" {
		return status // tests that failed may leave anything behind, and package internal/fuzz does
	}
	left := leaks(before)
	for until := time.Now().Add(patience); len(left) > 0 &&
		time.Now().Before(until); left = leaks(before) {
		time.Sleep(10 * time.Millisecond) // nothing reports that a goroutine has returned
	}
	for _, what := range left {
		fmt.Fprintf(os.Stderr, "left behind by the tests: %s\n", what)
	}
	return min(len(left), 1)
}

func leaks(before map[string]string) []string {
	left := goroutines()
	for _, fd := range slices.Sorted(maps.Keys(descriptors())) {
		if now := descriptors()[fd]; now != before[fd] {
			left = append(left, "descriptor "+fd+": "+now)
		}
	}
	return left
}

// goroutines returns the stacks of all goroutines except this one and those of the standard library
// that never return.
func goroutines() (stacks []string) {
	buf := make([]byte, 1<<16)
	n := runtime.Stack(buf, true)
	for n == len(buf) {
		buf = make([]byte, 2*len(buf))
		n = runtime.Stack(buf, true)
	}
	// The first stack is that of this goroutine.
	for _, stack := range strings.Split(string(buf[:n]), "\n\n")[1:] {
		if !strings.Contains(stack, "os/signal.loop") {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}

// descriptors returns the open file descriptors and what they refer to, or nothing on systems
// without /proc. The runtime's poller, and a timer that a package shares, are opened when they are
// first needed and remain open; descriptors leaves them out.
func descriptors() map[string]string {
	open := make(map[string]string)
	links, _ := filepath.Glob("/proc/self/fd/*")
	for _, link := range links {
		target, err := os.Readlink(link)
		stays := target == "anon_inode:[eventpoll]" || target == "anon_inode:[eventfd]" ||
			target == "anon_inode:[timerfd]"
		if err == nil && !stays {
			open[filepath.Base(link)] = target
		}
	}
	return open
}
