// Package tuntest joins two hosts, which are network namespaces of this machine, by links that
// lose, delay and reorder packets, for tests of what needs sockets of a real kernel and of several
// processes: an end of each link is a TUN device, and this process carries packets from one to the
// other. It is for Linux, and needs CAP_NET_ADMIN and CAP_SYS_ADMIN, which root has.
package tuntest
