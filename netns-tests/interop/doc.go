// Package interop holds the scenarios with other implementations of DTLS over
// SCTP as the peer: OpenSSL. Its tests have the build tag kernel; see package
// netns for how they are run. They find in the PATH an openssl that has SCTP.
package interop
