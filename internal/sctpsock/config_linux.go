package sctpsock

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"syscall"
	"time"

	"github.com/seed-41f70523/dtls-sctp/stream"
	"golang.org/x/sys/unix"
)

const (
	// defaultBuffer gives the peer a window of 13 of the largest DTLS
	// records, so that they arrive whole.
	defaultBuffer = 256 << 10

	// partialDeliveryPoint is where the kernel begins to deliver a message that has not
	// arrived completely. The largest DTLS record has 18445 bytes.
	partialDeliveryPoint = 20000
)

// open makes a socket of one of the two families and configures it.
func open(family int, o *Options) (*os.File, syscall.RawConn, error) {
	fd, errno := socket(family)
	switch errno {
	case 0:
	case unix.EPROTONOSUPPORT, unix.ESOCKTNOSUPPORT:
		return nil, nil, &stream.NoSCTPError{Err: errno}
	case unix.EAFNOSUPPORT:
		return nil, nil, noFamily(family)
	default:
		return nil, nil, os.NewSyscallError("socket", errno)
	}
	f, rc, err := newFile(fd)
	if err != nil {
		return nil, nil, err
	}
	if err := control(rc, func(fd int) error { return configure(fd, family, o) }); err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, rc, nil
}

// socket makes a one-to-one socket.
func socket(family int) (fd int, errno syscall.Errno) {
	// It blocks only if the kernel has to load its module first, which happens once.
	r, _, errno := unix.RawSyscall(unix.SYS_SOCKET, uintptr(family),
		unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_SCTP)
	return int(r), errno
}

// noFamily is the error of a kernel, or of a sandbox, that has no sockets of a family.
func noFamily(family int) error {
	remedy := "is it forbidden here, as by RestrictAddressFamilies= of systemd?"
	if family == unix.AF_INET6 {
		remedy = "there is no IPv6 here (ipv6.disable=1, or RestrictAddressFamilies= of systemd?): " +
			"give an IPv4 address"
	}
	return &remedyError{os.NewSyscallError("socket", unix.EAFNOSUPPORT), remedy}
}

// configure sets everything that an association inherits.
func configure(fd, family int, o *Options) error {
	if err := o.Check(); err != nil {
		return err
	}
	if family == unix.AF_INET6 {
		if err := setInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, boolInt(o.V6Only)); err != nil {
			return err
		}
	}
	if err := adoptable(fd, o); err != nil {
		return err
	}
	if err := errors.Join(
		o.setInit(fd),
		o.setTimers(fd),
		o.setPaths(fd),
		o.setScheduler(fd),
		o.setPartialReliability(fd),
		o.setAddressChanges(fd),
		o.setUDPEncaps(fd),
	); err != nil {
		return err
	}
	return o.subscribe(fd)
}

// subscribe subscribes to the events that the user wants.
func (o *Options) subscribe(fd int) error {
	for _, t := range o.Events {
		if err := subscribe(fd, t, true); err != nil {
			return err
		}
	}
	return nil
}

// adoptable makes the settings without which a Socket does not work,
// before or after there is an association.
func adoptable(fd int, o *Options) error {
	if err := errors.Join(
		readBuffer.set(fd, o.ReadBuffer, o.MessageSize),
		writeBuffer.set(fd, o.WriteBuffer, o.MessageSize),
		setInt(fd, solSCTP, optNoDelay, boolInt(!o.Nagle)),
		setInt(fd, solSCTP, optRecvRcvInfo, 1),
		subscribe(fd, EventAssocChange, true),
		subscribe(fd, EventShutdown, true),
		subscribe(fd, EventPartialDelivery, true),
	); err != nil {
		return err
	}
	if err := refuseInterleaving(fd); err != nil {
		return err
	}
	// While a message is delivered in parts, nothing else is, so that a lost part blocks all streams.
	// A message that the kernel reassembles blocks only its own stream.
	point := max(partialDeliveryPoint, o.MessageSize)
	err := setInt(fd, solSCTP, optPartialDeliveryPoint, point)
	if errors.Is(err, unix.EINVAL) { // for a smaller receive buffer
		var size int
		if size, err = getInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF); err == nil {
			err = setInt(fd, solSCTP, optPartialDeliveryPoint, min(point, size/2))
		}
	}
	return err
}

// refuseInterleaving makes sure that RFC 8260 is not negotiated: together
// with SCTP-AUTH it is unsafe in Linux. It cannot be on unless
// someone has set FRAGMENT_INTERLEAVE, which is 0 in a new socket.
func refuseInterleaving(fd int) error {
	var v assocValue
	err := getOpt(fd, solSCTP, optInterleavingSupported, &v)
	if err == unix.ENOPROTOOPT {
		return nil // a kernel that does not know it
	}
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	if v.Value != 0 {
		return errors.New(
			"sctp: message interleaving (RFC 8260) is on, which is unsafe together with SCTP-AUTH")
	}
	return nil
}

