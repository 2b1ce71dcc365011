//go:build !linux

package doctor

import "runtime"

// ThisMachine is the one that this program runs on.
func ThisMachine() Machine { return Machine{System: runtime.GOOS} }
