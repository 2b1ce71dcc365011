package main

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/command"
	"github.com/seed-41f70523/dtls-sctp/cmd/internal/testca"
)

type certsOptions struct {
	hosts []string
	days  int
	rsa   bool
	force bool
}

func (p *program) certsCommand() *cli.Command {
	var o certsOptions
	return &cli.Command{
		Name:            "certs",
		Usage:           "make a test CA with a server and a client certificate",
		ArgsUsage:       "DIR",
		HideHelpCommand: true,
		Description: `Writes ca.pem, server.pem, server-key.pem, client.pem and client-key.pem to DIR.
The key of the CA is discarded, so nobody can make more certificates with it. These
certificates are for tests. Production needs a real CA.

Examples:
   sctp-echo certs demo
   sctp-echo certs -host amf.example.org -host 192.0.2.1 -days 7 amf`,
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "host", Usage: "`NAME` or IP address that the server's " +
				"certificate is for; may be repeated",
				Value: []string{"localhost", "127.0.0.1", "::1"}, Destination: &o.hosts},
			&cli.IntFlag{Name: "days", Usage: "make certificates that are valid for `N` days", Value: 365,
				Destination: &o.days,
				Validator:   atLeast(1)},
			&cli.BoolFlag{Name: "rsa", Usage: "use RSA keys of 2048 bits instead of ECDSA P-256",
				Destination: &o.rsa},
			&cli.BoolFlag{Name: "force", Usage: "overwrite files that exist", Destination: &o.force},
		},
		Action: func(_ context.Context, c *cli.Command) error {
			dir, err := command.OnlyArg(c)
			if err != nil {
				return err
			}
			return p.certs(dir, o)
		},
	}
}

func (p *program) certs(dir string, o certsOptions) error {
	files, err := testca.Make(testca.Options{Hosts: o.hosts, Days: o.days, RSA: o.rsa}, time.Now())
	if err != nil {
		return err
	}
	if err := writeCerts(dir, files, o.force); err != nil {
		return err
	}
	for _, f := range files {
		p.printf("wrote %s\n", filepath.Join(dir, f.Name))
	}
	p.printf(`
a server: sctp-echo serve -cert %[1]s/server.pem -key %[1]s/server-key.pem -ca %[1]s/ca.pem :5868
a client: sctp-echo connect -cert %[1]s/client.pem -key %[1]s/client-key.pem -ca %[1]s/ca.pem %[2]s
`, filepath.Clean(dir), net.JoinHostPort(o.hosts[0], "5868"))
	return nil
}

// writeCerts writes all files, or none if one exists and force is not set.
func writeCerts(dir string, files []testca.File, force bool) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return command.Exit(exitUsage, err)
	}
	for _, f := range files {
		name := filepath.Join(dir, f.Name)
		if _, err := os.Lstat(name); err == nil && !force {
			return command.Usagef("%s exists: give another directory, or -force to overwrite", name)
		}
	}
	for _, f := range files {
		name := filepath.Join(dir, f.Name)
		// Remove the file first, because an existing file would keep its mode and its links.
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return command.Exit(exitUsage, err)
		}
		w, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, f.Mode)
		if err != nil {
			return command.Exit(exitUsage, err)
		}
		_, err = w.Write(f.PEM)
		if err := errors.Join(err, w.Close()); err != nil {
			return command.Exit(exitUsage, err)
		}
	}
	return nil
}
