package dtlscore

// usageLimits limit the use of a key. Each epoch has its own copy, which tests can change.
type usageLimits struct {
	records  uint64 // to be sealed
	blocks   uint64 // of 16 bytes, in inner plaintexts; 0: not counted
	failures uint64 // failed authentications
}

// limitsFor returns the limits of a cipher suite's keys. See RFC 9147, Section 4.5.3, and for DTLS
// 1.2 RFC 9325, Section 4.4, which uses the limits of RFC 8446, Section 5.5. These hold for records
// of full size, and are applied to all records.
func limitsFor(s *cipherSuite) usageLimits {
	l := usageLimits{records: maxSequence, failures: 1 << 36}
	if s.aead == aeadChaCha20Poly1305 {
		return l // sequence numbers run out first
	}
	l.records = 23_726_566 // 2^24.5
	if s.version == VersionDTLS12 {
		l.failures = 1 << 28
	}
	return l
}

// inBlocks returns the limits for records that may be larger than 2^14 bytes: as many records as
// before, and no more blocks than in that many full records of 2^14 bytes
// (draft-ietf-tls-super-jumbo-record-limit-03, Section 4).
func (l usageLimits) inBlocks() usageLimits {
	if l.records != maxSequence {
		l.blocks = l.records * blocksOf(maxPlaintext)
	}
	return l
}

// blocksOf returns the number of blocks in n bytes.
func blocksOf(n int) uint64 { return (uint64(n) + 15) / 16 }

// rekeyAt returns the number of records after which the keys should be replaced. It leaves room for
// the records that are sent while that is in progress.
func (l usageLimits) rekeyAt() uint64 { return l.records - l.records/4 }

// rekeyAtBlock returns the same for blocks, or 0 if they are not counted.
func (l usageLimits) rekeyAtBlock() uint64 { return l.blocks - l.blocks/4 }
