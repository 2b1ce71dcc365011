//go:build kernel

package netns

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// This file runs programs as if the kernel lacked a feature. A seccomp(2) filter answers system
// calls in place of the kernel, which works on every kernel and affects no other process.

// A lack is a feature that a kernel does not have.
type lack string

const (
	lackSCTP lack = "lack-sctp"
	lackIPv6 lack = "lack-ipv6" // ipv6.disable=1
	lackAuth lack = "lack-auth" // net.sctp.auth_enable is 0, and there is no socket option instead
)

// SCTP socket options of RFC 6458, Sections 8.1.18 and 8.1.19, and of Linux.
const (
	optionAuthChunk     = 21
	optionHMACIdent     = 22
	optionAuthKey       = 23
	optionAuthSupported = 129
)

// startLacking is like [Host.Start] with a kernel that lacks a feature. The test binary runs
// itself, installs the filter, and executes the program.
func (h *Host) startLacking(t *testing.T, what lack, name string, args ...string) *Process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return h.Start(t, self, append([]string{string(what), name}, args...)...)
}

func init() {
	if len(os.Args) < 3 {
		return
	}
	var filter []unix.SockFilter
	switch lack(os.Args[1]) {
	case lackSCTP:
		filter = deny(unix.SYS_SOCKET, map[uint32]uint32{2: unix.IPPROTO_SCTP}, unix.EPROTONOSUPPORT)
	case lackIPv6:
		filter = deny(unix.SYS_SOCKET, map[uint32]uint32{0: unix.AF_INET6}, unix.EAFNOSUPPORT)
	case lackAuth:
		// These are the errors of Linux without the option, and without the sysctl.
		for option, errno := range map[uint32]unix.Errno{
			optionAuthSupported: unix.ENOPROTOOPT,
			optionAuthChunk:     unix.EACCES,
			optionHMACIdent:     unix.EACCES,
			optionAuthKey:       unix.EACCES,
		} {
			filter = append(filter, deny(unix.SYS_SETSOCKOPT,
				map[uint32]uint32{1: unix.IPPROTO_SCTP, 2: option}, errno)...)
		}
	default:
		return
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: seccompAllow})
	fmt.Fprintln(os.Stderr, "lacking:", become(filter, os.Args[2:]))
	os.Exit(125)
}

// Return values and offsets of a filter; see linux/seccomp.h.
const (
	seccompAllow = 0x7fff0000
	seccompErrno = 0x00050000

	offsetCall = 0  // of the system call number
	offsetArgs = 16 // of its arguments, eight bytes each, with the low half first on all our machines
)

// deny makes the system call fail with errno if its arguments have these values. Otherwise the
// filter continues after these instructions.
func deny(call uint32, args map[uint32]uint32, errno unix.Errno) []unix.SockFilter {
	f := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offsetCall},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call},
	}
	for i, value := range args {
		f = append(f,
			unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offsetArgs + 8*i},
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: value})
	}
	f = append(f, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: seccompErrno | uint32(errno)})
	for i := range f {
		if f[i].Code&0x07 == unix.BPF_JMP {
			f[i].Jf = uint8(len(f) - i - 1) // if not equal, continue after these instructions
		}
	}
	return f
}

// become executes a program in place of this one, under the filter. It returns only if that fails.
func become(filter []unix.SockFilter, args []string) error {
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	runtime.LockOSThread() // the filter applies to the thread, and to the program that it executes
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER,
		uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
		return err
	}
	return unix.Exec(path, args, os.Environ())
}
