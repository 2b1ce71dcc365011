package sctpdtls

import "sync/atomic"

// counters are what was sent and received since the beginning of a connection. A writer adds to two
// of them for each message, and to nothing else: what was sent under the present keys is the
// difference to a mark.
type counters struct {
	messagesSent, bytesSent atomic.Uint64 // by writers
	level                   atomic.Int64  // of oneWay

	keys    mark         // when DTLS had new keys, or was asked for them
	since   atomic.Int64 // when that was, an instant
	authKey mark         // when SCTP-AUTH had a new key
	warned  atomic.Bool  // of AuthKeyNearLimit

	_                               [8]byte       // so that a cache line is between those who count
	messagesReceived, bytesReceived atomic.Uint64 // by the owner
}

// A mark is what had been sent at some time.
type mark struct{ messages, bytes atomic.Uint64 }

func (m *mark) set(n *counters) {
	m.messages.Store(n.messagesSent.Load())
	m.bytes.Store(n.bytesSent.Load())
}

// sentSince returns what was sent after m.
func (n *counters) sentSince(m *mark) (messages, bytes uint64) {
	messages, bytes = m.messages.Load(), m.bytes.Load() // first: what was sent only grows
	return n.messagesSent.Load() - messages, n.bytesSent.Load() - bytes
}

func (n *counters) sent(bytes int) {
	n.messagesSent.Add(1)
	n.bytesSent.Add(uint64(bytes))
}

func (n *counters) received(bytes int) {
	n.messagesReceived.Add(1)
	n.bytesReceived.Add(uint64(bytes))
}

// oneWay reports whether so much more was sent than received of late that an acknowledgement of
// each message would be one packet for each that nobody waits for, where SCTP sends half as many by
// itself. The flush at the end, of so many messages, may take 200 ms then.
//
// A message that is received makes up for two that are sent, so that an exchange of requests and
// answers is soon one again after a flow one way. Nobody minds if writers who do this at the same
// time count some messages twice.
func (n *counters) oneWay() bool {
	now := int64(n.messagesSent.Load()) - 2*int64(n.messagesReceived.Load())
	ahead := now - n.level.Load()
	if kept := min(max(ahead, 0), flow+flow/4); kept != ahead {
		n.level.Store(now - kept)
		ahead = kept
	}
	return ahead > flow
}

// flow is how many messages go one way before their acknowledgements may wait.
const flow = 64

// newKeys is called when DTLS has new keys, newAuthKey when SCTP-AUTH has.
func (n *counters) newKeys() {
	n.keys.set(n)
	n.since.Store(int64(now()))
}

func (n *counters) newAuthKey() {
	n.authKey.set(n)
	n.warned.Store(false)
	n.newKeys()
}

// wantNewKeys reports whether p wants new keys for what was sent under the present ones.
func (n *counters) wantNewKeys(p *RekeyPolicy) bool {
	messages, bytes := n.sentSince(&n.keys)
	return p.Bytes > 0 && bytes >= p.Bytes || p.Records > 0 && messages >= p.Records ||
		p.Age > 0 && instant(n.since.Load()).since() >= p.Age
}

// keyLife is how many chunks one key of SCTP-AUTH may authenticate in each direction. Transmission
// sequence numbers are what stops replays, and have 32 bits: RFC 4895, Section 9.
const keyLife = 1 << 31

// chunkPayload is the least that a full DATA chunk carries: the path's MTU may be 512 bytes.
const chunkPayload = 400

// nearKeyLife reports, once for each key of SCTP-AUTH, that three quarters of its life are over. It
// counts some chunks too many.
func (n *counters) nearKeyLife() bool {
	messages, bytes := n.sentSince(&n.authKey)
	return messages+bytes/chunkPayload > keyLife/4*3 && !n.warned.Swap(true)
}
