package sctpdtls

// Payload protocol identifiers of protocols over DTLS over SCTP, in host byte
// order, as registered with IANA. RFC 6083, Section 4.3 wants another number than for the
// same protocol in the clear.
const (
	PPIDDiameter uint32 = 47 // RFC 6733, Section 11.4
	PPIDNGAP     uint32 = 66 // 3GPP TS 38.412
	PPIDXnAP     uint32 = 67 // 3GPP TS 38.422
	PPIDF1AP     uint32 = 68 // 3GPP TS 38.472
	PPIDE1AP     uint32 = 69 // 3GPP TS 38.462
)
