package sctpsock

import (
	"os"

	"golang.org/x/sys/unix"
)

// A packetFilter says which packets of an association the kernel drops before SCTP sees them, by a
// program of classic BPF. It sees a packet from its first chunk on.
type packetFilter struct {
	refuseRestart bool
	repeated      bool // of what comes under key, only messages up to last are taken
	key           uint16
	last          uint32
}

// RefuseRestart drops every INIT chunk for this association, so that nobody
// can restart it: neither an attacker nor the peer.
//
// Without it a restart is seen, reported as [Restarted], and ends the
// association, and a peer that has lost its state can start over at once. With
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
	s.filter.refuseRestart = true
	return s.attach()
}

// TakeRepeated drops what comes under key id of SCTP-AUTH, but for DATA chunks with a TSN up to
// last, which were received before: the peer may send them again, and wait for their
// acknowledgement. It lasts until [Socket.TakeAll].
//
// None of the methods that change what is dropped may be called concurrently with another.
func (s *Socket) TakeRepeated(id uint16, last uint32) error {
	s.filter.repeated, s.filter.key, s.filter.last = true, id, last
	return s.attach()
}

// TakeAll ends TakeRepeated.
func (s *Socket) TakeAll() error {
	s.filter.repeated = false
	return s.attach()
}

func (s *Socket) attach() error {
	return s.control(func(fd int) error {
		filter := s.filter.program()
		if filter == nil {
			err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
			return os.NewSyscallError("SO_DETACH_FILTER", err)
		}
		prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
		return os.NewSyscallError("SO_ATTACH_FILTER",
			unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog))
	})
}

// Instructions of classic BPF; X is where a chunk begins.
var (
	drop  = unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K}
	take  = unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 1<<32 - 1}
	begin = unix.SockFilter{Code: unix.BPF_LDX | unix.BPF_IMM}
)

// load loads a field of the chunk.
func load(size uint16, at uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | size | unix.BPF_IND, K: at}
}

// unless skips the next instruction if a comparison of what was loaded holds.
func unless(comparison uint16, k uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | comparison, K: k, Jt: 1}
}

// nextChunk goes to the next chunk: RFC 9260, Section 3.2.
var nextChunk = []unix.SockFilter{
	load(unix.BPF_H, 2), // its length, to be rounded up to a multiple of 4
	{Code: unix.BPF_ALU | unix.BPF_ADD | unix.BPF_K, K: 3},
	{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0x1fffc},
	{Code: unix.BPF_ALU | unix.BPF_ADD | unix.BPF_X},
	{Code: unix.BPF_MISC | unix.BPF_TAX},
}

// takeAtEnd takes the packet if there is no chunk any more.
var takeAtEnd = []unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_LEN},
	unless(unix.BPF_JGT|unix.BPF_X, 0),
	take,
}

// How many chunks a packet may have before its AUTH chunk, and after it under the key that is
// looked for: no flight of a handshake has more records. A packet with more is dropped, lest
// something is hidden behind them.
const (
	mostBefore = 2
	mostAfter  = 8
)

// program returns nil if nothing is to be dropped.
func (f *packetFilter) program() (p []unix.SockFilter) {
	const chunkINIT, chunkAUTH = 1, 15
	add := func(instructions ...unix.SockFilter) { p = append(p, instructions...) }
	if !f.refuseRestart && !f.repeated {
		return nil
	}
	add(begin)
	if f.refuseRestart { // INIT is always the only chunk
		add(load(unix.BPF_B, 0), unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ, K: chunkINIT, Jf: 1},
			drop)
	}
	if !f.repeated {
		add(take)
		return p
	}
	// Find the AUTH chunk: each round has found none so far.
	var found []int // jumps to what follows
	for range mostBefore + 1 {
		add(takeAtEnd...)
		add(load(unix.BPF_B, 0))
		found = append(found, len(p))
		add(unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ, K: chunkAUTH})
		add(nextChunk...)
	}
	add(drop)
	for _, i := range found {
		p[i].Jt = uint8(len(p) - i - 1)
	}
	// X is at AUTH, which has the identifier of its key: RFC 4895, Section 4.1.
	add(load(unix.BPF_H, 4), unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ, K: uint32(f.key),
		Jt: 1}, take)
	add(nextChunk...)
	for range mostAfter {
		add(takeAtEnd...)
		add(load(unix.BPF_B, 0), unless(unix.BPF_JEQ, chunkDATA), drop)
		// TSN - last - 1 is negative, as far as sequence numbers go: RFC 9260, Section 1.6.
		add(load(unix.BPF_W, 4), unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_SUB | unix.BPF_K,
			K: f.last + 1}, unless(unix.BPF_JGE, 1<<31), drop)
		add(nextChunk...)
	}
	add(takeAtEnd...)
	add(drop)
	return p
}
