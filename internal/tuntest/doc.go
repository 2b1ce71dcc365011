// Package tuntest connects two hosts, which are network namespaces of this machine, by links that
// lose, delay and reorder packets. It is for tests that need the sockets of a real kernel and
// several processes. Each end of a link is a TUN device, and the test process forwards packets
// between them. The package is for Linux, and needs CAP_NET_ADMIN and CAP_SYS_ADMIN, which root
// has.
package tuntest
