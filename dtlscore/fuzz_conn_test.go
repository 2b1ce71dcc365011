package dtlscore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/fuzzcount"
)

// I2: these targets fuzz the whole state machine. An input is a script: one byte selects the kind
// of conversation, and each following byte a step, with its arguments. See conversation for what is
// checked.

func FuzzClient12(f *testing.F) { fuzzConversation(f, VersionDTLS12, true) }
func FuzzServer12(f *testing.F) { fuzzConversation(f, VersionDTLS12, false) }
func FuzzClient13(f *testing.F) { fuzzConversation(f, VersionDTLS13, true) }
func FuzzServer13(f *testing.F) { fuzzConversation(f, VersionDTLS13, false) }

// The steps. A step that needs a record does nothing if there is none.
const (
	stepPass        = iota // n: n records arrive
	stepPeerReads          // the peer receives what has arrived
	stepOvertake           // the next record of application data overtakes others
	stepWrite              // the victim sends application data
	stepPeerWrites         // the peer does
	stepNewKeys            // n: the victim changes keys; if n is odd, the peer must follow
	stepPeerNewKeys        // n
	stepClose
	stepPeerCloses
	stepSplit // at (16 bits): an unprotected handshake message becomes two fragments
	stepMerge // two unprotected handshake records become one

	stepTampering // from here on the connection may fail

	stepFlip     = iota - 1 // at (16 bits), mask: changes the next record
	stepDrop                // the next record
	stepRepeat              // the next record
	stepDelay               // n: the next record is delayed by n others
	stepTruncate            // n (16 bits): the next record
	stepStray               // the next record arrives on another stream
	// at (16 bits), n, bytes: replaces n bytes in the body of the next unprotected message
	stepEdit
	stepReplay   // n: an earlier record of either side
	stepRenumber // n: an earlier unprotected message, with the next message_seq
	stepRaw      // bytes: a record
	stepSeal     // type, bytes: a record with the peer's keys
	stepMessage  // type, bytes: a message with the peer's keys and the next message_seq
	stepCount
)

const maxSteps = 100

func fuzzConversation(f *testing.F, version uint16, victimIsClient bool) {
	for kind := range 2 * len(kindsOf(version)) {
		for _, script := range conversationSeeds {
			f.Add(append([]byte{byte(kind)}, script...))
		}
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		fuzzcount.Input(len(script))
		if len(script) == 0 {
			return
		}
		kinds := kindsOf(version)
		n := int(script[0]) % (2 * len(kinds))
		kind, rogue := kinds[n/2], n%2 == 1
		c := newConversation(t, kind, victimIsClient, rogue, script[1:])
		if c.victim.trusted == "" {
			c.rogue = false // the victim does not verify the peer
		}
		for range maxSteps {
			if len(c.script) == 0 {
				break
			}
			c.step(c.byte() % stepCount)
		}
		c.finish()
	})
}

// conversationSeeds are inputs for every kind of conversation.
var conversationSeeds = [][]byte{
	nil,
	{stepPass, 10, stepPeerReads, stepPass, 10, stepPeerReads, stepPeerWrites, stepWrite,
		stepPeerNewKeys, 1, stepPeerWrites,
		stepPass, 3, stepOvertake, stepPeerReads, stepPass, 10, stepNewKeys, 0, stepPeerReads, stepPass,
		10, stepPeerCloses},
	{stepPass, 1, stepSplit, 0, 20, stepSplit, 0, 3, stepMerge, stepPass, 10, stepPeerReads, stepPass,
		9, stepClose},
	{stepPass, 2, stepFlip, 0, 15, 1, stepDrop, stepRepeat, stepDelay, 2, stepTruncate, 0, 30,
		stepStray},
	{stepPass, 2, stepEdit, 0, 2, 1, 2, 7, 7, stepReplay, 0, stepRenumber, 2, stepRaw, 14, 20, 0xfe,
		0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 1},
	{stepPass, 10, stepPeerReads, stepPass, 10, stepPeerReads, stepSeal, 23, 3, 'a', 'b', 'c',
		stepMessage, 0, 0,
		stepSeal, 21, 2, 1, 90, stepSeal, 20, 1, 1, stepMessage, 20, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0},
}

