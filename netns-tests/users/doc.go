// Package users tests what users are shown: the programs under examples, the commands in
// docs/operating.md, and what tshark makes of a capture. The tests build what they need and call
// the script run, so they need no kernel with SCTP themselves.
package users
