//go:build !linux

package sctpudp

import (
	"errors"
	"net"
	"net/netip"
)

// offload returns c: batches, and the choice of an address to send from, are for Linux only.
func offload(c *net.UDPConn, _ bool) Conn { return c }

func kernelHasSCTP() bool { return false }

func listenIP(netip.Addr) (Conn, error) { return nil, errors.ErrUnsupported }

func networkNamespace() string { return "" }
