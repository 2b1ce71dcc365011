//go:build !linux

package sctpudp

import "net"

// offload returns c: batches are for Linux only.
func offload(c *net.UDPConn) Conn { return c }
