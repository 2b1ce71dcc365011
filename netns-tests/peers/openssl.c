/*
 * A peer that uses OpenSSL. It does not support DTLS 1.3, X25519MLKEM768 and key
 * updates, which OpenSSL has for TLS only, and the ECDHE_PSK suites of RFC 8442.
 */
#include "peer.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

static SSL *ssl;
static bool at_end;            /* the socket has ended */
static int handshakes, told;   /* complete handshakes, and those reported to renegotiated */

void peer_library(char *out, size_t size)
{
	snprintf(out, size, "OpenSSL %s", OpenSSL_version(OPENSSL_VERSION_STRING));
}

_Noreturn static void fail(const char *what)
{
	unsigned long e = ERR_get_error();
	if (e)
		die("%s: %s", what, ERR_error_string(e, NULL));
	die("%s: %s", what, at_end ? "end of the socket" : "failed");
}

/* ---- a BIO whose reads and writes are packets ---- */

static int bio_read(BIO *bio, char *buf, int size)
{
	(void)bio;
	size_t n = packet_read(buf, size);
	at_end = n == 0;
	return n;
}

static int bio_write(BIO *bio, const char *buf, int size)
{
	(void)bio;
	packets_write(buf, size);
	return size;
}

static long bio_ctrl(BIO *bio, int command, long n, void *p)
{
	(void)bio, (void)n, (void)p;
	switch (command) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_DGRAM_QUERY_MTU:
	case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
		return MTU;
	}
	return 0; /* including the socket's timer, and the overhead of lower layers */
}

static BIO *packet_bio(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "packets");
	BIO_meth_set_read(m, bio_read);
	BIO_meth_set_write(m, bio_write);
	BIO_meth_set_ctrl(m, bio_ctrl);
	BIO *b = BIO_new(m);
	BIO_set_init(b, 1);
	return b;
}

/* never returns the retransmission timeout in microseconds, for a transport without loss. */
static unsigned int never(SSL *s, unsigned int us)
{
	(void)s, (void)us;
	return 3600u * 1000000u;
}

/* ---- callbacks ---- */

static void on_info(const SSL *s, int where, int ret)
{
	(void)s, (void)ret;
	if (where & SSL_CB_HANDSHAKE_DONE)
		handshakes++;
}

static unsigned int psk_client(SSL *s, const char *hint, char *identity, unsigned int max, unsigned char *psk, unsigned int max_psk)
{
	(void)s, (void)hint;
	if (strlen(opt.psk_identity) >= max || opt.psk_size > max_psk)
		return 0;
	strcpy(identity, opt.psk_identity);
	memcpy(psk, opt.psk, opt.psk_size);
	return opt.psk_size;
}

static unsigned int psk_server(SSL *s, const char *identity, unsigned char *psk, unsigned int max)
{
	(void)s;
	if (strcmp(identity, opt.psk_identity) || opt.psk_size > max)
		return 0;
	memcpy(psk, opt.psk, opt.psk_size);
	return opt.psk_size;
}

static unsigned char cookie[16];

static int cookie_make(SSL *s, unsigned char *out, unsigned int *size)
{
	(void)s;
	if (RAND_bytes(cookie, sizeof cookie) != 1)
		return 0;
	memcpy(out, cookie, sizeof cookie);
	*size = sizeof cookie;
	return 1;
}

static int cookie_check(SSL *s, const unsigned char *in, unsigned int size)
{
	(void)s;
	return size == sizeof cookie && !memcmp(in, cookie, size);
}

/* ---- the connection ---- */

static void set_groups(SSL_CTX *ctx)
{
	char list[64] = "";
	for (const struct group **g = group_list(); *g; g++) {
		strcat(list, list[0] ? ":" : "");
		strcat(list, (*g)->name);
	}
	if (!SSL_CTX_set1_groups_list(ctx, list))
		fail("group");
	SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
}

