module github.com/seed-41f70523/dtls-sctp/netns-tests

go 1.26.0

require (
	github.com/seed-41f70523/dtls-sctp v0.0.0
	golang.org/x/crypto v0.58.0
)

require golang.org/x/sys v0.49.0

replace github.com/seed-41f70523/dtls-sctp => ../
