package dtlscore

import (
	"crypto/tls"
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/crypto/cryptobyte"
)

// An editedHello is a ClientHello with extensions that a test has edited as bytes.
type editedHello struct {
	fields     []byte
	extensions []editedExtension
}

type editedExtension struct {
	typ  extensionType
	data []byte
}

func editHello(hello *clientHello) *editedHello {
	body := must(appendMessage(nil, 0, hello))[handshakeHeaderLen:]
	fields, extensions := hello.fixed(body, nil)
	m := &editedHello{fields: fields}
	for _, x := range extensions {
		m.extensions = append(m.extensions, editedExtension{extensionType(binary.BigEndian.Uint16(x)),
			x[4:]})
	}
	return m
}

// find returns the extension of a type, which must exist.
func (m *editedHello) find(t extensionType) *editedExtension {
	i := slices.IndexFunc(m.extensions, func(x editedExtension) bool { return x.typ == t })
	return &m.extensions[i]
}

func (m *editedHello) remove(t extensionType) {
	m.extensions = slices.DeleteFunc(m.extensions, func(x editedExtension) bool { return x.typ == t })
}

func (m *editedHello) add(t extensionType, data ...byte) {
	m.extensions = append(m.extensions, editedExtension{t, data})
}

// last moves pre_shared_key to the end, where it must be.
func (m *editedHello) last() {
	slices.SortStableFunc(m.extensions, func(a, b editedExtension) int {
		isLast := func(x editedExtension) int {
			if x.typ == extPreSharedKey {
				return 1
			}
			return 0
		}
		return isLast(a) - isLast(b)
	})
}

func (*editedHello) typ() handshakeType { return typeClientHello }

func (m *editedHello) marshal(b *cryptobyte.Builder) {
	b.AddBytes(m.fields)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, x := range m.extensions {
			b.AddUint16(uint16(x.typ))
			addVector16(b, x.data)
		}
	})
}

func (*editedHello) parse([]byte) error { panic("never received") }

// Extensions without a meaning here, which a test adds.
const (
	extEncryptThenMAC extensionType = 22
	extGREASE         extensionType = 0x5a5a
)

// greaseHello adds to a first ClientHello what other implementations send.
func greaseHello(m *editedHello) {
	m.add(extGREASE)
	m.add(extEncryptThenMAC)
	m.add(extRecordSizeLimit, 0x40, 1)
	m.add(extPadding, make([]byte, 9)...)
	m.add(extEncryptedClientHello, 0, 1, 2, 3)
	m.last()
}

// retriedClient returns a client that has received a HelloRetryRequest, for another group or only
// with a cookie, and its second ClientHello.
func retriedClient(t *testing.T, server *Config) (*script13, *editedHello) {
	s := newScriptedClient13(t, server)
	c := &Conn{config: testClientConfig13(), isClient: true}
	wait := &clientWaitServerHello{hello: must(c.newClientHello())}
	s.check(wait.offer13(c))
	s.offer, s.keys = wait.hello, wait.keys
	s.offer.alpn = []string{"a", "b"}
	s.offer.earlyData = true
	s.offer.pskModes = []uint8{pskModeDHEKE}
	offerStrangeKeys(s.offer, "a", "b", "c")
	first := editHello(s.offer)
	greaseHello(first)
	s.send(first)
	s.readRetry()
	if s.answer.keyShares != nil {
		s.keys = []*ephemeralKey{must(generateKey(s.answer.keyShares[0].group))}
		s.offer.keyShares = []keyShare{{s.keys[0].group, s.keys[0].share()}}
	}
	s.offer.cookie13, s.offer.earlyData = s.answer.cookie13, false
	second := editHello(s.offer)
	greaseHello(second)
	return s, second
}

// offerStrangeKeys offers pre-shared keys that the server does not know.
func offerStrangeKeys(hello *clientHello, names ...string) {
	hello.identities, hello.binders = nil, nil
	for i, name := range names {
		hello.identities = append(hello.identities, pskIdentity{[]byte(name), uint32(i)})
		hello.binders = append(hello.binders, make([]byte, minBinderLen))
	}
}

// offering returns a change of pre_shared_key.
func offering(names ...string) func(m *editedHello) {
	return func(m *editedHello) {
		hello := new(clientHello)
		offerStrangeKeys(hello, names...)
		m.find(extPreSharedKey).data = editHello(hello).find(extPreSharedKey).data
	}
}

