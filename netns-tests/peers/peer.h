/*
 * What the peers have in common: one end of a DTLS connection over an inherited
 * SOCK_SEQPACKET socket, on which each packet is one DTLS record.
 *
 * peer.c parses the command line, runs the scenario and prints its lines. Each of
 * the other files connects it to one library, with the functions named peer_*.
 */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MTU = 16384,           /* RFC 6083, Section 3.2 */
	MAX_MESSAGE = 16384,   /* of application data */
	MAX_PACKET = MTU + 2048 + 13, /* RFC 6083, Section 4.1 */
	SECRET_SIZE = 64,      /* RFC 6083, Section 4.8 */
};

#define SECRET_LABEL "EXPORTER_DTLS_OVER_SCTP"

/* Versions, as encoded on the wire. */
enum { DTLS12 = 0xfefd, DTLS13 = 0xfefc };

/* A suite has the names of IANA and of OpenSSL. */
struct suite {
	uint16_t id;
	const char *iana, *openssl;
};

/* A group has different names in different libraries, and its number in TLS. */
struct group {
	uint16_t id;
	const char *name; /* as in our command line */
};

struct options {
	bool server, verify, cookie, key_update_request;
	int fd;
	int min_version, max_version;
	const struct suite *suite; /* NULL: the library's choice */
	const struct group *group; /* NULL: the library's choice */
	const char *cert, *key, *ca, *name;
	unsigned char psk[64];
	size_t psk_size; /* 0: no PSK */
	const char *psk_identity;
	unsigned char context[1024];
	size_t context_size;
	bool has_context;
	long count, size, renegotiate, key_update;
	int timeout_ms; /* time limit for one packet */
};
extern struct options opt;

/* What a handshake negotiated; what the library does not report is 0 or empty. */
struct agreed {
	int version;
	uint16_t suite;
	uint16_t group;
	char peer[256]; /* common name of the other end's certificate */
};

const struct suite *suite_by_id(uint16_t id);
const struct suite *suite_by_name(const char *name);
const struct group *group_by_id(uint16_t id);

/*
 * group_list returns opt.group, and for DTLS 1.2 also the curves that certificates
 * may use: the same extension lists both (RFC 8422, Section 5.1.1). The list ends
 * with NULL. A handshake that negotiates a group other than opt.group fails.
 */
const struct group **group_list(void);

/* die prints the ERROR line and exits, also for what the library does not support. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The file of a library calls renegotiated when another handshake is complete. */
void renegotiated(void);

/*
 * packet_read returns the size of the next packet, or 0 at the end of the socket.
 * If no packet arrives within the time limit, the process exits. packets_write
 * sends each of the records in its input, which are complete, as a packet.
 */
size_t packet_read(void *buf, size_t size);
void packets_write(const void *buf, size_t size);

/* read_file returns the contents of a file, followed by a zero byte. */
unsigned char *read_file(const char *name, size_t *size);

/* ---- what the file of a library defines; all functions die if they fail ---- */

/* peer_library writes the name and version of the library. */
void peer_library(char *out, size_t size);

/* peer_handshake makes a connection as opt says. */
void peer_handshake(void);

void peer_agreed(struct agreed *a);
void peer_export(unsigned char secret[SECRET_SIZE]);

/*
 * peer_read returns the size of the next message, or -1 after close_notify. It
 * handles everything else that arrives, including renegotiations.
 */
long peer_read(unsigned char *buf, size_t size);
void peer_write(const unsigned char *buf, size_t size);

/* peer_renegotiate begins another handshake and returns when it is complete. */
void peer_renegotiate(void);

void peer_key_update(bool request);

/* peer_close sends close_notify. */
void peer_close(void);

#endif
