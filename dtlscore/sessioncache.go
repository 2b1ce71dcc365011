package dtlscore

import (
	"container/list"
	"crypto/x509"
	"runtime"
	"slices"
	"sync"
	"weak"
)

// A SessionCache stores a client's sessions for resumption. Sessions are secret: anyone who has one
// can attack the connections that resume it. Its methods are called concurrently.
type SessionCache interface {
	// Get returns the session that was last stored under key.
	Get(key string) (session []byte, ok bool)

	// Put stores a session in place of a previous one under key. A nil session means that it must
	// be removed.
	Put(key string, session []byte)
}

// NewSessionCache returns an in-memory cache of the most recently used sessions, at most capacity
// of them.
func NewSessionCache(capacity int) SessionCache {
	return &lruCache{capacity: max(capacity, 1), entries: make(map[string]*list.Element)}
}

type lruCache struct {
	mu       sync.Mutex // guards the following
	capacity int
	entries  map[string]*list.Element
	order    list.List // of lruEntry, most recently used first
}

type lruEntry struct {
	key     string
	session []byte
	own     bool // stored by this package, in this process, and without a MAC
}

func (c *lruCache) Get(key string) ([]byte, bool) {
	session, own, ok := c.get(key)
	if !own {
		return session, ok
	}
	defer clear(session)
	n := parseSessionBody(session)
	defer n.forget()
	return slices.Concat(session, n.mac(session)), true
}

func (c *lruCache) Put(key string, session []byte) { c.put(key, session, false) }

// get is like Get, and also reports whether this package stored the session, of which it returns a
// copy then.
func (c *lruCache) get(key string) (session []byte, own, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil {
		return nil, false, false
	}
	c.order.MoveToFront(e)
	entry := e.Value.(lruEntry)
	if entry.own {
		return slices.Clone(entry.session), true, true
	}
	return entry.session, false, true
}

func (c *lruCache) put(key string, session []byte, own bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[key]; e != nil {
		c.remove(e)
	}
	if session == nil {
		return
	}
	c.entries[key] = c.order.PushFront(lruEntry{key, session, own})
	if c.order.Len() > c.capacity {
		c.remove(c.order.Back())
	}
}

// remove is called with mu held. A session that somebody else has put in is not to be modified.
func (c *lruCache) remove(e *list.Element) {
	entry := c.order.Remove(e).(lruEntry)
	delete(c.entries, entry.key)
	if entry.own {
		clear(entry.session)
	}
}

// cachedSession returns the session under key in the Config's cache, or nil if that is not a valid
// session. own means that the session never left this process, so that the verification of the peer
// still holds.
func (c *Config) cachedSession(key string) (n *session, own, ok bool) {
	var data []byte
	if lru, isOurs := c.SessionCache.(*lruCache); isOurs {
		data, own, ok = lru.get(key)
	} else {
		data, ok = c.SessionCache.Get(key)
	}
	if own {
		return takeSession(data), true, ok
	}
	return parseSession(data), false, ok
}

// cacheSession stores a session that this package has just created. It ignores one that cannot be
// encoded.
func (c *Config) cacheSession(key string, n *session) {
	if lru, isOurs := c.SessionCache.(*lruCache); isOurs {
		if body, err := n.marshalBody(); err == nil {
			lru.put(key, body, true)
		}
		return
	}
	if data, err := n.marshal(); err == nil {
		c.SessionCache.Put(key, data)
	}
}

// parsedCertificates are the certificates of peers and sessions that are in use, by their DER
// encoding. Parsing a certificate takes longer than the rest of a resumption.
var parsedCertificates = struct {
	sync.RWMutex // guards the following
	byDER        map[string]weak.Pointer[x509.Certificate]
}{byDER: make(map[string]weak.Pointer[x509.Certificate])}

func cachedCertificates(list [][]byte) ([]*x509.Certificate, error) {
	chain := make([]*x509.Certificate, len(list))
	for i, der := range list {
		cert, err := cachedCertificate(der)
		if err != nil {
			return nil, err
		}
		chain[i] = cert
	}
	return chain, nil
}

func cachedCertificate(der []byte) (*x509.Certificate, error) {
	parsedCertificates.RLock()
	known := parsedCertificates.byDER[string(der)]
	parsedCertificates.RUnlock()
	if cert := known.Value(); cert != nil {
		return cert, nil
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	key, pointer := string(der), weak.Make(cert)
	parsedCertificates.Lock()
	defer parsedCertificates.Unlock()
	parsedCertificates.byDER[key] = pointer
	runtime.AddCleanup(cert, func(key string) {
		parsedCertificates.Lock()
		defer parsedCertificates.Unlock()
		if parsedCertificates.byDER[key] == pointer {
			delete(parsedCertificates.byDER, key)
		}
	}, key)
	return cert, nil
}