// What may change after a HelloRetryRequest: RFC 8446, Section 4.1.2. wolfSSL changes the order of
// extensions.
func TestRetryAllowedChanges(t *testing.T) {
	for name, change := range map[string]func(m *editedHello){
		"nothing":  func(m *editedHello) {},
		"reversed": func(m *editedHello) { slices.Reverse(m.extensions); m.last() },
		"one moved": func(m *editedHello) {
			m.extensions = append(m.extensions[1:], m.extensions[0])
			m.last()
		},
		"key_share first": func(m *editedHello) {
			x := *m.find(extKeyShare)
			m.remove(extKeyShare)
			m.extensions = slices.Insert(m.extensions, 0, x)
		},
		"less padding": func(m *editedHello) { m.find(extPadding).data = []byte{0} },
		"no padding":   func(m *editedHello) { m.remove(extPadding) },
		"Encrypted Client Hello": func(m *editedHello) {
			m.find(extEncryptedClientHello).data = []byte{4}
		},
		"no Encrypted ClientHello": func(m *editedHello) { m.remove(extEncryptedClientHello) },
		"fewer pre-shared keys":    offering("a", "c"),
		"older pre-shared keys":    offering("b"), // the age changes too
		"no pre-shared key":        func(m *editedHello) { m.remove(extPreSharedKey) },
	} {
		for how, config := range map[string]*Config{"key share": retryingServer13(),
			"cookie": cookieConfig13()} {
			t.Run(how+", "+name, func(t *testing.T) {
				s, second := retriedClient(t, config)
				change(second)
				s.send(second)
				s.serverFlight()
				s.finished()
				s.useApplication()
				s.wantComplete()
			})
		}
	}
}

// B6: each extension that must not change, omitted or changed.
func TestAttackB6RetryChangesExtension(t *testing.T) {
	s, hello := retriedClient(t, retryingServer13())
	s.send(hello)
	s.serverFlight()
	mayChange := []extensionType{extKeyShare, extPadding, extEncryptedClientHello, extPreSharedKey}
	for _, x := range hello.extensions {
		if slices.Contains(mayChange, x.typ) {
			continue
		}
		for how, change := range map[string]func(m *editedHello){
			"left out": func(m *editedHello) { m.remove(x.typ) },
			"changed": func(m *editedHello) {
				x := m.find(x.typ)
				x.data = slices.Clone(x.data)
				if len(x.data) == 0 {
					x.data = []byte{0}
				} else {
					x.data[len(x.data)-1] ^= 1
				}
			},
		} {
			t.Run(x.typ.String()+" "+how, func(t *testing.T) {
				s, second := retriedClient(t, retryingServer13())
				change(second)
				s.send(second)
				if s.under.err == nil {
					t.Error("accepted")
				}
			})
		}
	}
	for _, typ := range []extensionType{extGREASE + 0x1010, extSessionTicket,
		extCertificateAuthorities, 0xffff} {
		t.Run("added "+typ.String(), func(t *testing.T) {
			s, second := retriedClient(t, retryingServer13())
			second.add(typ, 0, 3, 0, 1, 'x')
			second.last()
			s.send(second)
			s.wantAlert(AlertIllegalParameter, ErrPeerMisbehaved)
		})
	}
	t.Run("key shares that were not asked for", func(t *testing.T) {
		s, second := retriedClient(t, cookieConfig13())
		s.offer.keyShares = append(s.offer.keyShares, newShare(tls.CurveP384))
		second.find(extKeyShare).data = editHello(s.offer).find(extKeyShare).data
		s.send(second)
		s.wantAlert(AlertIllegalParameter, ErrPeerMisbehaved)
	})
	for name, change := range map[string]func(m *editedHello){
		"a pre-shared key more":  offering("a", "b", "c", "d"),
		"another pre-shared key": offering("a", "d"),
		"a pre-shared key twice": offering("a", "a"),
		"early data again":       func(m *editedHello) { m.add(extEarlyData); m.last() },
	} {
		t.Run(name, func(t *testing.T) {
			s, second := retriedClient(t, retryingServer13())
			change(second)
			s.send(second)
			s.wantAlert(AlertIllegalParameter, ErrPeerMisbehaved)
		})
	}
}
