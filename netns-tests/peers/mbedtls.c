/*
 * A peer that uses Mbed TLS 2.28 or 3. It does not support DTLS 1.3,
 * X25519MLKEM768, key updates, and the ECDHE_PSK suites with AES-GCM, and does
 * not report the negotiated group. Its MTU is not set: it would include
 * headers and tags, and so exclude the longest messages. What the library
 * writes is never larger than a record.
 */
#include "peer.h"

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/oid.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_cookie.h>
#include <mbedtls/version.h>
#include <stdio.h>
#include <string.h>

static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context rng;
static mbedtls_ssl_context ssl;
static mbedtls_ssl_config conf;
static mbedtls_ssl_cookie_ctx cookies;
static mbedtls_x509_crt chain, ca;
static mbedtls_pk_context key;

static bool at_end;  /* the socket has ended */
static bool pause_;  /* do not wait for packets after a handshake is complete */

/* What the exporter needs of the last handshake; the library has no exporter. */
static unsigned char master[48], randoms[64];
static mbedtls_tls_prf_types prf;
static int handshakes, told; /* handshakes that have derived keys, and those reported to renegotiated */

void peer_library(char *out, size_t size)
{
	char version[18];
	mbedtls_version_get_string(version);
	snprintf(out, size, "mbedTLS %s", version);
}

static int must(int n, const char *what)
{
	char text[200];
	if (n >= 0)
		return n;
	if (at_end)
		die("%s: end of the socket", what);
	mbedtls_strerror(n, text, sizeof text);
	die("%s: %s (-0x%04x)", what, text, -n);
}

static void set_secrets(const unsigned char *secret, const unsigned char *client, const unsigned char *server, mbedtls_tls_prf_types type)
{
	memcpy(master, secret, sizeof master);
	memcpy(randoms, client, 32);
	memcpy(randoms + 32, server, 32);
	prf = type;
	handshakes++;
}

/* Differences in version 3 of the library. */
#if MBEDTLS_VERSION_MAJOR < 3

static int on_keys(void *p, const unsigned char *ms, const unsigned char *kb, size_t maclen, size_t keylen, size_t ivlen,
		   const unsigned char client[32], const unsigned char server[32], mbedtls_tls_prf_types type)
{
	(void)p, (void)kb, (void)maclen, (void)keylen, (void)ivlen;
	set_secrets(ms, client, server, type);
	return 0;
}

static void set_on_keys(void) { mbedtls_ssl_conf_export_keys_ext_cb(&conf, on_keys, NULL); }
static int read_key(void) { return mbedtls_pk_parse_keyfile(&key, opt.key, NULL); }
static bool handshake_over(void) { return ssl.state == MBEDTLS_SSL_HANDSHAKE_OVER; }

#else

static void on_keys(void *p, mbedtls_ssl_key_export_type what, const unsigned char *secret, size_t size,
		    const unsigned char client[32], const unsigned char server[32], mbedtls_tls_prf_types type)
{
	(void)p;
	if (what == MBEDTLS_SSL_KEY_EXPORT_TLS12_MASTER_SECRET && size == sizeof master)
		set_secrets(secret, client, server, type);
}

static void set_on_keys(void) { mbedtls_ssl_set_export_keys_cb(&ssl, on_keys, NULL); }
static int read_key(void) { return mbedtls_pk_parse_keyfile(&key, opt.key, NULL, mbedtls_ctr_drbg_random, &rng); }
static bool handshake_over(void) { return mbedtls_ssl_is_handshake_over(&ssl); }

#endif

/* ---- packets ---- */

static int receive(void *p, unsigned char *buf, size_t size, uint32_t timeout)
{
	(void)p, (void)timeout;
	if (pause_ && handshakes > told && handshake_over())
		return MBEDTLS_ERR_SSL_WANT_READ;
	size_t n = packet_read(buf, size);
	at_end = n == 0;
	return at_end ? MBEDTLS_ERR_SSL_CONN_EOF : (int)n;
}

static int transmit(void *p, const unsigned char *buf, size_t size)
{
	(void)p;
	packets_write(buf, size);
	return size;
}

