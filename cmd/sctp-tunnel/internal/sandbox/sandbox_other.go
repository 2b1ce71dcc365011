//go:build !linux

package sandbox

import "errors"

// Enter fails: only Linux has SCTP and what Enter needs.
func Enter(Options) (Report, error) { return Report{}, errors.ErrUnsupported }
