module github.com/seed-41f70523/dtls-sctp/diameter

go 1.25.0

require (
	github.com/fiorix/go-diameter/v4 v4.3.0
	github.com/seed-41f70523/dtls-sctp v1.0.0-rc.1
)

require (
	github.com/ishidawataru/sctp v0.0.0-20251114114122-19ddcbc6aae2 // indirect
	golang.org/x/crypto v0.55.0 // indirect
	golang.org/x/sys v0.47.0 // indirect
)

replace github.com/seed-41f70523/dtls-sctp => ../
