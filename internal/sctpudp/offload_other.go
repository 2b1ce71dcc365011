//go:build !linux

package sctpudp

import (
	"errors"
	"net"
	"net/netip"
)

// offload returns c: batches are for Linux only.
func offload(c *net.UDPConn) Conn { return c }

func kernelHasSCTP() bool { return false }

func listenIP(netip.Addr) (Conn, error) { return nil, errors.ErrUnsupported }

func networkNamespace() string { return "" }
