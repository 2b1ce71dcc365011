//go:build !linux

package main

import "runtime"

func thisMachine() machine { return machine{system: runtime.GOOS} }
