package sctpdtls

import (
	"context"
	"net"
	"time"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/internal/sctpsock"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A kernelAssociation is an association of the kernel, in the words of package stream.
type kernelAssociation struct {
	*sctpsock.Socket
	rto   [3]time.Duration // initial, least, most, as they are outside of handshakes
	brisk bool             // during a handshake
	sacks sackPolicy

	first    uint32 // TSN of the first message
	received bool   // there was one
}

// A sackPolicy says when acknowledgements go out. A peer that wants to change keys waits for them,
// and may not ask for them at once (RFC 7053); one that sends messages only pays for more packets.
type sackPolicy uint8

const (
	sackAsTold  sackPolicy = iota // by SCTPOptions.SACKDelay
	sackAtOnce                    // a handshake is under way
	sackDelayed                   // as every SCTP does
)

// usualSACKDelay is what RFC 9260, Section 6.2, recommends, and Linux's own.
const usualSACKDelay = 200 * time.Millisecond

func (o *SCTPOptions) sackPolicy() sackPolicy {
	if o.SACKDelay == nil {
		return sackAtOnce
	}
	return sackAsTold
}

// newKernelAssociation does what can be done only when there is an association.
func newKernelAssociation(s *sctpsock.Socket, o *SCTPOptions) (association, error) {
	if o.RefuseRestart {
		if err := s.RefuseRestart(); err != nil {
			s.Abort()
			return nil, err
		}
	}
	return &kernelAssociation{Socket: s, sacks: o.sackPolicy()}, nil
}

func dialKernel(ctx context.Context, network string, local, remote *Addr, config *Config) (association, error) {
	o, err := config.socket()
	if err != nil {
		return nil, err
	}
	s, err := sctpsock.Dial(ctx, addrPorts(local, network), addrPorts(remote, network), o)
	if err != nil {
		return nil, inner(err)
	}
	return newKernelAssociation(s, &config.SCTP)
}

type kernelSocketListener struct {
	*sctpsock.Listener
	options *SCTPOptions
}

func listenKernel(network string, addr *Addr, config *Config) (kernelListener, error) {
	o, err := config.socket()
	if err != nil {
		return nil, err
	}
	o.V6Only = network == "sctp6"
	l, err := sctpsock.Listen(addrPorts(addr, network), o)
	if err != nil {
		return nil, inner(err)
	}
	return kernelSocketListener{l, &config.SCTP}, nil
}

// inner takes the net.OpError off, for this package makes its own, and sees to it that
// errors match types that callers can name.
func inner(err error) error {
	if op, ok := errtype.As[*net.OpError](err); ok {
		err = op.Err
	}
	if _, ok := errtype.As[*sctpsock.AuthUnavailableError](err); ok {
		return &noLocalAuthError{err}
	}
	return err
}

// A noLocalAuthError is an [AuthUnsupportedError] of this end, in the words of package sctpsock.
type noLocalAuthError struct{ error }

func (e *noLocalAuthError) Unwrap() []error { return []error{e.error, &AuthUnsupportedError{}} }

func (l kernelSocketListener) accept() (association, error) {
	s, err := l.Accept()
	if err != nil {
		return nil, inner(err)
	}
	return newKernelAssociation(s, l.options)
}

func (l kernelSocketListener) Addr() net.Addr { return fromAddrPorts(l.Addrs()) }

func (k *kernelAssociation) Recv(b stream.Buffer, wait bool) (stream.Part, error) {
	p, err := k.RecvBuffer(b, wait)
	if err != nil {
		return stream.Part{}, wouldBlock(err)
	}
	part := stream.Part{N: p.N, End: p.End, TSN: p.TSN, Info: stream.Info{Stream: p.Info.Stream, PPID: p.Info.PPID, Unordered: p.Info.Unordered}}
	if p.Event != nil {
		part.Event = streamEvent(p.Event)
	} else if !k.received {
		k.first, k.received = p.TSN, true
	}
	return part, nil
}

// Missing counts from the first message on. What comes between the two questions, what the kernel
// has counted twice for lack of memory, and what was received before somebody else gave the socket
// away make highest too high.
func (k *kernelAssociation) Missing() (missing int, highest uint32, err error) {
	s, err := k.Stats()
	return s.Pending, k.first + uint32(s.InChunks) + uint32(s.Pending) - 1, err
}

func streamEvent(ev sctpsock.Event) stream.Event {
	switch ev := ev.(type) {
	case sctpsock.AuthKey:
		if ev.What == sctpsock.AuthNewKey {
			return stream.NewKey{ID: ev.ID}
		}
	case sctpsock.Dry:
		return stream.Dry{}
	case sctpsock.Down:
		return stream.Down{Clean: ev.Clean, Cause: ev.Cause}
	case sctpsock.Restarted:
		return stream.Restarted{}
	case sctpsock.PeerShutdown:
		return stream.PeerShutdown{}
	case sctpsock.PartialAborted:
		return stream.PartialAborted{}
	}
	return stream.Other{Event: ev}
}

// wouldBlock is err in the words of package stream.
func wouldBlock(err error) error {
	if err == sctpsock.ErrWouldBlock {
		return stream.ErrWouldBlock
	}
	return err
}

func (k *kernelAssociation) Send(b []byte, info stream.Info) error {
	return k.Socket.Send(b, sctpsock.SendInfo(info))
}

func (k *kernelAssociation) TrySend(b []byte, info stream.Info) error {
	return wouldBlock(k.Socket.TrySend(b, sctpsock.SendInfo(info)))
}

// TrySendAll is that of the socket.
func (k *kernelAssociation) TrySendAll(records [][]byte, infos []stream.Info) (n int, err error) {
	var out [sctpsock.MaxBatch]sctpsock.SendInfo
	for i, info := range infos {
		out[i] = sctpsock.SendInfo(info)
	}
	n, err = k.Socket.TrySendAll(records, out[:len(infos)])
	return n, wouldBlock(err)
}

func (k *kernelAssociation) AuthAgreement() (a authchunk.Agreement, err error) {
	if a.Peer, err = k.PeerAuthChunks(); err != nil {
		return a, err
	}
	if a.Supported = len(a.Peer) > 0; !a.Supported {
		if a.Supported, err = k.AuthSupported(); err != nil {
			return a, err
		}
	}
	if !a.Supported {
		// The kernel shows no lists then, not even ours, though we have asked.
		a.Local = authchunk.DefaultChunks()
		return a, nil
	}
	if a.PartialReliability, err = k.PartialReliability(); err != nil {
		return a, err
	}
	// Interleaving is never negotiated: see package sctpsock.
	a.Local, err = k.LocalAuthChunks()
	return a, err
}

// handshakeRTO is the least retransmission timeout while a handshake is under way. The peer
// drops what comes under a key that it has not computed yet, which it may
// not have when the network is faster than its processor; then 1 s, the kernel's least, is long.
//
// The kernel applies a new minimum when it next measures the path, and not before. So the old one
// is given back ahead of the ChangeCipherSpec: the short timeout still holds for that, and when it
// is acknowledged the usual one is back. Given back after the handshake, it would come too late for
// the first application data, which a peer that delays its acknowledgement would get twice.
const handshakeRTO = 20 * time.Millisecond

func (k *kernelAssociation) Handshaking(on bool) error {
	if on == k.brisk {
		return nil
	}
	k.brisk = on
	if !on {
		return k.SetRTO(k.rto[0], k.rto[1], k.rto[2])
	}
	if k.sacks == sackDelayed {
		k.sacks = sackAtOnce
		if err := k.SetSACKDelay(0); err != nil {
			return err
		}
	}
	var err error
	if k.rto[0], k.rto[1], k.rto[2], err = k.RTO(); err != nil {
		return err
	}
	return k.SetRTO(0, min(handshakeRTO, k.rto[1]), 0)
}

func (k *kernelAssociation) Settled() error {
	if k.sacks != sackAtOnce {
		return nil
	}
	k.sacks = sackDelayed
	return k.SetSACKDelay(usualSACKDelay)
}

func (k *kernelAssociation) Pause(d time.Duration) { sctpsock.Pause(d) }

func (k *kernelAssociation) LocalAddr() net.Addr  { return fromAddrPorts(k.LocalAddrs()) }
func (k *kernelAssociation) RemoteAddr() net.Addr { return fromAddrPorts(k.RemoteAddrs()) }
