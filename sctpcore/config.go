package sctpcore

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
)

// A Config says how an association behaves. The zero value of each field means the default that
// its comment gives; most are those of RFC 9260, Section 16. A Config may be used by many
// associations, and must not be changed while it is.
type Config struct {
	// Addresses are what INIT and INIT ACK list as this side's addresses. Nil lists none, and the
	// peer uses the one that it sees; list them only if the peer is to use several.
	Addresses []netip.Addr

	OutStreams   uint16 // outgoing streams to ask for; 16
	MaxInStreams uint16 // incoming streams to allow; 2,048

	// MTU is the size in bytes of the largest packet from the SCTP common header on, without IP and
	// UDP headers; 1,232, which fits everywhere: 1,280 less an IPv6 and a UDP header. At least 512.
	MTU int
	// MaxMTU is up to which size probes look for what fits on each path, if the driver can send
	// packets that the network does not fragment ([Packet]); MTU, which is no search. On paths of
	// IPv6, whose header is longer, it is 20 bytes less. Where even MTU does not fit, the search finds
	// what does, from 512 bytes on. RFC 8899.
	MaxMTU int
	// SendBuffer is how much may be sent and not yet acknowledged, in bytes of user messages; 212,992.
	SendBuffer int
	// ReceiveWindow is how much may have arrived and not yet been read, in bytes of user messages;
	// 131,072. Memory for it is at most eight times as much.
	ReceiveWindow int

	RTOInitial, RTOMin, RTOMax time.Duration // 1 s, 1 s, 60 s

	// MaxBurst is how many packets with new data follow one input at most; 4. If it is more, packets
	// wait for others to go together, up to half of what it is more, as long as acknowledgements of
	// others are to come: for drivers that send several at once.
	MaxBurst int
	// AssociationMaxRetrans, PathMaxRetrans and MaxInitRetrans are how many transmissions in a row
	// may remain unanswered by the peer, by one of its addresses, and at the beginning; 10, 5, 8.
	AssociationMaxRetrans, PathMaxRetrans, MaxInitRetrans int
	// HeartbeatInterval is between two heartbeats on an idle path; 30 s. Negative sends none
	// except to verify an address.
	HeartbeatInterval time.Duration

	SackDelay     time.Duration // how long an acknowledgement may be delayed; 200 ms
	SackFrequency int           // after how many packets it is not; 2

	CookieLife time.Duration // how long a state cookie is valid; 60 s

	// PartialReliability offers RFC 3758 to the peer. Without it a FORWARD TSN chunk is not believed,
	// and messages are sent reliably whatever their [Info] says.
	PartialReliability bool

	// Auth offers SCTP-AUTH (RFC 4895) with HMACs, the one liked best first and SHA-1 among them;
	// nil is SHA-256, SHA-1.
	Auth  bool
	HMACs []authchunk.HMACID
	// AuthChunks are the types of chunks that must come authenticated; nil is DATA and FORWARD TSN.
	// INIT, INIT ACK, SHUTDOWN COMPLETE and AUTH cannot be (RFC 4895, Section 3.2).
	AuthChunks []byte

	// RefuseRestart ignores an INIT that would restart an established association. RFC 9260,
	// Section 5.2, has restarts, and nothing in them is authenticated.
	RefuseRestart bool
}

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// prepare returns a copy with the defaults filled in.
func (c *Config) prepare() (*Config, error) {
	var p Config
	if c != nil {
		p = *c
	}
	orDefault(&p.OutStreams, 16)
	orDefault(&p.MaxInStreams, 2048)
	orDefault(&p.MTU, 1232)
	orDefault(&p.MaxMTU, p.MTU)
	orDefault(&p.SendBuffer, 212992)
	orDefault(&p.ReceiveWindow, 131072)
	orDefault(&p.RTOInitial, time.Second)
	orDefault(&p.RTOMin, time.Second)
	orDefault(&p.RTOMax, time.Minute)
	orDefault(&p.MaxBurst, maxBurst)
	orDefault(&p.AssociationMaxRetrans, 10)
	orDefault(&p.PathMaxRetrans, 5)
	orDefault(&p.MaxInitRetrans, 8)
	orDefault(&p.HeartbeatInterval, 30*time.Second)
	orDefault(&p.SackDelay, 200*time.Millisecond)
	orDefault(&p.SackFrequency, 2)
	orDefault(&p.CookieLife, time.Minute)
	if p.Auth && p.HMACs == nil {
		p.HMACs = []authchunk.HMACID{authchunk.HMACSHA256, authchunk.HMACSHA1}
	}
	if p.Auth && p.AuthChunks == nil {
		p.AuthChunks = []byte{chunkData, chunkForwardTSN}
	}
	return &p, p.check()
}

