package wire

// needleLen is how much of the application's data is looked for: enough not
// to be found by chance.
const needleLen = 16

type needle [needleLen]byte

// checkPlaintext looks for the application's data in everything captured:
// for what the records turned out to carry, and for what the caller knows.
func (a *Association) checkPlaintext(known [][]byte) {
	needles := make(map[needle]bool)
	for _, k := range known {
		needles[needle(k)] = true
	}
	for _, m := range a.Messages {
		if r := m.Record; r != nil && r.Type == ApplicationData && r.protected() && varied(r.Payload) {
			needles[needle(r.Payload)] = true
		}
	}
	for _, p := range a.Packets {
		if found, ok := search(p.body, needles); ok {
			a.found.add(Plaintext, p.Number, "%q in clear", found[:])
		}
	}
	for _, m := range a.Messages {
		if m.Chunks == 1 {
			continue // searched with its packet
		}
		if found, ok := search(m.Data, needles); ok {
			a.found.add(Plaintext, m.Packet, "%q in clear in %s", found[:], m)
		}
	}
}

func search(b []byte, needles map[needle]bool) (needle, bool) {
	for ; len(b) >= needleLen; b = b[1:] {
		if n := needle(b); needles[n] {
			return n, true
		}
	}
	return needle{}, false
}

// varied reports whether b begins with bytes that do not occur by chance,
// as a run of zeros does.
func varied(b []byte) bool {
	if len(b) < needleLen {
		return false
	}
	distinct := make(map[byte]bool)
	for _, c := range b[:needleLen] {
		distinct[c] = true
	}
	return len(distinct) >= 4
}
