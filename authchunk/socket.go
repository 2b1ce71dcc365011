package authchunk

// A Socket is an SCTP association whose shared keys [Keys] manages.
// The calls are the socket options of RFC 6458, Sections 8.3.3, 8.1.18 and 8.3.5.
type Socket interface {
	// SetAuthKey installs secret under id, for sending and receiving. It
	// must not retain secret.
	SetAuthKey(id uint16, secret []byte) error
	// SetActiveAuthKey makes key id the one for sending.
	SetActiveAuthKey(id uint16) error
	// DeleteAuthKey deletes key id, which must not be the active one.
	DeleteAuthKey(id uint16) error
}
