package dtlscore

import (
	"crypto/tls"
	"testing"
)

// The script has to be able to do what is right, or the tests of what is
// wrong prove nothing.
func TestScript(t *testing.T) {
	newScriptedClient(t, testServerConfig(tls.NoClientCert)).completeClient()
	newScriptedClient(t, testServerConfig(tls.RequireAndVerifyClientCert)).completeClient()
	newScriptedServer(t, testClientConfig()).completeServer(false)
	newScriptedServer(t, testClientConfig()).completeServer(true)
}
