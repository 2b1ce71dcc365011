module github.com/seed-41f70523/dtls-sctp/bench

go 1.25.0

require (
	codeberg.org/go-fonts/liberation v0.5.0
	github.com/pion/dtls/v3 v3.1.15
	github.com/pion/logging v0.2.4
	github.com/pion/sctp v1.12.1
	github.com/seed-41f70523/dtls-sctp v1.0.0-rc.1
	golang.org/x/image v0.30.0
	golang.org/x/sys v0.47.0
)

require (
	github.com/ishidawataru/sctp v0.0.0-20251114114122-19ddcbc6aae2 // indirect
	github.com/pion/randutil v0.1.0 // indirect
	github.com/pion/transport/v5 v5.1.4 // indirect
	golang.org/x/crypto v0.55.0 // indirect
	golang.org/x/text v0.41.0 // indirect
)

replace github.com/seed-41f70523/dtls-sctp => ../
