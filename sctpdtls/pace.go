package sctpdtls

import "time"

// pace is how long a handshake takes, from which follows how long to wait for the peer's key.
type pace struct {
	sentAt     instant       // when this end sent its last control record; of a server first the start
	answerTime time.Duration // from the first sentAt to the peer's first record
	askedAt    instant       // when this end sent the record from which the peer makes its key
	keyTime    time.Duration // from there until this end had computed and installed its key
}

// received is called when a record of the peer has arrived, before it is processed. For a client
// the first one is the answer to its ClientHello. For a server it is the ClientHello itself, which
// a client sends as soon as there is an association.
func (p *pace) received() {
	if p.answerTime == 0 && p.sentAt != 0 {
		p.answerTime = p.sentAt.since()
	}
}

// sent is called after control records were sent, and by a server at the start.
func (p *pace) sent() { p.sentAt = now() }

// installed is called when this end has computed and installed a key.
func (p *pace) installed() { p.askedAt, p.keyTime = p.sentAt, p.sentAt.since() }

// untilPeerKey is the time to give to the peer to install the key that this end is about to use.
// The peer drops in silence what comes before, and gets it again only when a timer has run out.
// Nothing in DTLS 1.2 tells a client that the server is ready, and the acknowledgements of the
// flush before come from its kernel, not from its program. But it has as much to do as it had for
// its first record, and computes what this end has just computed, from the same message. That time
// is enough unless it is busier than before, and then the timer is a short one
// ([stream.HandshakeTuner]). Where the network takes longer than the peer, the flush has taken it
// already.
func (p *pace) untilPeerKey() time.Duration {
	return min(max(p.answerTime, 3*p.keyTime, minKeyTime), maxKeyTime) - p.askedAt.since()
}

// The wait for the peer's key is at least the time in which a program may be woken, on a processor
// that it shares with others, and bounded lest our own slowness be taken for the peer's.
const (
	minKeyTime = time.Millisecond
	maxKeyTime = 50 * time.Millisecond
)
