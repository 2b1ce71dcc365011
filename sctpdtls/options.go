package sctpdtls

import (
	"cmp"
	"syscall"
	"time"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
	"github.com/seed-41f70523/dtls-sctp/internal/sctpsock"
)

// SCTPOptions are settings of the association, made before it exists. The zero value of a field
// leaves what the kernel has set, unless the field says otherwise. Times are rounded up to
// milliseconds. A value that cannot be is an [OptionError] of [Dial], [Listen], [Client] or
// [Server]. Sections are those of RFC 6458.
type SCTPOptions struct {
	OutStreams      uint16        // streams asked for; Linux: 10 (8.1.3)
	MaxInStreams    uint16        // streams that the peer may have; 0: 256. Each costs the kernel 20 bytes (8.1.3)
	MaxInitAttempts uint16        // INIT chunks before giving up; Linux: 8 (8.1.3)
	InitTimeout     time.Duration // longest wait between them, up to 65.535 s; Linux: 60 s (8.1.3)
	Nagle           bool          // collect small messages; costs up to 200 ms of delay (8.1.5)

	// RTOInitial, RTOMin and RTOMax are the retransmission timer at first, at least and at most;
	// Linux: 3 s, 1 s and 60 s (8.1.1). While a handshake is under way the least is 20 ms, if it is
	// not less anyway.
	RTOInitial, RTOMin, RTOMax time.Duration

	Heartbeat       time.Duration // between heartbeats on an idle path, Linux: 30 s; negative: none (8.1.12)
	AssocMaxRetrans uint16        // in a row before the peer is lost; Linux: 10 (8.1.2)
	PathMaxRetrans  uint16        // in a row before a path has failed; Linux: 5 (8.1.12)

	// SACKDelay is how long acknowledgements wait for data to go with or for a second packet, up to
	// 500 ms; 0: they do not (8.1.19). nil: they do not during a handshake, when the peer waits for
	// them, and wait 200 ms otherwise. What this package sends asks for one at once (RFC 7053) with
	// each message that may be the last, unless it is one of many that go one way.
	SACKDelay *time.Duration

	// ReadBuffer and WriteBuffer are those of the socket, in bytes, 16384 at least; 0 is 256 KiB. The
	// kernel takes twice as much, within the sysctls net.core.rmem_max and wmem_max, and says nothing
	// if it takes less.
	ReadBuffer, WriteBuffer int

	// Scheduler says whose turn it is when several streams have messages to send (RFC 8260, Section
	// 3). Handshakes and alerts are on stream 0 and wait like others.
	Scheduler StreamScheduler

	// PartialReliability lets messages have a [MessageInfo].Lifetime or limit of Retransmissions, if
	// the peer asks for it too (RFC 3758). Without it no message can be given up, in either direction.
	PartialReliability bool

	// AddressChanges lets both ends change their addresses while the association lives, by
	// [Conn.BindAdd] and [Conn.BindRemove] (RFC 5061). Both have to ask for it. SCTP-AUTH protects it.
	AddressChanges bool

	// UDPEncapPort is the peer's UDP port for SCTP inside UDP (RFC 6951; 9899 is registered). A
	// client sets it.
	//
	// For the kernel's SCTP, both hosts need the sysctl net.sctp.udp_port, in each network namespace,
	// which opens their own port; a server learns the client's. Without it at the peer Dial ends with
	// syscall.ETIMEDOUT. (The sysctl net.sctp.encap_port is this option for every socket.)
	//
	// For the network “sctp+udp” 0 is 9899, and it is the port that a server listens on. If the
	// peer's SCTP is that of a Linux kernel, its host needs the sysctl.
	UDPEncapPort uint16

	// RefuseRestart makes the kernel drop INIT chunks for an association that exists, so that nobody
	// can restart it. Either way a restart never goes unnoticed: without it the connection ends with
	// [AssociationRestarted], nothing of the new association is delivered, and a peer that has crashed
	// can dial again from the same address and port at once. With it such a peer is not answered until
	// this end has noticed by itself that the old association is dead; in exchange nobody on the path
	// can end it by that way.
	RefuseRestart bool

	// Control is called with the socket after it was set up as above, before it is bound, as in
	// [net.Dialer].
	Control func(network, address string, c syscall.RawConn) error
}

