//go:build !linux

package sandbox

import "errors"

// Enter fails: only Linux has what it takes, and SCTP.
func Enter(Options) (Report, error) { return Report{}, errors.ErrUnsupported }
