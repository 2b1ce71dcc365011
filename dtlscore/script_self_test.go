package dtlscore

import (
	"crypto/tls"
	"testing"
)

// The scripts must be able to do everything correctly, or the tests with errors prove nothing.
func TestScript(t *testing.T) {
	newScriptedClient(t, testServerConfig(tls.NoClientCert)).completeClient()
	newScriptedClient(t, testServerConfig(tls.RequireAndVerifyClientCert)).completeClient()
	newScriptedServer(t, testClientConfig()).completeServer(false)
	newScriptedServer(t, testClientConfig()).completeServer(true)
}
