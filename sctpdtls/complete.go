package sctpdtls

import (
	"time"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

// Acknowledgements are not authenticated: whoever is on the path can take a message away and
// acknowledge it in the receiver's name, and the sender does not send it again. But the receiver's
// SCTP has not got it. So at each record before which the peer had to have everything acknowledged
// (RFC 6083, Sections 4.7 and 4.9) SCTP is asked whether all of it has come.

// A checkpoint is such a record after which the peer may go on sending: what is missing may have
// been sent after it.
type checkpoint struct {
	open  bool
	tsn   uint32 // its transmission sequence number
	later int32  // messages received that were sent after it
}

func (p *checkpoint) begin(tsn uint32) { *p = checkpoint{open: true, tsn: tsn} }

// count is called for each message.
func (p *checkpoint) count(tsn uint32) {
	if int32(tsn-p.tsn) > 0 {
		p.later++
	}
}

// missing asks a, which has no partial reliability, how many chunks are missing that were sent
// before the checkpoint. None is as soon as nothing at all is missing. As long as it cannot be told
// apart from what was sent later, and may still come, missing is called with each message; the next
// checkpoint takes over from this one, and what comes with close_notify leaves no doubt.
func (p *checkpoint) missing(a stream.Association) int {
	missing, highest, err := a.Missing()
	if err != nil || missing == 0 {
		p.open = false // an association that is over tells so itself
		return 0
	}
	later := int32(highest - p.tsn) // chunks that were sent after it, and may be missing
	if later < 0 {
		p.open = false // what was counted does not fit
		return 0
	}
	later -= max(p.later, min(later, 1)) // the highest is not
	return max(0, missing-int(later))
}

// settleTime is how long the peer has to give up what it cannot deliver, after its close_notify. A
// FORWARD TSN chunk may be lost as well, and comes again with the acknowledgement of close_notify.
const settleTime = time.Second

// missingAtEnd asks a, when the peer's close_notify has come, how many chunks before it are
// missing. With partial reliability it waits for the peer to give them up.
func missingAtEnd(
	a stream.Association, partial bool, pause func(time.Duration),
) (missing int, err error) {
	for until := time.Now().Add(settleTime); ; pause(10 * time.Millisecond) {
		missing, _, err = a.Missing()
		if err != nil || missing == 0 || !partial || reached(until) {
			return missing, err
		}
	}
}
