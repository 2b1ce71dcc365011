package sctpdtls

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/internal/sctpsock"
)

// A Path leads from this end to one address of the peer (RFC 6458, Section 8.2.2). SCTP uses the
// primary path as long as it is active, and another one for what was lost, and when it has failed.
// None of that touches the DTLS connection.
type Path struct {
	Addr    netip.Addr // of the peer
	State   PathState
	Primary bool
	RTT     time.Duration // smoothed; 0 before the first measurement, and below a tick of the kernel (1 to 10 ms)
	RTO     time.Duration // retransmission timeout now
	Window  int           // congestion window, in bytes
	MTU     int           // in bytes
}

// A PathState says whether a path can be used.
type PathState uint8

// What a path can be.
const (
	PathInactive          = PathState(sctpsock.StateInactive)          // it has failed
	PathPotentiallyFailed = PathState(sctpsock.StatePotentiallyFailed) // something was lost on it lately (RFC 7829)
	PathActive            = PathState(sctpsock.StateActive)
	PathUnconfirmed       = PathState(sctpsock.StateUnconfirmed) // the peer has not answered there yet
)

func (s PathState) String() string {
	return name([]string{"inactive", "potentially failed", "active", "unconfirmed"}, int(s))
}

// ErrFixedAddresses is returned by [Conn.BindAdd] and [Conn.BindRemove] unless both ends have asked
// for [SCTPOptions].AddressChanges.
var ErrFixedAddresses = sctpsock.ErrFixedAddresses

// multihomed is what the association of a kernel can do beside.
type multihomed interface {
	Paths() ([]sctpsock.Path, error)
	Stats() (sctpsock.Stats, error)
	SetPrimary(netip.Addr) error
	BindAdd(netip.Addr) error
	BindRemove(netip.Addr) error
	SetStreamPriority(stream, value uint16) error
}

func (c *Conn) kernel() (multihomed, error) {
	if !c.ok() {
		return nil, syscall.EINVAL
	}
	if k, ok := c.assoc.(multihomed); ok {
		return k, nil
	}
	return nil, errors.ErrUnsupported
}

// Paths returns the paths to the peer. After the end of the association it fails with the error of
// writes.
func (c *Conn) Paths() ([]Path, error) {
	k, err := c.kernel()
	if err != nil {
		return nil, err
	}
	list, err := k.Paths()
	if err != nil {
		return nil, c.whyEnded(err)
	}
	paths := make([]Path, len(list))
	for i, p := range list {
		paths[i] = newPath(p)
	}
	return paths, nil
}

func newPath(p sctpsock.Path) Path {
	return Path{p.Addr.Addr(), PathState(p.State), p.Primary, p.SRTT, p.RTO, p.Cwnd, p.MTU}
}

// SetPrimary makes the path to this address of the peer the primary one (RFC 6458, Section 8.1.9).
func (c *Conn) SetPrimary(peer netip.Addr) error {
	k, err := c.kernel()
	if err != nil {
		return err
	}
	return c.whyEnded(k.SetPrimary(peer))
}

// BindAdd adds an address of this host to the association and tells the peer (RFC 5061), without
// waiting for its consent. This end must have been bound to addresses of its own choice, by
// [Dialer].LocalAddr or [Listen], not to all. Associations that a [Listener] makes later are not
// concerned.
func (c *Conn) BindAdd(local netip.Addr) error {
	k, err := c.kernel()
	if err != nil {
		return err
	}
	return c.whyEnded(k.BindAdd(local))
}

// BindRemove takes an address of this host from the association and tells the peer, as
// [Conn.BindAdd] does. The last one stays.
func (c *Conn) BindRemove(local netip.Addr) error {
	k, err := c.kernel()
	if err != nil {
		return err
	}
	return c.whyEnded(k.BindRemove(local))
}

// whyEnded makes err, of a call that only asks or sets something, what has ended the connection if
// that is the reason.
func (c *Conn) whyEnded(err error) error {
	if _, ok := errtype.As[*sctpsock.AssociationError](err); !ok && !errors.Is(err, net.ErrClosed) {
		return err
	}
	if c.closing.Load() {
		return net.ErrClosed
	}
	if end := c.writeEnd.Load(); end != nil {
		return *end
	}
	return &AssociationError{End: AssociationLost, Err: err} // nobody has read yet how
}

// name is the i-th of names.
func name(names []string, i int) string {
	if i >= 0 && i < len(names) {
		return names[i]
	}
	return "unknown"
}
