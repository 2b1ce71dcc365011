package sctpsock

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Socket options at level SOL_SCTP, from linux/sctp.h.
const (
	optRTOInfo               = 0
	optAssocInfo             = 1
	optInitMsg               = 2
	optNoDelay               = 3
	optPeerAddrParams        = 9
	optStatus                = 14
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
	optAuthDeactivateKey     = 35
	optBindxAdd              = 100
	optGetPeerAddrs          = 108
	optGetLocalAddrs         = 109
	optConnectx3             = 111
	optPRSupported           = 113
	optInterleavingSupported = 125
	optEvent                 = 127
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

	msgEOR          = unix.MSG_EOR
	msgNotification = 0x8000
)

// stateEstablished and what follows is shutting down (enum sctp_sstat_state).
const stateEstablished = 4

// The structures of linux/sctp.h, in host byte order where no comment says
// otherwise. The association identifier is ignored on one-to-one sockets.
type (
	sndInfo struct {
		stream, flags uint16
		ppid          [4]byte // network order
		context       uint32
		assocID       int32
	}
	rcvInfo struct {
		stream, ssn, flags uint16
		_                  uint16
		ppid               [4]byte // network order
		tsn, cumTSN        uint32
		context            uint32
		assocID            int32
	}
	prInfo struct {
		policy uint16
		value  uint32
	}

	rtoInfo struct {
		assocID           int32
		initial, max, min uint32 // ms
	}
	assocParams struct {
		assocID            int32
		maxRetrans         uint16
		peerDestinations   uint16
		peerRwnd, rwnd     uint32
		cookieLifeMilliSec uint32
	}
	initMsg struct {
		outStreams, maxInStreams, maxAttempts, maxTimeout uint16 // 0 changes nothing; ms
	}
	sackInfo struct {
		assocID     int32
		delay, freq uint32 // ms, packets
	}
	// peerAddrParams is packed, so that what follows pathMaxRetrans lies
	// across its natural alignment.
	peerAddrParams struct {
		assocID           int32
		address           [128]byte
		heartbeatInterval uint32 // ms
		pathMaxRetrans    uint16
		pathMTU           [4]byte
		sackDelay         [4]byte
		flags             [4]byte
		flowLabel         [4]byte
		dscp              uint8
		_                 uint8
	}
	assocStatus struct {
		assocID               int32
		state                 int32
		rwnd                  uint32
		unacked, pending      uint16
		inStreams, outStreams uint16
		fragmentationPoint    uint32
		primary               [152]byte
	}
	assocValue struct {
		assocID int32
		value   uint32
	}
	eventSubscription struct {
		assocID int32
		kind    uint16
		on      uint8
		_       uint8
	}
	authKeyHeader struct { // followed by the key
		assocID       int32
		number, bytes uint16
	}
	authKeyID struct {
		assocID int32
		number  uint16
		_       uint16
	}
	authChunks struct { // n chunk types follow the header
		assocID int32
		n       uint32
		types   [256]uint8
	}
	addrList struct { // n packed socket addresses follow the header
		assocID int32
		n       uint32
		addrs   [4096]byte
	}
	connectx struct {
		assocID int32 // out
		bytes   int32
		addrs   *byte
	}
	udpEncaps struct {
		assocID int32
		address [128 / unsafe.Sizeof(uintptr(0))]uintptr // aligned like sockaddr_storage
		port    [2]byte                                  // network order
	}
)

// Bits of peerAddrParams.flags.
const (
	heartbeatEnable  = 1
	heartbeatDisable = 2
)

// memInfoWmemQueued is the index of SK_MEMINFO_WMEM_QUEUED in SO_MEMINFO.
const memInfoWmemQueued = 5

// setOpt sets an option whose argument is the memory of v.
func setOpt[T any](fd, level, opt int, v *T) error {
	return setOptBytes(fd, level, opt, unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)))
}

// getOpt gets an option into v, from which the kernel may read first. A kernel that
// knows a shorter structure leaves the rest alone.
func getOpt[T any](fd, level, opt int, v *T) error {
	n := uint32(unsafe.Sizeof(*v))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(opt),
		uintptr(unsafe.Pointer(v)), uintptr(unsafe.Pointer(&n)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// setOptBytes sets an option whose argument is b, which must not be empty.
func setOptBytes(fd, level, opt int, b []byte) error {
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(opt),
		uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}
