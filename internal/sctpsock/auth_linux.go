package sctpsock

import (
	"encoding/binary"
	"errors"
	"os"
	"slices"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
	"golang.org/x/sys/unix"
)

const chunkDATA = 0 // RFC 9260, Section 3.3.1

// Chunk types of RFC 5061, which requires that they are authenticated.
const (
	chunkASCONFAck = 0x80
	chunkASCONF    = 0xc1
)

var defaultHMACs = []uint16{3, 1} // SHA-256, SHA-1

// setAuth enables SCTP-AUTH if o requests it, before there is an association.
func setAuth(fd int, o *Options) error {
	if len(o.AuthChunks) == 0 {
		return nil
	}
	if err := switchAuthOn(fd); err != nil {
		return err
	}
	chunks := o.AuthChunks
	if o.AddressChanges {
		chunks = append(slices.Clip(chunks), chunkASCONF, chunkASCONFAck)
	}
	for i := range chunks {
		if err := setOptBytes(fd, solSCTP, optAuthChunk, chunks[i:i+1]); err != nil {
			return authError("SCTP_AUTH_CHUNK", err)
		}
	}
	hmacs := o.HMACs
	if hmacs == nil {
		hmacs = defaultHMACs
	}
	b := binary.NativeEndian.AppendUint32(nil, uint32(len(hmacs)))
	for _, id := range hmacs {
		b = binary.NativeEndian.AppendUint16(b, id)
	}
	return authError("SCTP_HMAC_IDENT", setOptBytes(fd, solSCTP, optHMACIdent, b))
}

// setAuthAgain makes the settings that an accepted socket needs to keep SCTP-AUTH when its
// association restarts.
func setAuthAgain(fd int, o *Options) error {
	if len(o.AuthChunks) == 0 {
		return nil
	}
	if err := switchAuthOn(fd); err != nil {
		return err
	}
	return authError("SCTP_AUTH_CHUNK", setOptBytes(fd, solSCTP, optAuthChunk, []byte{chunkDATA}))
}

func switchAuthOn(fd int) error {
	// A kernel that does not know the option has AUTH if the sysctl enables it. Otherwise
	// the following fails with EACCES.
	err := setOpt(fd, solSCTP, optAuthSupported, &assocValue{Value: 1})
	if err != nil && err != unix.ENOPROTOOPT {
		return &authchunk.UnsupportedError{Err: os.NewSyscallError("SCTP_AUTH_SUPPORTED", err)}
	}
	return nil
}

// authError distinguishes a kernel without AUTH from an option with a wrong argument.
func authError(option string, err error) error {
	switch err {
	case nil:
		return nil
	case unix.EACCES, unix.ENOPROTOOPT, unix.EOPNOTSUPP:
		return &authchunk.UnsupportedError{Err: os.NewSyscallError(option, err)}
	}
	return os.NewSyscallError(option, err)
}

// AuthSupported reports whether both ends use SCTP-AUTH. Which chunks they
// authenticate is another question; see [Socket.PeerAuthChunks].
func (s *Socket) AuthSupported() (bool, error) {
	on, err := s.flag(optAuthSupported)
	if !errors.Is(err, unix.ENOPROTOOPT) {
		return on, err
	}
	// Before Linux 5.4, this is the only indication.
	var c authChunks
	err = s.control(func(fd int) error { return getOpt(fd, solSCTP, optPeerAuthChunks, &c) })
	if err == unix.EACCES {
		return false, nil
	}
	return err == nil, os.NewSyscallError("getsockopt", err)
}

// PeerAuthChunks returns the chunk types that the peer wants authenticated, which
// are those that the kernel authenticates when it sends. There is none if the
// peer does not use SCTP-AUTH.
func (s *Socket) PeerAuthChunks() ([]byte, error) { return s.authChunks(optPeerAuthChunks) }

// LocalAuthChunks returns the chunk types that the kernel accepts only if they
// are authenticated.
func (s *Socket) LocalAuthChunks() ([]byte, error) { return s.authChunks(optLocalAuthChunks) }

func (s *Socket) authChunks(opt int) ([]byte, error) {
	var c authChunks
	err := s.control(func(fd int) error { return getOpt(fd, solSCTP, opt, &c) })
	if err == unix.EACCES {
		return nil, nil
	}
	if err != nil {
		return nil, os.NewSyscallError("getsockopt", err)
	}
	return c.Types[:min(int(c.N), len(c.Types))], nil
}

// SetAuthKey installs secret as key id, for sending and receiving. It replaces a key
// with the same id, also for messages that wait to be sent. It keeps no
// reference to secret. (RFC 6458, Section 8.3.3)
func (s *Socket) SetAuthKey(id uint16, secret []byte) error {
	b := binary.NativeEndian.AppendUint32(make([]byte, 0, 9+len(secret)), 0)
	b = binary.NativeEndian.AppendUint16(b, id)
	b = binary.NativeEndian.AppendUint16(b, uint16(len(secret)))
	b = append(b, secret...)
	defer clear(b)
	if len(secret) == 0 {
		b = append(b, 0) // the kernel wants more than the header, and does not look at it
	}
	return s.setAuth("SCTP_AUTH_KEY", optAuthKey, b)
}

// SetActiveAuthKey authenticates what is sent from now on with key id. Earlier
// messages keep their key, also when they are retransmitted. (RFC 6458, Section
// 8.1.18)
func (s *Socket) SetActiveAuthKey(id uint16) error {
	return s.setAuthKeyID("SCTP_AUTH_ACTIVE_KEY", optAuthActiveKey, id)
}

// DeleteAuthKey deletes key id, which must not be active. From now on, the kernel
// silently drops messages of the peer under this key. (RFC 6458, Section 8.3.5)
func (s *Socket) DeleteAuthKey(id uint16) error {
	return s.setAuthKeyID("SCTP_AUTH_DELETE_KEY", optAuthDeleteKey, id)
}

func (s *Socket) setAuthKeyID(name string, opt int, id uint16) error {
	return s.control(func(fd int) error {
		return authError(name, setOpt(fd, solSCTP, opt, &authKeyID{Number: id}))
	})
}

func (s *Socket) setAuth(name string, opt int, b []byte) error {
	return s.control(func(fd int) error { return authError(name, setOptBytes(fd, solSCTP, opt, b)) })
}
