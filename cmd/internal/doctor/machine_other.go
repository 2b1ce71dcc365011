//go:build !linux

package doctor

import "runtime"

// ThisMachine returns the machine that this program runs on.
func ThisMachine() Machine { return Machine{System: runtime.GOOS} }
