//go:build !linux

package sctpudp

import (
	"errors"
	"net"
	"net/netip"
)

// offload returns c: only Linux has batches and a choice of the source address.
func offload(c *net.UDPConn, _ bool) Conn { return c }

func kernelHasSCTP() bool { return false }

func listenIP(netip.Addr) (Conn, error) { return nil, errors.ErrUnsupported }

func networkNamespace() string { return "" }
