package sctpcore

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
)

// A Config configures associations. For each field the zero value means the default in its comment;
// most defaults are those of RFC 9260, Section 16. A Config may be used by any number of
// associations, and must not be modified while it is in use.
type Config struct {
	// Addresses are the addresses of this side to list in INIT and INIT ACK. Nil lists none, so
	// that the peer uses the address that the packets come from. List them only if the peer should
	// use several.
	Addresses []netip.Addr

	OutStreams   uint16 // outgoing streams to request; default 16
	MaxInStreams uint16 // incoming streams to allow; default 2,048

	// MTU is the size in bytes of the largest packet, including the SCTP common header but not the
	// IP and UDP headers. At least 512; default 1,232, which is 1,280 minus the IPv6 and UDP
	// headers and fits on every path.
	MTU int
	// MaxMTU is the largest packet size that path MTU discovery tries (RFC 8899). It requires a
	// driver that can send packets which the network does not fragment (see [Packet]). Default MTU,
	// which disables the search. On IPv6 paths it is 20 bytes less, because the IPv6 header is
	// longer. If even packets of MTU bytes do not arrive, the search goes down to 512 bytes.
	MaxMTU int
	// SendBuffer limits the user messages that are not acknowledged, in bytes; default 212,992.
	SendBuffer int
	// ReceiveWindow limits the user messages that have arrived and have not been read, in bytes;
	// default 131,072. They use at most ten times as much memory.
	ReceiveWindow int

	RTOInitial, RTOMin, RTOMax time.Duration // default 1 s, 1 s, 60 s

	// MaxBurst is the largest number of packets with new data to send after one input; default 4.
	// With a larger value, packets may wait for up to half of the additional ones, so that the
	// driver can send them together, as long as acknowledgements of earlier packets are expected.
	MaxBurst int
	// AssociationMaxRetrans, PathMaxRetrans and MaxInitRetrans limit consecutive transmissions
	// without an answer from the peer, from one of its addresses, and to INIT or COOKIE ECHO;
	// default 10, 5, 8.
	AssociationMaxRetrans, PathMaxRetrans, MaxInitRetrans int
	// HeartbeatInterval is the time between heartbeats on an idle path; default 30 s. If it is
	// negative, heartbeats are sent only to verify an address.
	HeartbeatInterval time.Duration

	SackDelay     time.Duration // longest delay of an acknowledgement; default 200 ms
	SackFrequency int           // packets after which to acknowledge without delay; default 2

	CookieLife time.Duration // how long a state cookie is valid; default 60 s

	// PartialReliability offers partial reliability (RFC 3758) to the peer. Without it, FORWARD TSN
	// chunks are ignored, and all messages are sent reliably regardless of their [Info].
	PartialReliability bool

	// Auth offers SCTP-AUTH (RFC 4895). HMACs are the HMAC algorithms, most preferred first, which
	// must include SHA-1; nil means SHA-256 and SHA-1.
	Auth  bool
	HMACs []authchunk.HMACID
	// AuthChunks are the chunk types that the peer must authenticate; nil means DATA and FORWARD
	// TSN. INIT, INIT ACK, SHUTDOWN COMPLETE and AUTH cannot be authenticated (RFC 4895, Section
	// 3.2).
	AuthChunks []byte

	// RefuseRestart makes an established association ignore an INIT that would restart it. RFC
	// 9260, Section 5.2, allows restarts, but nothing authenticates them.
	RefuseRestart bool
}

// maxMTU is the size of the largest packet inside UDP: with UDP's header 65,535 bytes.
const maxMTU = 65535 - 8

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
	case c.MTU < 512 || c.MTU > maxMTU:
		return bad("MTU %d is not from 512 to 65,527", c.MTU)
	case c.MaxMTU < c.MTU || c.MaxMTU > maxMTU:
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

// authParams returns the SCTP-AUTH parameters of an INIT or INIT ACK.
func (c *Config) authParams(random []byte) authchunk.Params {
	return authchunk.Params{Random: random, Chunks: c.AuthChunks, HMACs: c.HMACs}
}

// offer returns the INIT or INIT ACK of this side.
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