func (o *Options) setInit(fd int) error {
	timeout, err := fieldMS[uint16]("InitTimeout", o.InitTimeout)
	m := initMsg{o.OutStreams, cmp.Or(o.MaxInStreams, stream.DefaultInStreams), o.MaxInitAttempts,
		timeout}
	if err != nil {
		return err
	}
	return set(fd, "SCTP_INITMSG", optInitMsg, &m)
}

func (o *Options) setTimers(fd int) error {
	if o.RTOInitial != 0 || o.RTOMin != 0 || o.RTOMax != 0 {
		if err := setRTO(fd, o.RTOInitial, o.RTOMin, o.RTOMax); err != nil {
			return err
		}
	}
	return setSACKDelay(fd, max(o.SACKDelay, 0)) // 0 is that of a handshake: see Settled
}

func setSACKDelay(fd int, d time.Duration) error {
	delay, err := fieldMS[uint32]("SACKDelay", d)
	if err != nil {
		return err
	}
	info := sackInfo{Delay: delay, Freq: 2} // every second packet at the latest: RFC 9260, Section 6.2
	if delay == 0 {
		info.Freq = 1
	}
	return set(fd, "SCTP_DELAYED_SACK", optDelayedSACK, &info)
}

func setRTO(fd int, initial, least, most time.Duration) error {
	var info rtoInfo
	var err [3]error
	info.Initial, err[0] = fieldMS[uint32]("RTOInitial", initial)
	info.Min, err[1] = fieldMS[uint32]("RTOMin", least)
	info.Max, err[2] = fieldMS[uint32]("RTOMax", most)
	if err := errors.Join(err[:]...); err != nil {
		return err
	}
	if err := setOpt(fd, solSCTP, optRTOInfo, &info); err == unix.EINVAL {
		return &stream.OptionError{Option: "RTOMin and RTOMax",
			Value: fmt.Sprintf("%v and %v", least, most),
			Remedy: "the least must not be more than the most; Linux has 1s and 60s " +
				"(sysctl net.sctp.rto_min, rto_max) where one is not set"}
	} else if err != nil {
		return fmt.Errorf("sctp: SCTP_RTOINFO: %w", err)
	}
	return nil
}

func (o *Options) setPaths(fd int) error {
	if err := o.setPath(fd); err != nil || o.AssocMaxRetrans == 0 {
		return err
	}
	err := setOpt(fd, solSCTP, optAssocInfo, &assocParams{MaxRetrans: o.AssocMaxRetrans})
	if err == unix.EINVAL { // of an association with several paths
		return &stream.OptionError{Option: "AssocMaxRetrans", Value: o.AssocMaxRetrans,
			Remedy: "all paths together have fewer: raise PathMaxRetrans"}
	}
	return os.NewSyscallError("SCTP_ASSOCINFO", err)
}

func (o *Options) setPath(fd int) error {
	p := peerAddrParams{PathMaxRetrans: o.PathMaxRetrans}
	var err error
	switch {
	case o.Heartbeat < 0:
		binary.NativeEndian.PutUint32(p.Flags[:], heartbeatDisable)
	case o.Heartbeat > 0:
		binary.NativeEndian.PutUint32(p.Flags[:], heartbeatEnable)
		p.HeartbeatInterval, err = fieldMS[uint32]("Heartbeat", o.Heartbeat)
	}
	if err != nil || p == (peerAddrParams{}) {
		return err
	}
	return set(fd, "SCTP_PEER_ADDR_PARAMS", optPeerAddrParams, &p)
}

func (o *Options) setScheduler(fd int) error {
	if o.Scheduler == stream.SchedulerFCFS {
		return nil
	}
	if err := setOpt(fd, solSCTP, optStreamScheduler,
		&assocValue{Value: uint32(o.Scheduler)}); err != nil {
		return &stream.OptionError{Option: "Scheduler", Value: o.Scheduler,
			Remedy: fmt.Sprintf(
				"this kernel does not have it (%v); fcfs, prio and rr are there since Linux 4.15", err)}
	}
	return nil
}

// setPartialReliability overrides the sysctl net.sctp.prsctp_enable, which is 1 by default.
func (o *Options) setPartialReliability(fd int) error {
	err := setOpt(fd, solSCTP, optPRSupported,
		&assocValue{Value: uint32(boolInt(o.PartialReliability))})
	return os.NewSyscallError("SCTP_PR_SUPPORTED", err)
}

// setAddressChanges comes before setAuth, which has the kernel list the chunks of RFC 5061.
func (o *Options) setAddressChanges(fd int) error {
	if !o.AddressChanges {
		return nil
	}
	if err := setOpt(fd, solSCTP, optASCONFSupported, &assocValue{Value: 1}); err != nil {
		return &stream.OptionError{Option: "AddressChanges", Value: true,
			Remedy: fmt.Sprintf("this kernel does not have it (%v); it takes Linux 5.4", err)}
	}
	return nil
}

// SetStreamPriority sets the scheduler's value of an outgoing stream. With SchedulerPriority, the
// lowest value is sent first; with SchedulerWeightedQueue, the value is the weight.
func (s *Socket) SetStreamPriority(id, value uint16) error {
	err := s.control(func(fd int) error {
		return setOpt(fd, solSCTP, optStreamSchedulerValue, &streamValue{Stream: id, Value: value})
	})
	if err == unix.EINVAL && id >= s.outStreams {
		return noStream(id, s.outStreams)
	}
	return os.NewSyscallError("SCTP_STREAM_SCHEDULER_VALUE", err)
}

