package sctpdtls

import (
	"errors"
	"net"
	"net/netip"
	"syscall"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// ErrNoAddressChanges is returned by [Conn.BindAdd] and [Conn.BindRemove] unless both ends have set
// [SCTPOptions].AddressChanges.
var ErrNoAddressChanges = stream.ErrNoAddressChanges

// optional calls f with the association as an A, which is one of the optional interfaces of package
// stream. Where it is none, the error is errors.ErrUnsupported. After the end of the association it
// is that of writes.
func optional[A any](c *Conn, f func(A) error) error {
	if !c.ok() {
		return syscall.EINVAL
	}
	a, ok := c.assoc.(A)
	if !ok {
		return errors.ErrUnsupported
	}
	return c.whyEnded(f(a))
}

// Paths returns the paths to the peer. After the end of the association, the error is that of
// writes.
func (c *Conn) Paths() (paths []Path, err error) {
	err = optional(c, func(a stream.Multihomed) (err error) {
		paths, err = a.Paths()
		return err
	})
	return paths, err
}

// SetPrimary makes the path to this address of the peer the primary path (RFC 6458, Section 8.1.9).
func (c *Conn) SetPrimary(peer netip.Addr) error {
	return optional(c, func(a stream.Multihomed) error { return a.SetPrimary(peer) })
}

// BindAdd adds an address of this host to the association and informs the peer (RFC 5061), without
// waiting for its answer. This end must have been bound to specific addresses, by
// [Dialer].LocalAddr or [Listen], not to a wildcard. Later associations of a [Listener] are not
// affected.
func (c *Conn) BindAdd(local netip.Addr) error {
	return optional(c, func(a stream.Multihomed) error { return a.BindAdd(local) })
}

// BindRemove removes an address of this host from the association and informs the peer, as
// [Conn.BindAdd] does. The last address cannot be removed.
func (c *Conn) BindRemove(local netip.Addr) error {
	return optional(c, func(a stream.Multihomed) error { return a.BindRemove(local) })
}

// SetStreamPriority sets the value of an outgoing stream for [SCTPOptions].Scheduler:
// SchedulerPriority sends the lowest value first, for SchedulerWeightedQueue the value is the
// weight. Other schedulers ignore it.
func (c *Conn) SetStreamPriority(id, value uint16) error {
	err := optional(c, func(a stream.Prioritizer) error { return a.SetStreamPriority(id, value) })
	if err != nil && c.ok() {
		if out, _ := c.assoc.Streams(); id >= out {
			return &StreamError{id, out}
		}
	}
	return err
}

// whyEnded makes err, of a call that only asks or sets something, what has ended the connection if
// that is the reason.
func (c *Conn) whyEnded(err error) error {
	if _, ok := errtype.As[*stream.EndError](err); !ok && !errors.Is(err, net.ErrClosed) {
		return err
	}
	if c.closing.Load() {
		return net.ErrClosed
	}
	if end := c.writeEnd.Load(); end != nil {
		return *end
	}
	return &AssociationError{State: AssocLost, Err: err} // nobody has read yet how
}
