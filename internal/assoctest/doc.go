// Package assoctest is an SCTP association in memory, for tests with a false
// clock: message boundaries, streams, parts, order, dry events, SCTP-AUTH keys
// and every way to end behave as the Linux kernel's do. What a network does to messages
// follows from a seed. The scenarios of package sctpdtls hold it to the truth: they run
// over it and over the kernel.
package assoctest
