module github.com/seed-41f70523/dtls-sctp/netns-tests

go 1.26.0

require (
	github.com/seed-41f70523/dtls-sctp v0.0.0
	golang.org/x/crypto v0.58.0
	golang.org/x/net v0.62.0
	golang.org/x/sys v0.49.0
)

require github.com/ishidawataru/sctp v0.0.0-20251114114122-19ddcbc6aae2 // indirect

replace github.com/seed-41f70523/dtls-sctp => ../