func (c *Config) check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, args...))
	}
	switch {
	case c.MTU < 512 || c.MTU > 65535-8:
		return bad("MTU %d is not from 512 to 65,527", c.MTU)
	case c.MaxMTU < c.MTU || c.MaxMTU > 65535-8:
		return bad("MaxMTU %d is not from MTU %d to 65,527", c.MaxMTU, c.MTU)
	case c.ReceiveWindow < 2*c.MTU:
		return bad("ReceiveWindow %d is less than two packets", c.ReceiveWindow)
	case c.SendBuffer < 0 || c.MaxBurst < 0 || c.SackFrequency < 0 || c.AssociationMaxRetrans < 0 ||
		c.PathMaxRetrans < 0 || c.MaxInitRetrans < 0 || c.CookieLife < 0:
		return bad("a number is negative")
	case c.SackDelay < 0 || c.SackDelay > 500*time.Millisecond: // RFC 9260, Section 6.2
		return bad("SackDelay %v is not from 0 to 500 ms", c.SackDelay)
	case c.RTOMin > c.RTOInitial || c.RTOInitial > c.RTOMax || c.RTOMin < 0:
		return bad("RTOMin %v, RTOInitial %v and RTOMax %v are not in this order", c.RTOMin, c.RTOInitial,
			c.RTOMax)
	case len(c.Addresses) > maxAddresses:
		return bad("%d addresses are more than %d", len(c.Addresses), maxAddresses)
	}
	if c.Auth {
		sha1 := false
		for _, id := range c.HMACs {
			if id.Size() == 0 {
				return bad("unknown HMAC identifier %d", uint16(id))
			}
			sha1 = sha1 || id == authchunk.HMACSHA1
		}
		if !sha1 {
			return bad("HMACs lacks SHA-1, which RFC 4895, Section 3.3 demands")
		}
		for _, typ := range c.AuthChunks {
			if typ == chunkInit || typ == chunkInitAck || typ == chunkShutdownComplete || typ == chunkAuth {
				return bad("chunks of type %d cannot be authenticated", typ)
			}
		}
		if len(c.AuthChunks) > 32 {
			return bad("%d types of chunks to authenticate are more than 32", len(c.AuthChunks))
		}
	}
	return nil
}

// authParams is what an INIT or INIT ACK says of SCTP-AUTH with these random bytes.
func (c *Config) authParams(random []byte) authchunk.Params {
	return authchunk.Params{Random: random, Chunks: c.AuthChunks, HMACs: c.HMACs}
}

// offer is the INIT or INIT ACK of this side.
func (c *Config) offer(tag, tsn uint32, random []byte) initChunk {
	i := initChunk{
		tag: tag, tsn: tsn,
		rwnd: uint32(c.ReceiveWindow),
		out:  c.OutStreams, in: c.MaxInStreams,
		addrs:      c.Addresses,
		forwardTSN: c.PartialReliability,
	}
	if c.Auth {
		i.auth, i.hasAuth = c.authParams(random), true
	}
	return i
}
