package dtlscore

// usageLimits are how often a key may be used. Each epoch keeps its own copy,
// which a test can lower.
type usageLimits struct {
	records  uint64 // that may be sealed
	blocks   uint64 // of 16 bytes of their inner plaintexts; 0: not counted
	failures uint64 // openings that may fail
}

// limitsFor returns the limits of the keys of a suite. RFC 9147, Section
// 4.5.3; for version 1.2 RFC 9325, Section 4.4, which takes the bounds of
// RFC 8446, Section 5.5. They hold for records of full size, and are applied
// to all.
func limitsFor(s *cipherSuite) usageLimits {
	l := usageLimits{records: maxSequence, failures: 1 << 36}
	if s.aead == aeadChaCha20Poly1305 {
		return l // the sequence number ends first
	}
	l.records = 23_726_566 // 2^24.5
	if s.version == VersionDTLS12 {
		l.failures = 1 << 28
	}
	return l
}

// inBlocks are the limits where records may be larger than 2^14 bytes: as many
// records as before, and no more blocks than those would have if they were full
// (draft-ietf-tls-super-jumbo-record-limit-03, Section 4).
func (l usageLimits) inBlocks() usageLimits {
	if l.records != maxSequence {
		l.blocks = l.records * blocksOf(maxPlaintext)
	}
	return l
}

// blocksOf is how many blocks n bytes take.
func blocksOf(n int) uint64 { return (uint64(n) + 15) / 16 }

// rekeyAt is the number of records after which new keys are due, early
// enough that what is in flight meanwhile stays under the limit.
func (l usageLimits) rekeyAt() uint64 { return l.records - l.records/4 }

// rekeyAtBlock is the same for blocks, and 0 if they are not counted.
func (l usageLimits) rekeyAtBlock() uint64 { return l.blocks - l.blocks/4 }
