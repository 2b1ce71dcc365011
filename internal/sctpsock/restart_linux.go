package sctpsock

import (
	"os"

	"golang.org/x/sys/unix"
)

// RefuseRestart drops every INIT chunk for this association, so that nobody
// can restart it: neither an attacker nor the peer.
//
// Without it a restart is seen, reported as [Restarted], and ends the
// association, and a peer that has lost its state can begin anew at once. With
// it such a peer, if it comes from the same address and port, gets no
// answer until this end has noticed by its heartbeats that the old association is dead,
// which takes minutes at the kernel's settings. Therefore it is not the
// default. It is for those who prefer a dead peer to stay dead over one message
// sent to a restarted one: between the restart and the call of Recv that
// reports it the kernel accepts messages for the peer's new
// association, without SCTP-AUTH if the peer offers none.
//
// Associations of other ports and a listener's new ones are not concerned.
func (s *Socket) RefuseRestart() error {
	// The filter sees a packet from its first chunk on. INIT is always the only one.
	const chunkINIT = 1
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: chunkINIT, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: 1<<32 - 1},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	return s.control(func(fd int) error {
		return os.NewSyscallError("SO_ATTACH_FILTER",
			unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog))
	})
}
