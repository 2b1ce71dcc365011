package dtlscore

import (
	"container/list"
	"crypto/x509"
	"runtime"
	"sync"
	"weak"
)

// A SessionCache keeps the sessions of clients, for resumption. A session is
// secret: who has it can read the connections that it is used for. It is used
// by many goroutines at once.
type SessionCache interface {
	// Get returns what was put last under the key.
	Get(key string) (session []byte, ok bool)

	// Put keeps a session, in place of one before. A session that is nil is
	// to be removed.
	Put(key string, session []byte)
}

// NewSessionCache returns a cache in memory that keeps the sessions that were
// used last, as many as capacity says.
func NewSessionCache(capacity int) SessionCache {
	return &lruCache{capacity: max(capacity, 1), entries: make(map[string]*list.Element)}
}

type lruCache struct {
	mu       sync.Mutex // guards the following
	capacity int
	entries  map[string]*list.Element
	order    list.List // of lruEntry, the last used in front
}

type lruEntry struct {
	key     string
	session []byte
	own     bool // put by this package, in this process
}

func (c *lruCache) Get(key string) ([]byte, bool) {
	session, _, ok := c.get(key)
	return session, ok
}

func (c *lruCache) Put(key string, session []byte) { c.put(key, session, false) }

// get is Get, and reports whether this package has put the session there.
func (c *lruCache) get(key string) (session []byte, own, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil {
		return nil, false, false
	}
	c.order.MoveToFront(e)
	entry := e.Value.(lruEntry)
	return entry.session, entry.own, true
}

func (c *lruCache) put(key string, session []byte, own bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[key]; e != nil {
		c.order.Remove(e)
		delete(c.entries, key)
	}
	if session == nil {
		return
	}
	c.entries[key] = c.order.PushFront(lruEntry{key, session, own})
	if c.order.Len() > c.capacity {
		oldest := c.order.Remove(c.order.Back()).(lruEntry)
		delete(c.entries, oldest.key)
	}
}

// cachedSession returns what the cache of c has for key. own means that it was in this process all
// the time, so that what this package has found out about the peer is still true of it.
func (c *Config) cachedSession(key string) (session []byte, own, ok bool) {
	if lru, isOurs := c.SessionCache.(*lruCache); isOurs {
		return lru.get(key)
	}
	session, ok = c.SessionCache.Get(key)
	return session, false, ok
}

// cacheSession keeps a session that was just made.
func (c *Config) cacheSession(key string, session []byte) {
	if lru, isOurs := c.SessionCache.(*lruCache); isOurs {
		lru.put(key, session, true)
		return
	}
	c.SessionCache.Put(key, session)
}

// parsedCertificates are certificates of peers and sessions that someone still
// uses, by their DER. To parse one takes longer than all the rest of a resumption.
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
