module github.com/seed-41f70523/dtls-sctp

go 1.25.0

require (
	github.com/ishidawataru/sctp v0.0.0-20191218070446-00ab2ac2db07
	golang.org/x/crypto v0.55.0
	golang.org/x/sys v0.47.0
)
