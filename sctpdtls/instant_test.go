package sctpdtls

import (
	"math"
	"testing"
	"time"
)

// Deadlines are those of the clock that they are of, however far away.
func TestInstant(t *testing.T) {
	for name, test := range map[string]func(t *testing.T, f func(t *testing.T)){
		"real": func(t *testing.T, f func(*testing.T)) { f(t) }, "false clock": bubble,
	} {
		t.Run(name, func(t *testing.T) {
			test(t, func(t *testing.T) {
				const hour = time.Hour
				for _, tt := range []struct {
					what    string
					at      time.Time
					reached bool
				}{
					{"none", time.Time{}, false},
					{"past", past, true},
					{"an hour ago", time.Now().Add(-hour), true},
					{"now", time.Now(), true},
					{"in an hour", time.Now().Add(hour), false},
					{"in an hour by the wall clock", time.Now().Add(hour).Round(0), false},
					{"an hour ago by the wall clock", time.Now().Add(-hour).Round(0), true},
					{"the last one", time.Unix(math.MaxInt64/2, 0), false},
					{"the first one", time.Unix(math.MinInt64/2, 0), true},
				} {
					i := instantOf(tt.at)
					if got := i.reached(); got != tt.reached {
						t.Errorf("%s: reached: %v", tt.what, got)
					}
					if tt.at.IsZero() != i.time().IsZero() {
						t.Errorf("%s is %v, %v", tt.what, i, i.time())
					}
					if off := i.time().Sub(tt.at).Abs(); off > time.Second && !tt.at.IsZero() &&
						time.Until(tt.at).Abs() < 2*hour {
						t.Errorf("%s is off by %v", tt.what, off)
					}
				}
			})
		})
	}
}