// A StreamScheduler is one of the orders of RFC 8260, Section 3.
type StreamScheduler = sctpsock.Scheduler

// Schedulers for [SCTPOptions].
const (
	SchedulerFCFS          = sctpsock.SchedulerFCFS          // first come, first served: the zero value
	SchedulerPriority      = sctpsock.SchedulerPriority      // the least value of [Conn.SetStreamPriority] first
	SchedulerRoundRobin    = sctpsock.SchedulerRoundRobin    // a message from each
	SchedulerFairCapacity  = sctpsock.SchedulerFairCapacity  // as many bytes from each; newer kernels than Linux 6.1
	SchedulerWeightedQueue = sctpsock.SchedulerWeightedQueue // in proportion to SetStreamPriority; likewise
)

// An OptionError means that a field of [SCTPOptions] has a value that cannot be used, and says what
// can.
type OptionError = sctpsock.OptionError

// minBuffer is the least buffer that is asked for, which the kernel doubles: one record must fit.
const minBuffer = 16 << 10

// defaultInStreams is that of [SCTPOptions].MaxInStreams: more than telecom signalling uses. The
// kernel makes all streams when an association is set up, before anybody is authenticated: 65535
// are 1.3 MB for each stranger who asks.
const defaultInStreams = 256

// check finds what would not work with DTLS. The rest is for package sctpsock and the kernel to
// find.
func (o *SCTPOptions) check() error {
	for name, size := range map[string]int{"ReadBuffer": o.ReadBuffer, "WriteBuffer": o.WriteBuffer} {
		if size != 0 && size < minBuffer {
			return &OptionError{Option: name, Value: size, Remedy: "the largest record does not fit; want 16384 bytes or more, or 0 for 256 KiB"}
		}
	}
	return nil
}

// socket returns the options of c in the words of package sctpsock, and asks for SCTP-AUTH.
func (c *Config) socket() (*sctpsock.Options, error) {
	o := &c.SCTP
	if err := o.check(); err != nil {
		return nil, err
	}
	return &sctpsock.Options{
		OutStreams:         o.OutStreams,
		MaxInStreams:       cmp.Or(o.MaxInStreams, defaultInStreams),
		MaxInitAttempts:    o.MaxInitAttempts,
		InitTimeout:        o.InitTimeout,
		Nagle:              o.Nagle,
		RTOInitial:         o.RTOInitial,
		RTOMin:             o.RTOMin,
		RTOMax:             o.RTOMax,
		Heartbeat:          o.Heartbeat,
		AssocMaxRetrans:    o.AssocMaxRetrans,
		PathMaxRetrans:     o.PathMaxRetrans,
		SACKDelay:          o.sackDelay(),
		ReadBuffer:         o.ReadBuffer,
		WriteBuffer:        o.WriteBuffer,
		Scheduler:          o.Scheduler,
		PartialReliability: o.PartialReliability,
		AddressChanges:     o.AddressChanges,
		Events:             c.events(),
		UDPEncapPort:       o.UDPEncapPort,
		Control:            o.Control,
		AuthChunks:         authchunk.DefaultChunks(),
	}, nil
}

// sackDelay is that of the first handshake.
func (o *SCTPOptions) sackDelay() *time.Duration {
	if o.SACKDelay == nil {
		return new(time.Duration)
	}
	return o.SACKDelay
}

// SetStreamPriority gives an outgoing stream its value for [SCTPOptions].Scheduler: for
// SchedulerPriority the least goes first, for SchedulerWeightedQueue it is the weight. Others do
// not mind it.
func (c *Conn) SetStreamPriority(stream, value uint16) error {
	k, err := c.kernel()
	if err != nil {
		return err
	}
	err = k.SetStreamPriority(stream, value)
	if out, _ := c.assoc.Streams(); err != nil && stream >= out {
		return &StreamError{stream, out}
	}
	return c.whyEnded(err)
}