func (o *Options) setUDPEncaps(fd int) error {
	if o.UDPEncapPort == 0 {
		return nil
	}
	// The kernel accepts only its own size, and returns it here.
	var u udpEncaps
	u, err := getOptBytes(fd, solSCTP, optUDPEncapsPort, make([]byte, largestUDPEncaps))
	if err == nil {
		binary.BigEndian.PutUint16(u.port(), o.UDPEncapPort)
		err = setOptBytes(fd, solSCTP, optUDPEncapsPort, u)
	}
	if err != nil {
		return fmt.Errorf("sctp: SCTP_REMOTE_UDP_ENCAPS_PORT: %w", err)
	}
	return nil
}

// SetRTO changes the bounds of the retransmission timeout; 0 leaves one as it is.
func (s *Socket) SetRTO(initial, least, most time.Duration) error {
	return s.control(func(fd int) error { return setRTO(fd, initial, least, most) })
}

// SetSACKDelay changes [Options].SACKDelay.
func (s *Socket) SetSACKDelay(d time.Duration) error {
	return s.control(func(fd int) error { return setSACKDelay(fd, d) })
}

// RTO returns the bounds of the retransmission timeout.
func (s *Socket) RTO() (initial, least, most time.Duration, err error) {
	var info rtoInfo
	err = s.control(func(fd int) error { return getOpt(fd, solSCTP, optRTOInfo, &info) })
	ms := func(n uint32) time.Duration { return time.Duration(n) * time.Millisecond }
	return ms(info.Initial), ms(info.Min), ms(info.Max), os.NewSyscallError("getsockopt", err)
}

// PartialReliability reports whether both ends may skip messages (RFC 3758), so that they
// must authenticate their FORWARD TSN chunks.
func (s *Socket) PartialReliability() (bool, error) {
	return s.flag(optPRSupported)
}

// flag reads an option whose argument is an assocValue.
func (s *Socket) flag(opt int) (bool, error) {
	var v assocValue
	err := s.control(func(fd int) error { return getOpt(fd, solSCTP, opt, &v) })
	return v.Value != 0, os.NewSyscallError("getsockopt", err)
}

// A socketBuffer is one of the two buffers of a socket.
type socketBuffer struct {
	option, sysctl string
	opt, force     int
}

var (
	readBuffer  = socketBuffer{"ReadBuffer", "net.core.rmem_max", unix.SO_RCVBUF, unix.SO_RCVBUFFORCE}
	writeBuffer = socketBuffer{"WriteBuffer", "net.core.wmem_max", unix.SO_SNDBUF, unix.SO_SNDBUFFORCE}
)

// set requests size bytes, which the kernel doubles, because half is for its bookkeeping. A message
// of size bytes then fits, and the peer sees a window of size bytes.
func (b *socketBuffer) set(fd, size, message int) error {
	size = cmp.Or(size, max(defaultBuffer, message))
	if err := setInt(fd, unix.SOL_SOCKET, b.opt, size); err != nil || message == 0 {
		return err
	}
	got, err := getInt(fd, unix.SOL_SOCKET, b.opt)
	if err == nil && got < 2*size && setInt(fd, unix.SOL_SOCKET, b.force, size) == nil {
		got, err = getInt(fd, unix.SOL_SOCKET, b.opt)
	}
	if err != nil || got >= 2*message {
		return err
	}
	return &stream.OptionError{Option: b.option, Value: size, Remedy: fmt.Sprintf(
		"the kernel gives %d, and a message needs %d: set the sysctl %s to %d or more, "+
			"or give the process CAP_NET_ADMIN", got/2, message, b.sysctl, message)}
}

func setInt(fd, level, opt, value int) error {
	v := int32(value)
	return os.NewSyscallError("setsockopt", setOpt(fd, level, opt, &v))
}

func getInt(fd, level, opt int) (int, error) {
	var v int32
	err := getOpt(fd, level, opt, &v)
	return int(v), os.NewSyscallError("getsockopt", err)
}

// set sets an SCTP option, which it names in errors.
func set[T any](fd int, name string, opt int, v *T) error {
	if err := setOpt(fd, solSCTP, opt, v); err != nil {
		return fmt.Errorf("sctp: %s: %w", name, err)
	}
	return nil
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// fieldMS converts the value of a field of [Options] to the milliseconds of the kernel.
func fieldMS[T uint16 | uint32](field string, d time.Duration) (T, error) {
	n := milliseconds(d)
	if d < 0 || n > math.MaxInt32 || uint64(T(n)) != n {
		return 0, &stream.OptionError{Option: field, Value: d, Remedy: "out of range"}
	}
	return T(n), nil
}

// milliseconds rounds up, so that a short time does not become none.
func milliseconds(d time.Duration) uint64 {
	if d <= 0 {
		return 0
	}
	return uint64((d-1)/time.Millisecond) + 1
}
