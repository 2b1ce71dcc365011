//go:build !linux

package main

import "testing"

func testTransportIP(*testing.T) {}
