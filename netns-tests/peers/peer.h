/*
 * What is common to the peers: one end of a DTLS connection over an inherited
 * SOCK_SEQPACKET socket, on which one packet is one DTLS record.
 *
 * peer.c reads the command line, plays the scenario and prints its lines. Each
 * other file gives it one library, by the functions whose names begin with peer_.
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

/* A version is what is on the wire. */
enum { DTLS12 = 0xfefd, DTLS13 = 0xfefc };

/* A suite has the name of IANA and that of OpenSSL. */
struct suite {
	uint16_t id;
	const char *iana, *openssl;
};

/* A group is known to libraries by different names, to TLS by its number. */
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
	int timeout_ms; /* longest wait for one packet */
};
extern struct options opt;

/* What a handshake agreed on; what the library does not tell is left 0 or empty. */
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
 * group_list gives opt.group, and behind it, for DTLS 1.2, the curves that
 * certificates may have: the same extension names both (RFC 8422, Section 5.1.1).
 * The list ends with NULL. A handshake that agrees on another group than
 * opt.group fails.
 */
const struct group **group_list(void);

/* die prints the ERROR line and exits; what the library cannot do ends here too. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* renegotiated is called by a library's file when another handshake is complete. */
void renegotiated(void);

/*
 * packet_read returns the size of the next packet, 0 at the end of the socket;
 * no packet within the time limit is the end of the process. packets_write
 * cuts what it gets at the borders of records and sends each as a packet. Its
 * input holds whole records.
 */
size_t packet_read(void *buf, size_t size);
void packets_write(const void *buf, size_t size);

/* read_file returns a file's contents with a zero byte after them. */
unsigned char *read_file(const char *name, size_t *size);

/* ---- what a library's file defines; all these die if they fail ---- */

/* peer_library writes name and version of the library. */
void peer_library(char *out, size_t size);

/* peer_handshake makes the connection from opt. */
void peer_handshake(void);

void peer_agreed(struct agreed *a);
void peer_export(unsigned char secret[SECRET_SIZE]);

/*
 * peer_read returns the size of the next message, or -1 after close_notify.
 * Whatever else arrives is dealt with, renegotiation included.
 */
long peer_read(unsigned char *buf, size_t size);
void peer_write(const unsigned char *buf, size_t size);

/* peer_renegotiate starts another handshake and returns when it is complete. */
void peer_renegotiate(void);

void peer_key_update(bool request);

/* peer_close sends close_notify. */
void peer_close(void);

#endif