/* No packet is ever lost: the timer is never set, and no time passes. */
static void set_timer(void *p, uint32_t intermediate, uint32_t final)
{
	(void)p, (void)intermediate, (void)final;
}

static int get_timer(void *p)
{
	(void)p;
	return 0;
}

/* ---- the connection ---- */

static void set_suite(void)
{
	static int suites[2];
	char name[128];
	snprintf(name, sizeof name, "%s", opt.suite->iana);
	for (char *p = name; (p = strchr(p, '_'));)
		*p = '-';
	suites[0] = mbedtls_ssl_get_ciphersuite_id(name);
	if (!suites[0])
		die("Mbed TLS has no suite %s", opt.suite->iana);
	mbedtls_ssl_conf_ciphersuites(&conf, suites);
}

static void set_groups(void)
{
	static mbedtls_ecp_group_id list[5]; /* ends with MBEDTLS_ECP_DP_NONE, which is 0 */
	size_t n = 0;
	for (const struct group **g = group_list(); *g; g++)
		switch ((*g)->id) {
		case 23: list[n++] = MBEDTLS_ECP_DP_SECP256R1; break;
		case 24: list[n++] = MBEDTLS_ECP_DP_SECP384R1; break;
		case 29: list[n++] = MBEDTLS_ECP_DP_CURVE25519; break;
		default: die("Mbed TLS has no group %s", (*g)->name);
		}
	mbedtls_ssl_conf_curves(&conf, list);
}

static void configure(void)
{
	mbedtls_entropy_init(&entropy);
	mbedtls_ctr_drbg_init(&rng);
	must(mbedtls_ctr_drbg_seed(&rng, mbedtls_entropy_func, &entropy, NULL, 0), "random numbers");
	mbedtls_ssl_config_init(&conf);
	must(mbedtls_ssl_config_defaults(&conf, opt.server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT,
					 MBEDTLS_SSL_TRANSPORT_DATAGRAM, MBEDTLS_SSL_PRESET_DEFAULT), "configuration");
	mbedtls_ssl_conf_rng(&conf, mbedtls_ctr_drbg_random, &rng);
	mbedtls_ssl_conf_min_version(&conf, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3); /* DTLS 1.2 */
	mbedtls_ssl_conf_renegotiation(&conf, MBEDTLS_SSL_RENEGOTIATION_ENABLED);
	mbedtls_ssl_conf_dtls_anti_replay(&conf, MBEDTLS_SSL_ANTI_REPLAY_DISABLED);
	if (opt.suite)
		set_suite();
	if (opt.group)
		set_groups();
	if (opt.psk_size)
		must(mbedtls_ssl_conf_psk(&conf, opt.psk, opt.psk_size, (const unsigned char *)opt.psk_identity, strlen(opt.psk_identity)), "PSK");
	if (opt.cert) {
		must(mbedtls_x509_crt_parse_file(&chain, opt.cert), opt.cert);
		must(read_key(), opt.key);
		must(mbedtls_ssl_conf_own_cert(&conf, &chain, &key), "certificate");
	}
	if (opt.ca) {
		must(mbedtls_x509_crt_parse_file(&ca, opt.ca), opt.ca);
		mbedtls_ssl_conf_ca_chain(&conf, &ca, NULL);
	}
	bool verify = opt.server ? opt.verify : opt.ca != NULL;
	mbedtls_ssl_conf_authmode(&conf, verify ? MBEDTLS_SSL_VERIFY_REQUIRED : MBEDTLS_SSL_VERIFY_NONE);
	if (!opt.server)
		return;
	if (opt.cookie) {
		mbedtls_ssl_cookie_init(&cookies);
		must(mbedtls_ssl_cookie_setup(&cookies, mbedtls_ctr_drbg_random, &rng), "cookies");
		mbedtls_ssl_conf_dtls_cookies(&conf, mbedtls_ssl_cookie_write, mbedtls_ssl_cookie_check, &cookies);
	} else {
		mbedtls_ssl_conf_dtls_cookies(&conf, NULL, NULL, NULL);
	}
}

