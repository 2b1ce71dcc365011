package sctpsock

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Socket options at level SOL_SCTP, from linux/sctp.h.
const (
	optRTOInfo               = 0
	optAssocInfo             = 1
	optInitMsg               = 2
	optNoDelay               = 3
	optPrimaryAddr           = 6
	optPeerAddrParams        = 9
	optEvents                = 11
	optStatus                = 14
	optPeerAddrInfo          = 15
	optDelayedSACK           = 16
	optFragmentInterleave    = 18
	optPartialDeliveryPoint  = 19
	optAuthChunk             = 21
	optHMACIdent             = 22
	optAuthKey               = 23
	optAuthActiveKey         = 24
	optAuthDeleteKey         = 25
	optPeerAuthChunks        = 26
	optLocalAuthChunks       = 27
	optRecvRcvInfo           = 32
	optBindxAdd              = 100
	optBindxRemove           = 101
	optGetPeerAddrs          = 108
	optGetLocalAddrs         = 109
	optConnectx3             = 111
	optAssocStats            = 112
	optPRSupported           = 113
	optStreamScheduler       = 123
	optStreamSchedulerValue  = 124
	optInterleavingSupported = 125
	optEvent                 = 127
	optASCONFSupported       = 128
	optAuthSupported         = 129
	optUDPEncapsPort         = 132
)

const solSCTP = unix.IPPROTO_SCTP

// Control messages (RFC 6458, Section 5.3).
const (
	cmsgSndInfo = 2
	cmsgRcvInfo = 3
	cmsgPRInfo  = 5
)

// Flags of messages. The two of the receive flags are those of recvmsg.
const (
	flagUnordered       = 1
	flagSACKImmediately = 8
	policyNone          = 0
	policyTTL           = 0x10
	policyRTX           = 0x20

	msgEOR          = unix.MSG_EOR
	msgNotification = 0x8000
)

// The structures of linux/sctp.h, in host byte order where no comment says
// otherwise. The association identifier is ignored on one-to-one sockets.
type (
	sndInfo struct {
		Stream, Flags uint16
		PPID          [4]byte // network order
		Context       uint32
		AssocID       int32
	}
	rcvInfo struct {
		Stream, SSN, Flags uint16
		_                  uint16
		PPID               [4]byte // network order
		TSN, CumTSN        uint32
		Context            uint32
		AssocID            int32
	}
	prInfo struct {
		Policy uint16
		Value  uint32
	}

	rtoInfo struct {
		AssocID           int32
		Initial, Max, Min uint32 // ms
	}
	assocParams struct {
		AssocID          int32
		MaxRetrans       uint16
		PeerDestinations uint16
		PeerRwnd, Rwnd   uint32
		CookieLife       uint32 // ms
	}
	initMsg struct {
		OutStreams, MaxInStreams, MaxAttempts uint16
		MaxTimeout                            uint16 // ms
	}
	sackInfo struct {
		AssocID     int32
		Delay, Freq uint32 // ms, packets
	}
	// peerAddrParams is packed, so that what follows PathMaxRetrans lies
	// across its natural alignment.
	peerAddrParams struct {
		AssocID           int32
		Address           [128]byte
		HeartbeatInterval uint32 // ms
		PathMaxRetrans    uint16
		PathMTU           [4]byte
		SACKDelay         [4]byte
		Flags             [4]byte
		FlowLabel         [4]byte
		DSCP              uint8
		_                 uint8
	}
	peerAddrInfo struct {
		AssocID               int32
		Address               [128]byte
		State                 int32
		Cwnd, SRTT, RTO, PMTU uint32 // bytes, ms, ms, bytes
	}
	assocStatus struct {
		AssocID               int32
		State                 int32
		Rwnd                  uint32
		Unacked, Pending      uint16
		InStreams, OutStreams uint16
		FragmentationPoint    uint32
		Primary               peerAddrInfo
	}
	// assocStats is the end of sctp_assoc_stats. See its method parse.
	assocStats struct {
		MaxRTO        uint64 // ms, since it was last asked for
		InSACKs       uint64
		OutSACKs      uint64
		OutPackets    uint64
		InPackets     uint64
		Retransmitted uint64 // chunks
		OutOfSeqTSNs  uint64
		InDuplicates  uint64 // chunks
		GapAcks       uint64
		OutUnordered  uint64 // DATA chunks
		InUnordered   uint64
		OutOrdered    uint64
		InOrdered     uint64
		OutControl    uint64 // chunks
		InControl     uint64
	}
	// primaryAddr is packed, which makes no difference here.
	primaryAddr struct {
		AssocID int32
		Address [128]byte
	}
	streamValue struct {
		AssocID       int32
		Stream, Value uint16
	}
	assocValue struct {
		AssocID int32
		Value   uint32
	}
	eventSubscription struct {
		AssocID int32
		Type    uint16
		On      uint8
		_       uint8
	}
	authKeyID struct {
		AssocID int32
		Number  uint16
		_       uint16
	}
	authChunks struct { // N chunk types follow the header
		AssocID int32
		N       uint32
		Types   [256]uint8
	}
	addrList struct { // N packed socket addresses follow the header
		AssocID int32
		N       uint32
		Addrs   [4096]byte
	}
	connectx struct {
		AssocID int32 // out
		Bytes   int32
		Addrs   *byte
	}
)