static SSL_CTX *context(void)
{
	SSL_CTX *ctx = SSL_CTX_new(DTLS_method());
	SSL_CTX_set_min_proto_version(ctx, DTLS1_2_VERSION);
	SSL_CTX_set_max_proto_version(ctx, DTLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_QUERY_MTU | (opt.cookie ? SSL_OP_COOKIE_EXCHANGE : 0));
#ifdef SSL_OP_ALLOW_CLIENT_RENEGOTIATION
	SSL_CTX_set_options(ctx, SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
#endif
	/* SSL_read must return after a handshake too. */
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_info_callback(ctx, on_info);
	SSL_CTX_set_cookie_generate_cb(ctx, cookie_make);
	SSL_CTX_set_cookie_verify_cb(ctx, cookie_check);
	/* Without a session ID context, a server that verifies clients rejects resumption. */
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"peer", 4);
	if (opt.suite && !SSL_CTX_set_cipher_list(ctx, opt.suite->openssl))
		fail("cipher");
	if (opt.group)
		set_groups(ctx);
	if (opt.cert && (SSL_CTX_use_certificate_chain_file(ctx, opt.cert) != 1 || SSL_CTX_use_PrivateKey_file(ctx, opt.key, SSL_FILETYPE_PEM) != 1))
		fail("certificate");
	if (opt.ca) {
		if (SSL_CTX_load_verify_locations(ctx, opt.ca, NULL) != 1)
			fail("CA");
		if (!opt.server)
			SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
		else if (opt.verify)
			SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(opt.ca));
	}
	if (opt.server && opt.verify)
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	if (opt.psk_size) {
		SSL_CTX_set_psk_client_callback(ctx, psk_client);
		SSL_CTX_set_psk_server_callback(ctx, psk_server);
	}
	return ctx;
}

void peer_handshake(void)
{
	if (opt.min_version == DTLS13 || opt.key_update)
		die("OpenSSL has no DTLS 1.3");
	ssl = SSL_new(context());
	BIO *b = packet_bio();
	SSL_set_bio(ssl, b, b);
	SSL_set_mtu(ssl, MTU);
	DTLS_set_timer_cb(ssl, never);
	if (opt.server) {
		SSL_set_accept_state(ssl);
	} else {
		SSL_set_connect_state(ssl);
		SSL_set_tlsext_host_name(ssl, opt.name);
		if (opt.ca)
			SSL_set1_host(ssl, opt.name);
	}
	int n;
	while ((n = SSL_do_handshake(ssl)) != 1)
		if (SSL_get_error(ssl, n) != SSL_ERROR_WANT_READ || at_end)
			fail("handshake");
	told = handshakes;
}

void peer_agreed(struct agreed *a)
{
	a->version = SSL_version(ssl) == DTLS1_2_VERSION ? DTLS12 : 0;
	a->suite = SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl));
	switch (SSL_get_negotiated_group(ssl)) {
	case NID_X9_62_prime256v1: a->group = 23; break;
	case NID_secp384r1: a->group = 24; break;
	case NID_X25519: a->group = 29; break;
	}
	X509 *cert = SSL_get1_peer_certificate(ssl);
	if (cert)
		X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, a->peer, sizeof a->peer);
	X509_free(cert);
}

void peer_export(unsigned char secret[SECRET_SIZE])
{
	if (SSL_export_keying_material(ssl, secret, SECRET_SIZE, SECRET_LABEL, strlen(SECRET_LABEL), opt.context, opt.context_size, opt.has_context) != 1)
		fail("exporter");
}

/* read_once calls SSL_read once: it returns a size, -1 after close_notify, or -2 for no data. */
static long read_once(unsigned char *buf, size_t size)
{
	ERR_clear_error();
	int n = SSL_read(ssl, buf, size);
	if (handshakes > told) {
		told = handshakes;
		renegotiated();
	}
	if (n > 0)
		return n;
	switch (SSL_get_error(ssl, n)) {
	case SSL_ERROR_ZERO_RETURN:
		return -1;
	case SSL_ERROR_WANT_READ:
		if (!at_end)
			return -2;
	}
	fail("read");
}

long peer_read(unsigned char *buf, size_t size)
{
	long n;
	while ((n = read_once(buf, size)) == -2)
		;
	return n;
}

void peer_write(const unsigned char *buf, size_t size)
{
	ERR_clear_error();
	if (SSL_write(ssl, buf, size) != (int)size)
		fail("write");
}

void peer_renegotiate(void)
{
	/* After this a client has finished the handshake, and a server has sent HelloRequest. */
	if (SSL_renegotiate(ssl) != 1 || SSL_do_handshake(ssl) != 1)
		fail("renegotiation");
	if (!opt.server) {
		told = handshakes;
		renegotiated();
		return;
	}
	unsigned char none[1];
	for (int before = told; told == before;)
		if (read_once(none, sizeof none) != -2)
			die("the client did not answer HelloRequest");
}

void peer_key_update(bool request)
{
	(void)request;
	die("OpenSSL has no DTLS 1.3");
}

void peer_close(void)
{
	ERR_clear_error();
	if (SSL_shutdown(ssl) < 0)
		fail("close");
}