// D11: whatever both ends begin at the same time, and however the transport delivers it, all data
// arrives, and both ends reach the same state.
func TestAttackD11CrossingConversations(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, version := range []uint16{VersionDTLS12, VersionDTLS13} {
		for _, kind := range kindsOf(version) {
			for i := range 40 {
				script := make([]byte, 5+r.IntN(maxSteps-5))
				for i := range script {
					script[i] = byte(r.IntN(stepTampering))
					ends := script[i] == stepClose || script[i] == stepPeerCloses
					if r.IntN(3) == 0 || ends && r.IntN(4) > 0 {
						script[i] = byte(r.IntN(stepNewKeys)) // the most frequent steps
					}
				}
				t.Run(fmt.Sprintf("%s/%x", kind.name, script), func(t *testing.T) {
					c := newConversation(t, kind, i%2 == 0, false, script)
					for len(c.script) > 0 {
						c.step(c.byte() % stepTampering)
					}
					c.finish()
				})
			}
		}
	}
}

// step executes a step that a transport or an end can take.
func (c *conversation) step(step byte) {
	if step >= stepTampering {
		c.tampered = true
	}
	switch step {
	case stepPass:
		n := int(c.byte())
		c.fill()
		c.pass(min(n, len(c.wire)))
		c.victim.read()
	case stepPeerReads:
		c.peer.read()
	case stepOvertake:
		c.fill()
		if i := slices.IndexFunc(c.wire, func(r testRecord) bool { return !r.control }); i >= 0 {
			c.arrive(c.wire[i])
			c.wire = slices.Delete(c.wire, i, i+1)
		}
	case stepWrite:
		c.victim.write()
	case stepPeerWrites:
		c.peer.write()
	case stepNewKeys:
		c.victim.newKeys(c.byte()%2 == 1)
	case stepPeerNewKeys:
		c.peer.newKeys(c.byte()%2 == 1)
	case stepClose:
		c.close(c.victim)
	case stepPeerCloses:
		c.close(c.peer)
	case stepSplit:
		at := c.short()
		if r, ok := c.next(); ok {
			for _, fragment := range split(r, at) {
				c.arrive(fragment)
			}
		}
	case stepMerge:
		c.merge()
	default:
		c.tamper(step)
	}
}

// tamper executes a step that no transport takes.
func (c *conversation) tamper(step byte) {
	switch step {
	case stepFlip:
		at, mask := c.short(), c.byte()
		if r, ok := c.next(); ok {
			b := slices.Clone(r.bytes)
			b[at%len(b)] ^= mask
			c.arrive(testRecord{b, r.control})
		}
	case stepDrop:
		c.next()
	case stepRepeat:
		if r, ok := c.next(); ok {
			c.arrive(r)
			c.arrive(r)
		}
	case stepDelay:
		n := int(c.byte())
		if r, ok := c.next(); ok {
			c.wire = slices.Insert(c.wire, min(n, len(c.wire)), r)
		}
	case stepTruncate:
		n := c.short()
		if r, ok := c.next(); ok {
			c.arrive(testRecord{r.bytes[:min(n, len(r.bytes))], r.control})
		}
	case stepStray:
		if r, ok := c.next(); ok {
			c.arrive(testRecord{r.bytes, !r.control})
		}
	case stepEdit:
		at, n, insert := c.short(), int(c.byte()), c.bytes()
		if r, ok := c.next(); ok {
			c.arrive(edit(r, at, n, insert))
		}
	case stepReplay:
		if n := int(c.byte()); n < len(c.past) {
			c.arrive(c.past[n])
		}
	case stepRenumber:
		if n := int(c.byte()); n < len(c.past) {
			if h, body, ok := plainMessage(c.past[n]); ok {
				c.message(h.typ, body)
			}
		}
	case stepRaw:
		c.arrive(testRecord{c.bytes(), true})
	case stepSeal:
		t := contentType(c.byte())
		c.seal(t, c.bytes())
	case stepMessage:
		t := handshakeType(c.byte())
		c.message(t, c.bytes())
	}
}

func (c *conversation) byte() byte {
	if len(c.script) == 0 {
		return 0
	}
	b := c.script[0]
	c.script = c.script[1:]
	return b
}

func (c *conversation) short() int { return int(c.byte())<<8 | int(c.byte()) }

func (c *conversation) bytes() []byte {
	n := min(int(c.byte()), len(c.script))
	b := c.script[:n]
	c.script = c.script[n:]
	return slices.Clone(b)
}

// fill makes the peer receive if nothing is in flight.
func (c *conversation) fill() {
	if len(c.wire) == 0 {
		c.peer.read()
	}
}