// Bits of peerAddrParams.Flags.
const (
	heartbeatEnable  = 1
	heartbeatDisable = 2
)

// Two structures depend on the kernel's architecture, which can differ from the program's: a 32-bit
// program can run on a 64-bit kernel, which does not convert these structures. Both contain a
// sockaddr_storage, which is aligned as a pointer of the kernel. The size of the structure that the
// kernel returns shows which layout it is.

// parse reads a sctp_assoc_stats; b is the part that the kernel has filled in. The counters follow
// the sockaddr_storage, aligned to eight bytes, or to four on a 386 kernel.
func (s *assocStats) parse(b []byte) error {
	offset := 136
	if len(b)%8 == 4 {
		offset = 132
	}
	_, err := binary.Decode(b[min(offset, len(b)):], binary.NativeEndian, s)
	return err
}

// A udpEncaps is a sctp_udpencaps: the association, a sockaddr_storage and a port in network order.
type udpEncaps []byte

// largestUDPEncaps is the size in 64-bit kernels.
const largestUDPEncaps = 144

// pointer is the size of the kernel's pointers, to which the port is padded too.
func (u udpEncaps) pointer() int { return (len(u) - 128) / 2 }

func (u udpEncaps) port() []byte { return u[u.pointer()+128:][:2] }

// memInfoWmemQueued is the index of SK_MEMINFO_WMEM_QUEUED in SO_MEMINFO.
const memInfoWmemQueued = 5

// The system calls for an association do not block, so they bypass Go's scheduler (RawSyscall),
// except those with a descriptor of other code, and close. Notifying the scheduler costs more than
// most of them: after the program has been idle, as between the flights of a handshake, it wakes
// the monitor thread, which then polls every 20 µs for a while.

// setOpt sets an option whose argument is the memory of v.
func setOpt[T any](fd, level, opt int, v *T) error {
	return setOptBytes(fd, level, opt, unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)))
}

// getOpt gets an option into v, from which the kernel may read first. A kernel with a
// shorter structure does not change the rest.
func getOpt[T any](fd, level, opt int, v *T) error {
	_, err := getOptBytes(fd, level, opt, unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)))
	return err
}

// getOptBytes gets an option into b in the same way, and returns the part of b that the kernel has
// filled in. b must not be empty.
func getOptBytes(fd, level, opt int, b []byte) ([]byte, error) {
	n := uint32(len(b))
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(opt),
		uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&n)), 0)
	if errno != 0 {
		return nil, errno
	}
	return b[:min(int(n), len(b))], nil
}

// setOptBytes sets an option whose argument is b, which must not be empty.
func setOptBytes(fd, level, opt int, b []byte) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(opt),
		uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}
