package sctpdtls

import "time"

// So many records are written at once that nobody has authenticated the reason of, and one more
// each time that the interval has passed: whoever is on the path can make SCTP report errors and
// addresses without end.
const (
	logBurst    = 64
	logInterval = 10 * time.Second
)
