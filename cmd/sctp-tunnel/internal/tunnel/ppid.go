package tunnel

import "maps"

// DefaultPPIDs returns the payload protocol identifiers that IANA has registered in pairs: without
// and with DTLS.
func DefaultPPIDs() map[uint32]uint32 {
	return map[uint32]uint32{
		46: 47, // Diameter (RFC 6733)
		60: 66, // NGAP (3GPP TS 38.412)
		61: 67, // XnAP (3GPP TS 38.422)
		62: 68, // F1AP (3GPP TS 38.472)
		64: 69, // E1AP (3GPP TS 37.482)
	}
}

// A ppidMap maps payload protocol identifiers in each direction. Others are not changed. They are
// so few that a list is faster than a map.
type ppidMap struct{ out, in []ppidPair }

type ppidPair struct{ from, to uint32 }

// newPPIDMap adds own to the default, and computes the inverse. If several map to the same one, the
// inverse is that of own; among several of own, it is the one that is also the default, or else the
// lowest.
func newPPIDMap(own map[uint32]uint32) ppidMap {
	out, in := DefaultPPIDs(), make(map[uint32]uint32)
	for clear, dtls := range DefaultPPIDs() {
		in[dtls] = clear
	}
	usual := maps.Clone(in)
	maps.Copy(out, own)
	mine := make(map[uint32]uint32)
	for clear, dtls := range own {
		least, several := mine[dtls]
		if !several || usual[dtls] == clear && least != clear || usual[dtls] != least && clear < least {
			mine[dtls] = clear
		}
	}
	maps.Copy(in, mine)
	return ppidMap{ppidPairs(out), ppidPairs(in)}
}

func ppidPairs(m map[uint32]uint32) (list []ppidPair) {
	for from, to := range m {
		list = append(list, ppidPair{from, to})
	}
	return list
}

func mapped(list []ppidPair, ppid uint32) uint32 {
	for _, p := range list {
		if p.from == ppid {
			return p.to
		}
	}
	return ppid
}
