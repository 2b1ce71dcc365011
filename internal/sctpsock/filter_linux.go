package sctpsock

import (
	"os"

	"golang.org/x/sys/unix"
)

// A packetFilter is a classic BPF program that drops packets of an association before the kernel's
// SCTP processes them. The program sees a packet from its first chunk on.
type packetFilter struct {
	refuseRestart bool
	repeated      bool // of what comes under key, only messages up to last are taken
	key           uint16
	last          uint32
	most          int // chunks that a packet may have after its AUTH chunk under key
}

// RefuseRestart drops every INIT chunk for this association, so that nobody can restart it, neither
// an attacker nor the peer.
//
// Without it, a restart is reported as [Restarted] and ends the association, and a peer that has
// lost its state can start over at once. With it, such a peer gets no answer at the same address
// and port until the heartbeats of this end have failed, which takes minutes with the kernel's
// settings. So it is not the default. Its advantage: without it, between the restart and the call
// of Recv that reports it, the kernel accepts messages for the peer's new association, without
// SCTP-AUTH if the peer offers none.
//
// It does not affect associations of other ports, or new ones of a listener.
func (s *Socket) RefuseRestart() error {
	s.filter.refuseRestart = true
	return s.attach()
}

// TakeRepeated implements [stream.KeyLimiter]. It drops packets under key id of SCTP-AUTH, except
// DATA chunks with a TSN up to last, which were received before: the peer may retransmit them, and
// wait for their acknowledgement. It lasts until [Socket.TakeAll].
//
// RefuseRestart, TakeRepeated and TakeAll must not be called concurrently.
func (s *Socket) TakeRepeated(id uint16, last uint32) error {
	s.limit(id, last)
	return s.attach()
}

// limit sets what TakeRepeated drops.
func (s *Socket) limit(id uint16, last uint32) {
	f := &s.filter
	f.repeated, f.key, f.last, f.most = true, id, last, mostAfter
	// Under the first key, no packet has more chunks than the peer has sent since the beginning.
	if n := last - s.firstTSN + 1; id == 0 && s.received && !s.adopted && n < mostAfter {
		f.most = int(n)
	}
}

// TakeAll implements [stream.KeyLimiter].
func (s *Socket) TakeAll() error {
	s.filter.repeated = false
	return s.attach()
}

func (s *Socket) attach() error { return s.control(s.filter.attach) }

func (f *packetFilter) attach(fd int) error {
	filter := f.program()
	if filter == nil {
		return os.NewSyscallError("SO_DETACH_FILTER",
			setInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0))
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	return os.NewSyscallError("SO_ATTACH_FILTER",
		setOpt(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog))
}

// A filterProgram is a classic BPF program in which X is the offset of a chunk. It is short,
// because the kernel compiles it, at a cost of 2,000 instructions for each of its own.
type filterProgram struct {
	code           []unix.SockFilter
	toTake, toDrop []int // jumps to the ends, to be taken unless their comparison holds
}

func (p *filterProgram) add(instructions ...unix.SockFilter) {
	p.code = append(p.code, instructions...)
}

// load loads a field of the chunk.
func (p *filterProgram) load(size uint16, at uint32) {
	p.add(unix.SockFilter{Code: unix.BPF_LD | size | unix.BPF_IND, K: at})
}

// compare adds a comparison of what was loaded, and returns its index.
func (p *filterProgram) compare(comparison uint16, k uint32) int {
	p.add(unix.SockFilter{Code: unix.BPF_JMP | comparison, K: k})
	return len(p.code) - 1
}

// require drops the packet unless a comparison of what was loaded holds.
func (p *filterProgram) require(comparison uint16, k uint32) {
	p.toDrop = append(p.toDrop, p.compare(comparison, k))
}

// takeAtEnd accepts the packet if there are no more chunks.
func (p *filterProgram) takeAtEnd() {
	p.add(unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_LEN})
	p.toTake = append(p.toTake, p.compare(unix.BPF_JGT|unix.BPF_X, 0))
}

// nextChunk goes to the next chunk: RFC 9260, Section 3.2.
func (p *filterProgram) nextChunk() {
	p.load(unix.BPF_H, 2) // its length, to be rounded up to a multiple of 4
	p.add(
		unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_ADD | unix.BPF_K, K: 3},
		unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0x1fffc},
		unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_ADD | unix.BPF_X},
		unix.SockFilter{Code: unix.BPF_MISC | unix.BPF_TAX})
}

// end adds the two ends, and returns the program.
func (p *filterProgram) end() []unix.SockFilter {
	ret := func(from []int, bytes uint32) {
		for _, i := range from {
			p.code[i].Jf = uint8(len(p.code) - i - 1)
		}
		p.add(unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: bytes})
	}
	ret(p.toTake, 1<<32-1)
	ret(p.toDrop, 0)
	return p.code
}

// How many chunks a packet may have before its AUTH chunk, and at most after it under the key in
// question. No flight of a handshake has more records. A packet with more is dropped, because the
// rest of its chunks are not checked.
const (
	mostBefore = 2
	mostAfter  = 6
)

const chunkINIT, chunkAUTH = 1, 15

// program returns nil if nothing is to be dropped.
func (f *packetFilter) program() []unix.SockFilter {
	if !f.refuseRestart && !f.repeated {
		return nil
	}
	p := new(filterProgram)
	p.add(unix.SockFilter{Code: unix.BPF_LDX | unix.BPF_IMM})
	if f.refuseRestart { // INIT is always the only chunk
		p.load(unix.BPF_B, 0)
		i := p.compare(unix.BPF_JEQ, chunkINIT)
		p.code[i].Jf = 1
		p.add(unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K})
	}
	if !f.repeated {
		return p.end()
	}
	// Find the AUTH chunk: each round has found none so far.
	var found []int // jumps to what follows
	for range mostBefore + 1 {
		p.takeAtEnd()
		p.load(unix.BPF_B, 0)
		found = append(found, p.compare(unix.BPF_JEQ, chunkAUTH))
		p.nextChunk()
	}
	p.add(unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K})
	for _, i := range found {
		p.code[i].Jt = uint8(len(p.code) - i - 1)
	}
	// X is at AUTH, which has the identifier of its key: RFC 4895, Section 4.1.
	p.load(unix.BPF_H, 4)
	p.toTake = append(p.toTake, p.compare(unix.BPF_JEQ, uint32(f.key)))
	p.nextChunk()
	for range f.most {
		p.takeAtEnd()
		p.load(unix.BPF_B, 0)
		p.require(unix.BPF_JEQ, chunkDATA)
		// TSN - last - 1 is negative, as far as sequence numbers go: RFC 9260, Section 1.6.
		p.load(unix.BPF_W, 4)
		p.add(unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_SUB | unix.BPF_K, K: f.last + 1})
		p.require(unix.BPF_JGE, 1<<31)
		p.nextChunk()
	}
	p.takeAtEnd()
	p.add(unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K}) // more than there may be
	return p.end()
}
