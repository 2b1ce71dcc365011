// Package authchunk looks after SCTP-AUTH (RFC 4895) for DTLS over SCTP.
package authchunk
