package wire

import (
	"fmt"
	"slices"
)

// Options tell [Check] what to expect. The zero value is the profile of RFC
// 6083, without a key log: then only key identifier 0 can be verified.
type Options struct {
	// KeyLog is the text of the file named by SSLKEYLOGFILE.
	KeyLog []byte

	// Label is the exporter label, by default [DefaultLabel].
	Label string

	// Plaintexts must not appear in any packet, beside what the application's
	// records turn out to carry. Of each the first 16 bytes are looked for;
	// there must be as many.
	Plaintexts [][]byte

	// FinishedUnderOldKey accepts a Finished under the key before, as OpenSSL
	// sends it.
	FinishedUnderOldKey bool

	// NoDTLS takes user messages as they are; only SCTP-AUTH is checked.
	NoDTLS bool
	// Secrets are endpoint pair shared keys by their identifiers, beside those
	// that the key log gives.
	Secrets map[uint16][]byte

	// Kernel accepts from these sides, which use Linux's SCTP, the packets in IP fragments that it
	// sends by design: control chunks with one authenticated DATA chunk, which alone would fit.
	Kernel [2]bool
}

// Check follows the associations whose INIT chunk was captured, in the order
// in which they began. The error reports a capture or key log that cannot be
// used; what is wrong with an association is in its Defects.
func Check(frames []Frame, o Options) ([]*Association, error) {
	log, err := parseKeyLog(o.KeyLog)
	if err != nil {
		return nil, err
	}
	if o.Label == "" {
		o.Label = DefaultLabel
	}
	for _, p := range o.Plaintexts {
		if len(p) < needleLen {
			return nil, fmt.Errorf("plaintext %q is too short to look for: it could occur by chance", p)
		}
	}
	all, err := follow(frames)
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		a.finish()
		secrets := map[uint16][]byte{0: nil}
		if !o.NoDTLS {
			a.readRecords()
			secrets = a.openRecords(log, o.Label)
			a.checkRules(o)
		}
		for id, secret := range o.Secrets {
			secrets[id] = secret
		}
		a.checkAuth(secrets)
		a.checkFragments(o.Kernel)
		a.checkPlaintext(o.Plaintexts)
		a.findTimers()
		a.Defects = a.found
		slices.SortStableFunc(a.Defects, func(x, y Defect) int { return x.Packet - y.Packet })
	}
	return all, nil
}

// follow sorts packets by the association that they belong to.
func follow(frames []Frame) ([]*Association, error) {
	var all []*Association
	parts := make(fragments)
	for i, f := range frames {
		var p *Packet
		whole, err := parts.join(f)
		if whole != nil {
			p, err = decodeFrame(i+1, whole.Frame)
		}
		if err != nil {
			return nil, fmt.Errorf("frame %d: %w (is GSO off at both ends of the link?)", i+1, err)
		}
		if p == nil || len(p.Chunks) == 0 {
			continue
		}
		p.fragment, p.size = whole.first, len(whole.Data)-etherHeaderLen
		if !deliver(all, p) && p.Chunks[0].Type == ChunkInit {
			a, err := newAssociation(p, p.Chunks[0])
			if err != nil {
				a.found.add(Malformed, p.Number, "%v", err)
			}
			a.take(Initiator, p)
			all = append(all, a)
		}
	}
	if len(parts) > 0 {
		return nil, fmt.Errorf("%d IPv4 packets without their last fragments", len(parts))
	}
	return all, nil
}

// deliver gives p to the association it belongs to, the newest one first.
func deliver(all []*Association, p *Packet) bool {
	for _, a := range slices.Backward(all) {
		if from, ok := a.sender(p); ok {
			a.take(from, p)
			return true
		}
	}
	return false
}
