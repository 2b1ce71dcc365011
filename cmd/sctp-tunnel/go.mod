// The command, in a module of its own: the library requires nothing that only the command needs.
module github.com/seed-41f70523/dtls-sctp/cmd/sctp-tunnel

go 1.25.0

require (
	github.com/pelletier/go-toml/v2 v2.4.3
	github.com/seed-41f70523/dtls-sctp v1.0.0-rc.1
	github.com/urfave/cli/v3 v3.14.0
	golang.org/x/sys v0.47.0
)

require (
	github.com/coreos/go-systemd/v22 v22.7.0 // indirect
	github.com/ishidawataru/sctp v0.0.0-20191218070446-00ab2ac2db07 // indirect
	github.com/landlock-lsm/go-landlock v0.10.1 // indirect
	github.com/prometheus/client_golang v1.24.1 // indirect
	golang.org/x/crypto v0.55.0 // indirect
	kernel.org/pub/linux/libs/security/libcap/cap v1.2.78 // indirect
	kernel.org/pub/linux/libs/security/libcap/psx v1.2.78 // indirect
)
