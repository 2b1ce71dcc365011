package sctpdtls

import (
	"cmp"
	"context"
	"fmt"
	"net"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/internal/sctpsock"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A kernelAssociation is an association of the kernel, with the addresses that users know. It is
// used by pointer: methods of the Socket are then called without a copy of their results.
type kernelAssociation struct{ *sctpsock.Socket }

func (k *kernelAssociation) LocalAddr() net.Addr  { return fromAddrPorts(k.LocalAddrs()) }
func (k *kernelAssociation) RemoteAddr() net.Addr { return fromAddrPorts(k.RemoteAddrs()) }

// socket returns the options for a socket with SCTP-AUTH.
func (c *Config) socket() (*sctpsock.Options, error) {
	if err := cmp.Or(c.check(), checkBuffers(&c.SCTP, c.largeRecord())); err != nil {
		return nil, err
	}
	return &sctpsock.Options{Options: c.SCTP, Events: c.events(),
		AuthChunks: authchunk.DefaultChunks(), MessageSize: c.largeRecord()}, nil
}

// minBuffer is the least buffer that is asked for, which the kernel doubles: one record must fit.
const minBuffer = 16 << 10

// checkBuffers finds what would not work with DTLS, and a large record of so many bytes if there
// are any. The rest is for package stream and the kernel to find.
func checkBuffers(o *SCTPOptions, record int) error {
	least, usual := max(minBuffer, record), max(256<<10, record)
	for name, size := range map[string]int{"ReadBuffer": o.ReadBuffer, "WriteBuffer": o.WriteBuffer} {
		if size != 0 && size < least {
			return &OptionError{Option: name, Value: size, Remedy: fmt.Sprintf(
				"the largest record does not fit; want %d bytes or more, or 0 for %d", least, usual)}
		}
	}
	return nil
}

func dialKernel(ctx context.Context, network string, local, remote *Addr,
	config *Config) (stream.Association, error) {
	o, err := config.socket()
	if err != nil {
		return nil, err
	}
	s, err := sctpsock.Dial(ctx, addrPorts(local, network), addrPorts(remote, network), o)
	if err != nil {
		return nil, inner(err)
	}
	return &kernelAssociation{s}, nil
}

// A kernelListener is a socket that listens.
type kernelListener struct{ *sctpsock.Listener }

func listenKernel(network string, addr *Addr, config *Config) (stream.Listener, error) {
	o, err := config.socket()
	if err != nil {
		return nil, err
	}
	o.V6Only = network == "sctp6"
	l, err := sctpsock.Listen(addrPorts(addr, network), o)
	if err != nil {
		return nil, inner(err)
	}
	return kernelListener{l}, nil
}

func (l kernelListener) Accept() (stream.Association, error) {
	s, err := l.Listener.Accept()
	if err != nil {
		return nil, inner(err)
	}
	return &kernelAssociation{s}, nil
}

func (l kernelListener) Addr() net.Addr { return fromAddrPorts(l.Addrs()) }

// inner takes the net.OpError off, for this package makes its own.
func inner(err error) error {
	if op, ok := errtype.As[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

// events are those that the kernel has to be asked for: for the keyring, and for Trace.
func (c *Config) events() []sctpsock.EventType {
	if c.Logger == nil && (c.Trace == nil || c.Trace.Event == nil) {
		return []sctpsock.EventType{sctpsock.EventAuthentication}
	}
	return allEvents
}

var allEvents = []sctpsock.EventType{sctpsock.EventAuthentication, sctpsock.EventPeerAddrChange,
	sctpsock.EventRemoteError, sctpsock.EventSendFailed}
