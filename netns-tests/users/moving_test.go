package users

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"sigs.k8s.io/yaml"
)

// NgapTLS is the type of a field of Configuration:
//
//	NgapTLS *NgapTLS `yaml:"ngapTls,omitempty" valid:"optional"`
type NgapTLS struct {
	Pem string `yaml:"pem" valid:"required"`
	Key string `yaml:"key" valid:"required"`
	CA  string `yaml:"ca" valid:"required"`
}

// Config goes to sctpdtls.Listen, or with a gNB's files and the name of an AMF to sctpdtls.Dial.
func (t *NgapTLS) Config(serverName string) (*sctpdtls.Config, error) {
	cert, err := tls.LoadX509KeyPair(t.Pem, t.Key)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(t.CA)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate", t.CA)
	}
	return &sctpdtls.Config{
		Certificates: []tls.Certificate{cert},
		ClientCAs:    roots, // of gNBs
		ClientAuth:   tls.RequireAndVerifyClientCert,
		RootCAs:      roots, // of AMFs
		ServerName:   serverName,
		PPID:         sctpdtls.PPIDNGAP,
	}, nil
}

// closeAll is what docs/moving.md has in place of free5GC's loop.
func closeAll(connections *sync.Map) {
	var closing sync.WaitGroup
	connections.Range(func(_, conn any) bool {
		closing.Go(func() { conn.(*sctpdtls.Conn).Close() })
		return true
	})
	closing.Wait()
}

// TestMovingConfiguration reads the configuration in docs/moving.md with the type that is shown
// there, and the files that it names.
func TestMovingConfiguration(t *testing.T) {
	doc, err := os.ReadFile("../../docs/moving.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$").FindSubmatch(doc)
	var file struct {
		Configuration struct {
			NgapIpList []string
			NgapTLS    *NgapTLS `json:"ngapTls"` // sigs.k8s.io/yaml reads the names of JSON
		}
	}
	if err := yaml.UnmarshalStrict(block[1], &file); err != nil {
		t.Fatal(err)
	}
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	hosts := strings.Join(file.Configuration.NgapIpList, ",")
	bash(t, ".", bin+"/sctp-echo certs -host "+hosts+" cert")
	config, err := file.Configuration.NgapTLS.Config("")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(config.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, ip := range file.Configuration.NgapIpList {
		if _, err := cert.Verify(x509.VerifyOptions{DNSName: ip, Roots: config.RootCAs}); err != nil {
			t.Errorf("the AMF's certificate is not for its address: %v", err)
		}
	}
	file.Configuration.NgapTLS.CA = os.DevNull
	if _, err := file.Configuration.NgapTLS.Config(""); err == nil {
		t.Error("no CA is no error")
	}
	closeAll(new(sync.Map))
}
