// Package files reads what “sctp-echo certs DIR” makes, so that the examples need not.
package files

import (
	"crypto/tls"
	"crypto/x509"
	"log"
	"os"
	"path/filepath"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// Config returns the configuration of a mutually authenticated end, name being “server” or
// “client”. It ends the program if a file is missing. Two environment variables are for looking
// at captures: SSLKEYLOGFILE names a file for the secrets, and DTLS_MAX=1.2 leaves out DTLS 1.3.
func Config(dir, name string) *sctpdtls.Config {
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".pem"),
		filepath.Join(dir, name+"-key.pem"))
	if err != nil {
		log.Fatal(err)
	}
	pem, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	config := &sctpdtls.Config{
		Certificates: []tls.Certificate{cert},
		RootCAs:      roots,
		ClientCAs:    roots,
		ClientAuth:   tls.RequireAndVerifyClientCert,
	}
	if os.Getenv("DTLS_MAX") == "1.2" {
		config.MaxVersion = sctpdtls.VersionDTLS12
	}
	if name := os.Getenv("SSLKEYLOGFILE"); name != "" {
		if config.KeyLogWriter, err = os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY,
			0o600); err != nil {
			log.Fatal(err)
		}
	}
	return config
}
