package tunnel

import "testing"

func TestPPIDs(t *testing.T) {
	type pairs map[uint32]uint32
	for _, tt := range []struct {
		name    string
		own     pairs
		out, in pairs
	}{
		{"default", nil,
			pairs{46: 47, 60: 66, 61: 67, 62: 68, 64: 69, 7: 7,
				0: 0, 3: 3, 18: 18, 47: 47, 1<<32 - 1: 1<<32 - 1},
			pairs{47: 46, 66: 60, 67: 61, 68: 62, 69: 64, 0: 0, 3: 3, 18: 18, 46: 46}},
		{"none is Diameter", pairs{0: 47}, pairs{0: 47, 46: 47}, pairs{47: 0, 0: 0}},
		{"none is Diameter too", pairs{0: 47, 46: 47}, pairs{0: 47, 46: 47}, pairs{47: 46}},
		{"the least of several", pairs{9: 100, 7: 100, 8: 100},
			pairs{7: 100, 8: 100, 9: 100}, pairs{100: 7}},
		{"as it is", pairs{46: 46}, pairs{46: 46}, pairs{46: 46}},
		{"a protocol of one's own", pairs{18: 1018}, pairs{18: 1018, 46: 47}, pairs{1018: 18, 47: 46}},
	} {
		m := newPPIDMap(tt.own)
		for from, to := range tt.out {
			if got := mapped(m.out, from); got != to {
				t.Errorf("%s: out %d becomes %d, want %d", tt.name, from, got, to)
			}
		}
		for from, to := range tt.in {
			if got := mapped(m.in, from); got != to {
				t.Errorf("%s: in %d becomes %d, want %d", tt.name, from, got, to)
			}
		}
	}
}
