// Package netns tests DTLS over SCTP with real kernels, real packets and real
// peers: several hosts as network namespaces of one kernel, joined by cables
// that can be bad ones.
//
// The scenarios are in the test files with the build tag kernel, each with its
// topology at the top. They need root in a kernel that has SCTP, and the
// programs they start in the PATH: sctp-echo and sctp-tunnel of this project, and an openssl
// that has SCTP. "make netns" sees to all that; it builds static test binaries
// and takes them with the script run wherever such a kernel is.
package netns
