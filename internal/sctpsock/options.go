package sctpsock

import (
	"cmp"
	"fmt"
	"math"
	"syscall"
	"time"
)

// Options are settings made before an association exists. The zero value of a
// field leaves the kernel's setting, unless its comment says otherwise.
type Options struct {
	// OutStreams and MaxInStreams are offered to the peer; the smaller number
	// of both ends counts. The kernel's setting is 10.
	OutStreams, MaxInStreams uint16

	// MaxInitAttempts and InitTimeout limit the setting up of an
	// association: so many INIT chunks, and the longest time between two of
	// them. Both need several minutes at the kernel's settings.
	MaxInitAttempts uint16
	InitTimeout     time.Duration

	// Nagle holds small messages back while others are unacknowledged. Off by
	// default, because it costs request and answer 200 ms.
	Nagle bool

	// Retransmission timeouts (RFC 9260, Section 6.3.1). The kernel starts
	// with 3 s and stays between 1 s and 60 s.
	RTOInitial, RTOMin, RTOMax time.Duration

	// Heartbeat is the interval of heartbeats on an idle path (kernel: 30 s);
	// negative for none.
	Heartbeat time.Duration

	// AssocMaxRetrans and PathMaxRetrans are the consecutive
	// retransmissions after which the association has failed (kernel: 10)
	// and a path is inactive (kernel: 5).
	AssocMaxRetrans, PathMaxRetrans uint16

	// SACKDelay is how long acknowledgements wait for company (kernel: 200 ms,
	// or every second packet; at most 500 ms); 0 acknowledges every packet at once.
	SACKDelay *time.Duration

	// ReadBuffer and WriteBuffer are SO_RCVBUF and SO_SNDBUF in bytes; 0 is 256 KiB.
	// The kernel doubles them for its bookkeeping, within
	// net.core.rmem_max and wmem_max. The window that the peer sees is half of
	// the doubled value, and no message can be larger than the
	// doubled write buffer.
	ReadBuffer, WriteBuffer int

	// Scheduler says whose turn it is when several streams have messages to send.
	Scheduler Scheduler

	// PartialReliability lets messages be given up, if both ends ask for it (RFC 3758). Without it
	// the kernel ignores FORWARD TSN chunks.
	PartialReliability bool

	// AddressChanges allows both ends to change their addresses while the
	// association lives (RFC 5061), if both ask for it. It needs AuthChunks, to which it
	// adds ASCONF and ASCONF ACK.
	AddressChanges bool

	// Events are reported by [Socket.Recv] besides those that always are.
	Events []EventType

	// UDPEncapPort sends SCTP inside UDP to that port of the peer (RFC 6951;
	// 9899 is registered). The kernel must be told its own port by the sysctl
	// net.sctp.udp_port.
	UDPEncapPort uint16

	// AuthChunks are the chunk types that the peer must authenticate. SCTP-AUTH
	// is switched on if there is any. At most 16 (Linux 7.2; 20 in 6.1); never INIT, INIT ACK,
	// SHUTDOWN COMPLETE, AUTH, or, unless net.sctp.auth_enable is set, COOKIE ECHO.
	AuthChunks []byte

	// HMACs are the HMAC identifiers to offer, best first. SHA-1 (1) must be among
	// them. nil is SHA-256, SHA-1.
	HMACs []uint16

	// V6Only keeps an IPv6 socket from IPv4.
	V6Only bool

	// Control, if not nil, is called after the socket was created and
	// configured, before it is bound, like that of [net.ListenConfig].
	Control func(network, address string, c syscall.RawConn) error
}

// A Scheduler is an order of the streams that have messages to send (RFC 8260, Section 3; the
// numbers are those of enum sctp_sched_type).
type Scheduler uint8

const (
	SchedulerFCFS          Scheduler = iota // first come, first served: the kernel's setting
	SchedulerPriority                       // the least value of [Socket.SetStreamPriority] first
	SchedulerRoundRobin                     // a message from each
	SchedulerFairCapacity                   // as many bytes from each (a newer kernel than 6.1)
	SchedulerWeightedQueue                  // the same in proportion to the value of SetStreamPriority (likewise)
)

var schedulers = [...]string{"fcfs", "prio", "rr", "fc", "wfq"}

func (s Scheduler) String() string {
	if int(s) < len(schedulers) {
		return schedulers[s]
	}
	return fmt.Sprintf("scheduler %d", uint8(s))
}

// check finds values that no kernel takes. What depends on the kernel is left to it.
func (o *Options) check() error {
	limit := func(option string, d, least, most time.Duration) error {
		if d < least || d > most {
			return &OptionError{option, d, fmt.Sprintf("want %v to %v", least, most)}
		}
		return nil
	}
	size := func(option string, n int) error {
		if n < 0 || n > math.MaxInt32/2 {
			return &OptionError{option, n, "want bytes, 0 for the usual size"}
		}
		return nil
	}
	var sack time.Duration
	if o.SACKDelay != nil {
		sack = *o.SACKDelay
	}
	const second, long = time.Second, 24 * time.Hour
	return cmp.Or(
		limit("InitTimeout", o.InitTimeout, 0, math.MaxUint16*time.Millisecond),
		limit("RTOInitial", o.RTOInitial, 0, long),
		limit("RTOMin", o.RTOMin, 0, long),
		limit("RTOMax", o.RTOMax, 0, long),
		o.checkRTO(),
		limit("Heartbeat", max(o.Heartbeat, 0), 0, long),
		limit("SACKDelay", sack, 0, second/2),
		size("ReadBuffer", o.ReadBuffer),
		size("WriteBuffer", o.WriteBuffer),
	)
}

func (o *Options) checkRTO() error {
	if o.RTOMin > o.RTOMax && o.RTOMax != 0 {
		return rtoError(o.RTOMin, o.RTOMax)
	}
	return nil
}

func rtoError(least, most time.Duration) error {
	return &OptionError{"RTOMin and RTOMax", fmt.Sprintf("%v and %v", least, most),
		"the least must not be more than the most; Linux has 1s and 60s (sysctl net.sctp.rto_min, rto_max) where one is not set"}
}