void peer_handshake(void)
{
	if (opt.min_version == DTLS13 || opt.key_update)
		die("Mbed TLS has no DTLS 1.3");
	configure();
	mbedtls_ssl_init(&ssl);
	must(mbedtls_ssl_setup(&ssl, &conf), "setup");
	set_on_keys();
	mbedtls_ssl_set_bio(&ssl, NULL, transmit, NULL, receive);
	mbedtls_ssl_set_timer_cb(&ssl, NULL, set_timer, get_timer);
	if (!opt.server)
		must(mbedtls_ssl_set_hostname(&ssl, opt.name), "name");
	int n;
	do {
		if (opt.server)
			must(mbedtls_ssl_set_client_transport_id(&ssl, (const unsigned char *)"peer", 4), "cookies");
		n = mbedtls_ssl_handshake(&ssl);
		if (n == MBEDTLS_ERR_SSL_HELLO_VERIFY_REQUIRED)
			must(mbedtls_ssl_session_reset(&ssl), "cookies");
	} while (n == MBEDTLS_ERR_SSL_HELLO_VERIFY_REQUIRED);
	must(n, "handshake");
	told = handshakes;
}

void peer_agreed(struct agreed *a)
{
	char name[128];
	a->version = strcmp(mbedtls_ssl_get_version(&ssl), "DTLSv1.2") ? 0 : DTLS12;
	snprintf(name, sizeof name, "%s", mbedtls_ssl_get_ciphersuite(&ssl));
	for (char *p = name; (p = strchr(p, '-'));)
		*p = '_';
	const struct suite *s = suite_by_name(name);
	a->suite = s ? s->id : mbedtls_ssl_get_ciphersuite_id(mbedtls_ssl_get_ciphersuite(&ssl));
	const mbedtls_x509_crt *cert = mbedtls_ssl_get_peer_cert(&ssl);
	for (const mbedtls_x509_name *n = cert ? &cert->subject : NULL; n; n = n->next)
		if (!MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &n->oid))
			snprintf(a->peer, sizeof a->peer, "%.*s", (int)n->val.len, n->val.p);
}

/* peer_export implements RFC 5705, Section 4, with the library's PRF. */
void peer_export(unsigned char secret[SECRET_SIZE])
{
	unsigned char seed[sizeof randoms + 2 + sizeof opt.context];
	size_t size = sizeof randoms;
	memcpy(seed, randoms, size);
	if (opt.has_context) {
		seed[size++] = opt.context_size >> 8;
		seed[size++] = opt.context_size;
		memcpy(seed + size, opt.context, opt.context_size);
		size += opt.context_size;
	}
	must(mbedtls_ssl_tls_prf(prf, master, sizeof master, SECRET_LABEL, seed, size, secret, SECRET_SIZE), "exporter");
}

/* read_once calls mbedtls_ssl_read once: it returns a size, -1 after close_notify, or -2 for no data. */
static long read_once(unsigned char *buf, size_t size)
{
	int n = mbedtls_ssl_read(&ssl, buf, size);
	if (handshakes > told) {
		told = handshakes;
		renegotiated();
	}
	switch (n) {
	case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY: return -1;
	case MBEDTLS_ERR_SSL_WANT_READ: return -2;
	}
	return must(n, "read");
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
	must(mbedtls_ssl_write(&ssl, buf, size), "write");
}

void peer_renegotiate(void)
{
	/* After this a client has finished the handshake, and a server has sent HelloRequest. */
	must(mbedtls_ssl_renegotiate(&ssl), "renegotiation");
	if (!opt.server) {
		told = handshakes;
		renegotiated();
		return;
	}
	unsigned char none[1];
	pause_ = true;
	for (int before = told; told == before;)
		if (read_once(none, sizeof none) != -2)
			die("the client did not answer HelloRequest");
	pause_ = false;
}

void peer_key_update(bool request)
{
	(void)request;
	die("Mbed TLS has no DTLS 1.3");
}

void peer_close(void)
{
	must(mbedtls_ssl_close_notify(&ssl), "close");
}
