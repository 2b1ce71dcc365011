package userspace

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"net"
	"testing"
)

// mtu is that of the packets whose floor is measured, without IP and UDP: what fits into packets of
// 1,500 bytes.
const mtu = 1472

// A signer has the state of an HMAC.
type signer struct {
	hash.Hash
	sum [sha256.Size]byte
}

func newSigner() *signer { return &signer{Hash: hmac.New(sha256.New, make([]byte, sha256.Size))} }

func (s *signer) sign(b []byte) {
	s.Reset()
	s.Write(b)
	s.Sum(s.sum[:0])
}

// floor is as many bytes in as few datagrams, each with an HMAC at either end, and a system call.
// The receiver says after each message that it has it, for else datagrams would be lost.
func floor(tb testing.TB, size int) carrier {
	from, to := udp(tb), udp(tb)
	at := to.LocalAddr().(*net.UDPAddr).AddrPort()
	here, there := newSigner(), newSigner()
	room := make(chan struct{}, 64)
	return carrier{
		send: func(msg []byte) error {
			room <- struct{}{}
			for len(msg) > 0 {
				n := min(len(msg), mtu)
				here.sign(msg[:n])
				if _, err := from.WriteToUDPAddrPort(msg[:n], at); err != nil {
					return err
				}
				msg = msg[n:]
			}
			return nil
		},
		receive: func(buf []byte) error {
			for left := size; left > 0; {
				n, _, err := to.ReadFromUDPAddrPort(buf)
				if err != nil {
					return err
				}
				there.sign(buf[:n])
				left -= n
			}
			<-room
			return nil
		},
	}
}