// next takes a record in flight.
func (c *conversation) next() (testRecord, bool) {
	c.fill()
	if len(c.wire) == 0 {
		return testRecord{}, false
	}
	r := c.wire[0]
	c.wire = c.wire[1:]
	return r, true
}

func (c *conversation) arrive(r testRecord) {
	c.victim.inbox = append(c.victim.inbox, r)
	c.victim.read()
}

// close counts as tampering during the first handshake, which it ends.
func (c *conversation) close(e *talker) {
	if len(e.exports) == 0 {
		c.tampered = true
	}
	e.conn.Close()
	e.obey()
}

// seal sends a record that the peer would not send, protected with the peer's keys if there are
// any.
func (c *conversation) seal(t contentType, content []byte) {
	epoch := c.peer.conn.written
	record, err := epoch.seal(nil, t, content)
	if err != nil {
		return
	}
	sealedAs := t
	// With type 0 this is padding, which the type precedes: RFC 8446, Section 5.4.
	if c.peer.conn.form.version == VersionDTLS13 && t == 0 {
		if content = bytes.TrimRight(content, "\x00"); len(content) > 0 {
			t, content = contentType(content[len(content)-1]), content[:len(content)-1]
		}
	}
	if t == contentApplicationData && epoch.number > 0 {
		c.peer.wrote[string(content)]++
	}
	c.arrive(testRecord{record, sealedAs != contentApplicationData})
}

// message sends a message with the next message_seq.
func (c *conversation) message(t handshakeType, body []byte) {
	h := handshakeHeader{typ: t, length: len(body), seq: uint16(c.victim.conn.in.messages.next),
		fragmentLength: len(body)}
	c.seal(contentHandshake, append(h.append(nil), body...))
}

// plainMessage returns the complete message in an unprotected record.
func plainMessage(r testRecord) (h handshakeHeader, body []byte, ok bool) {
	record, content, err := parseRecord(r.bytes)
	if err != nil || record.typ != contentHandshake || record.epoch > 0 {
		return h, nil, false
	}
	h, body, rest, err := parseFragment(content)
	return h, body, err == nil && len(rest) == 0 && h.fragmentLength == h.length
}

// inRecord replaces the content of an unprotected record.
func inRecord(r testRecord, content []byte) testRecord {
	b := append(slices.Clone(r.bytes[:recordHeaderLen]), content...)
	binary.BigEndian.PutUint16(b[recordHeaderLen-2:], uint16(len(content)))
	return testRecord{b, r.control}
}

// split splits a message into two fragments.
func split(r testRecord, at int) []testRecord {
	h, body, ok := plainMessage(r)
	if !ok || len(body) < 2 {
		return []testRecord{r}
	}
	at = at%(len(body)-1) + 1
	first, second := h, h
	first.fragmentLength = at
	second.fragmentOffset, second.fragmentLength = at, len(body)-at
	return []testRecord{inRecord(r, append(first.append(nil), body[:at]...)),
		inRecord(r, append(second.append(nil), body[at:]...))}
}

// merge joins the next two unprotected messages in one record.
func (c *conversation) merge() {
	c.fill()
	if len(c.wire) < 2 {
		return
	}
	_, _, first := plainMessage(c.wire[0])
	_, _, second := plainMessage(c.wire[1])
	if first && second {
		both := slices.Concat(c.wire[0].bytes[recordHeaderLen:], c.wire[1].bytes[recordHeaderLen:])
		c.arrive(inRecord(c.wire[0], both))
		c.wire = c.wire[2:]
	}
}

// edit changes the body of a message and corrects its length fields.
func edit(r testRecord, at, n int, insert []byte) testRecord {
	h, body, ok := plainMessage(r)
	if !ok {
		return r
	}
	at = min(at, len(body))
	body = slices.Replace(slices.Clone(body), at, min(at+n, len(body)), insert...)
	h.length, h.fragmentLength = len(body), len(body)
	return inRecord(r, append(h.append(nil), body...))
}

// kindsOf returns the kinds of conversations of a version.
func kindsOf(version uint16) (kinds []*conversationKind) {
	knowIdentities()
	for _, k := range conversationKinds {
		if k.version == version {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// knowIdentities finds the identities of each kind with an undisturbed handshake.
var knowIdentities = sync.OnceFunc(func() {
	for _, k := range conversationKinds {
		c, s := quickHandshake(k.configs())
		k.server, k.client, k.agreed = c.identity(), s.identity(), agreement(c)
	}
})
