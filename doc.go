// Package dtlssctp holds nothing: DTLS over SCTP (RFC 6083) is in
// [github.com/seed-41f70523/dtls-sctp/sctpdtls]. Start there.
package dtlssctp
