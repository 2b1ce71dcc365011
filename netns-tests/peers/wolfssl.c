/*
 * A peer that uses wolfSSL. It does not support DTLS 1.3, X25519MLKEM768 and key
 * updates, which distributions disable, nor renegotiation, the ECDHE_PSK suites
 * with AES-GCM, and as a client RFC 5746. A server always exchanges cookies. The MTU
 * is fixed: messages have at most about 1,350 bytes, packets of more than 1,400 are
 * not read, and long handshake messages are fragmented. Timers are left to the
 * callback that reads, so there are none.
 */
#include "peer.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include <stdio.h>
#include <string.h>

static WOLFSSL *ssl;
static bool at_end; /* the socket has ended */

void peer_library(char *out, size_t size)
{
	snprintf(out, size, "wolfSSL %s", wolfSSL_lib_version());
}

_Noreturn static void fail(const char *what, int n)
{
	char text[WOLFSSL_MAX_ERROR_SZ];
	if (at_end)
		die("%s: end of the socket", what);
	die("%s: %s", what, wolfSSL_ERR_error_string(ssl ? wolfSSL_get_error(ssl, n) : n, text));
}

static void must(int n, const char *what)
{
	if (n != WOLFSSL_SUCCESS)
		fail(what, n);
}

/* ---- packets ---- */

static int receive(WOLFSSL *s, char *buf, int size, void *arg)
{
	(void)s, (void)arg;
	size_t n = packet_read(buf, size);
	at_end = n == 0;
	return at_end ? WOLFSSL_CBIO_ERR_CONN_CLOSE : (int)n;
}

static int transmit(WOLFSSL *s, char *buf, int size, void *arg)
{
	(void)s, (void)arg;
	packets_write(buf, size);
	return size;
}

/* ---- the connection ---- */

static unsigned int psk_client(WOLFSSL *s, const char *hint, char *identity, unsigned int max, unsigned char *psk, unsigned int max_psk)
{
	(void)s, (void)hint;
	if (strlen(opt.psk_identity) >= max || opt.psk_size > max_psk)
		return 0;
	strcpy(identity, opt.psk_identity);
	memcpy(psk, opt.psk, opt.psk_size);
	return opt.psk_size;
}

static unsigned int psk_server(WOLFSSL *s, const char *identity, unsigned char *psk, unsigned int max)
{
	(void)s;
	if (strcmp(identity, opt.psk_identity) || opt.psk_size > max)
		return 0;
	memcpy(psk, opt.psk, opt.psk_size);
	return opt.psk_size;
}

static void set_groups(WOLFSSL_CTX *ctx)
{
	for (const struct group **g = group_list(); *g; g++)
		must(wolfSSL_CTX_UseSupportedCurve(ctx, (*g)->id), (*g)->name);
	if (opt.group->id == 24) /* a server chooses by key size */
		must(wolfSSL_CTX_SetTmpEC_DHE_Sz(ctx, 48), opt.group->name);
}

static WOLFSSL_CTX *context(void)
{
	WOLFSSL_CTX *ctx = wolfSSL_CTX_new(opt.server ? wolfDTLSv1_2_server_method() : wolfDTLSv1_2_client_method());
	wolfSSL_CTX_SetIORecv(ctx, receive);
	wolfSSL_CTX_SetIOSend(ctx, transmit);
	if (opt.suite)
		must(wolfSSL_CTX_set_cipher_list(ctx, opt.suite->openssl), "cipher");
	if (opt.group)
		set_groups(ctx);
	if (opt.cert) {
		must(wolfSSL_CTX_use_certificate_chain_file(ctx, opt.cert), opt.cert);
		must(wolfSSL_CTX_use_PrivateKey_file(ctx, opt.key, WOLFSSL_FILETYPE_PEM), opt.key);
	}
	if (opt.ca)
		must(wolfSSL_CTX_load_verify_locations(ctx, opt.ca, NULL), opt.ca);
	bool verify = opt.server ? opt.verify : opt.ca != NULL;
	wolfSSL_CTX_set_verify(ctx, verify ? WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT : WOLFSSL_VERIFY_NONE, NULL);
	if (opt.psk_size) {
		wolfSSL_CTX_set_psk_client_callback(ctx, psk_client);
		wolfSSL_CTX_set_psk_server_callback(ctx, psk_server);
	}
	return ctx;
}

void peer_handshake(void)
{
	if (opt.min_version == DTLS13 || opt.key_update)
		die("this wolfSSL has no DTLS 1.3");
	if (opt.renegotiate)
		die("this wolfSSL does not renegotiate");
	wolfSSL_Init();
	WOLFSSL_CTX *ctx = context();
	ssl = wolfSSL_new(ctx);
	wolfSSL_KeepArrays(ssl); /* for the exporter */
	if (!opt.server) {
		must(wolfSSL_UseSNI(ssl, WOLFSSL_SNI_HOST_NAME, opt.name, strlen(opt.name)), "name");
		if (opt.ca)
			must(wolfSSL_check_domain_name(ssl, opt.name), "name");
	}
	must(opt.server ? wolfSSL_accept(ssl) : wolfSSL_connect(ssl), "handshake");
}

void peer_agreed(struct agreed *a)
{
	a->version = strcmp(wolfSSL_get_version(ssl), "DTLSv1.2") ? 0 : DTLS12;
	const struct suite *s = suite_by_name(wolfSSL_get_cipher_name(ssl));
	a->suite = s ? s->id : 0;
	const char *group = wolfSSL_get_curve_name(ssl);
	if (group)
		a->group = !strcmp(group, "SECP256R1") ? 23 : !strcmp(group, "SECP384R1") ? 24 : !strcmp(group, "X25519") ? 29 : 0;
	WOLFSSL_X509 *cert = wolfSSL_get_peer_certificate(ssl);
	if (cert)
		snprintf(a->peer, sizeof a->peer, "%s", wolfSSL_X509_get_subjectCN(cert));
}

void peer_export(unsigned char secret[SECRET_SIZE])
{
	must(wolfSSL_export_keying_material(ssl, secret, SECRET_SIZE, SECRET_LABEL, strlen(SECRET_LABEL), opt.context, opt.context_size, opt.has_context), "exporter");
}

long peer_read(unsigned char *buf, size_t size)
{
	int n = wolfSSL_read(ssl, buf, size);
	if (n > 0)
		return n;
	if (wolfSSL_get_error(ssl, n) == WOLFSSL_ERROR_ZERO_RETURN && !at_end)
		return -1;
	fail("read", n);
}

void peer_write(const unsigned char *buf, size_t size)
{
	int n = wolfSSL_write(ssl, buf, size);
	if (n != (int)size)
		fail("write", n);
}

void peer_renegotiate(void)
{
	die("this wolfSSL does not renegotiate");
}

void peer_key_update(bool request)
{
	(void)request;
	die("this wolfSSL has no DTLS 1.3");
}

void peer_close(void)
{
	int n = wolfSSL_shutdown(ssl);
	if (n != WOLFSSL_SUCCESS && n != WOLFSSL_SHUTDOWN_NOT_DONE)
		fail("close", n);
}
