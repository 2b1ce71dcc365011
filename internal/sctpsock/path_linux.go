package sctpsock

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/seed-41f70523/dtls-sctp/stream"
	"golang.org/x/sys/unix"
)

// Paths returns the paths to the peer.
func (s *Socket) Paths() ([]stream.Path, error) {
	peers, err := addrs(s.rc, optGetPeerAddrs)
	if err != nil {
		return nil, s.over(err)
	}
	st, err := s.status()
	if err != nil {
		return nil, err
	}
	primary := st.Primary.path().Addr
	paths := make([]stream.Path, 0, len(peers))
	for _, peer := range peers {
		var info peerAddrInfo
		if err := packAddr(info.Address[:], peer); err != nil {
			return nil, err
		}
		err := s.control(func(fd int) error { return getOpt(fd, solSCTP, optPeerAddrInfo, &info) })
		if err == unix.EINVAL {
			continue // the peer has given up the address meanwhile
		}
		if err != nil {
			return nil, os.NewSyscallError("SCTP_GET_PEER_ADDR_INFO", err)
		}
		p := info.path()
		p.Primary = p.Addr == primary
		paths = append(paths, p)
	}
	return paths, nil
}

func (i *peerAddrInfo) path() stream.Path {
	addr, _ := parseSockaddr(i.Address[:])
	return stream.Path{
		Addr:   addr.Addr(),
		State:  stream.PathState(i.State),
		RTT:    time.Duration(i.SRTT) * time.Millisecond,
		RTO:    time.Duration(i.RTO) * time.Millisecond,
		Window: int(i.Cwnd),
		MTU:    int(i.PMTU),
	}
}

// packAddr puts an address at the start of b.
func packAddr(b []byte, addr netip.AddrPort) error {
	_, err := appendSockaddr(b[:0], addr)
	return err
}

// Stats returns what the kernel has counted, Pending first.
func (s *Socket) Stats() (stream.Stats, error) {
	st, err := s.status()
	if err != nil {
		return stream.Stats{}, err
	}
	var as assocStats
	if err := s.control(func(fd int) error {
		b, err := getOptBytes(fd, solSCTP, optAssocStats, make([]byte, 512)) // more than it has
		if err != nil {
			return err
		}
		return as.parse(b)
	}); err != nil {
		return stream.Stats{}, s.over(os.NewSyscallError("SCTP_GET_ASSOC_STATS", err))
	}
	primary := st.Primary.path()
	primary.Primary = true
	return stream.Stats{
		PacketsSent:     as.OutPackets,
		PacketsReceived: as.InPackets,
		ChunksSent:      as.OutOrdered + as.OutUnordered,
		ChunksReceived:  as.InOrdered + as.InUnordered,
		Retransmitted:   as.Retransmitted,
		Duplicates:      as.InDuplicates,
		Unacked:         int(st.Unacked),
		Pending:         int(st.Pending),
		PeerWindow:      int(st.Rwnd),
		Primary:         primary,
	}, nil
}

func (s *Socket) status() (st assocStatus, err error) {
	err = s.control(func(fd int) error { return getOpt(fd, solSCTP, optStatus, &st) })
	return st, s.over(os.NewSyscallError("SCTP_STATUS", err))
}

// over says that there is no association any more where the kernel says EINVAL for that.
func (s *Socket) over(err error) error {
	if errors.Is(err, unix.EINVAL) {
		return &stream.EndError{Err: unix.ENOTCONN}
	}
	return err
}

// SetPrimary makes the path to addr the primary one. (RFC 6458, Section 8.1.9)
func (s *Socket) SetPrimary(addr netip.Addr) error {
	var p primaryAddr
	if err := packAddr(p.Address[:], s.withPort(addr, s.RemoteAddrs())); err != nil {
		return err
	}
	err := s.control(func(fd int) error { return setOpt(fd, solSCTP, optPrimaryAddr, &p) })
	if err == unix.EINVAL {
		if _, err := s.status(); err != nil {
			return err
		}
		return fmt.Errorf("sctp: %v is no address of the peer: %w", addr, err)
	}
	return os.NewSyscallError("SCTP_PRIMARY_ADDR", err)
}

// BindAdd adds an address of this host to the association and tells the peer (RFC 5061). It does
// not wait: the kernel uses the address when the peer has agreed. The socket must have been bound
// to addresses of its own choice, not to all. Options.AddressChanges must be agreed on, else it
// returns [stream.ErrNoAddressChanges].
func (s *Socket) BindAdd(addr netip.Addr) error { return s.rebind("BINDX_ADD", optBindxAdd, addr) }

// BindRemove is the opposite. The last address cannot be removed.
func (s *Socket) BindRemove(addr netip.Addr) error {
	return s.rebind("BINDX_REM", optBindxRemove, addr)
}

func (s *Socket) rebind(name string, opt int, addr netip.Addr) error {
	if _, err := s.status(); err != nil {
		return err
	}
	// The kernel would go ahead alone, and say nothing to the peer.
	agreed, err := s.flag(optASCONFSupported)
	if err != nil && !errors.Is(err, unix.ENOPROTOOPT) {
		return err
	}
	if !agreed {
		return stream.ErrNoAddressChanges
	}
	list, err := appendSockaddr(nil, s.withPort(addr, s.LocalAddrs()))
	if err != nil {
		return err
	}
	err = s.control(func(fd int) error { return setOptBytes(fd, solSCTP, opt, list) })
	switch err {
	case nil:
		return nil
	case unix.EBUSY:
		return &remedyError{os.NewSyscallError(name, err), "it is the last address"}
	case unix.EINVAL:
		return &remedyError{os.NewSyscallError(name, err),
			"is the socket bound to addresses of its own choice, and is it one of them to remove, none " +
				"to add?"}
	}
	return withRemedy(name, err)
}

// withPort is addr with the port of the association.
func (s *Socket) withPort(addr netip.Addr, end []netip.AddrPort) netip.AddrPort {
	var port uint16
	if len(end) > 0 {
		port = end[0].Port()
	}
	return netip.AddrPortFrom(addr.Unmap(), port)
}
