/*
 * A peer that uses GnuTLS. It does not support DTLS 1.3, X25519MLKEM768, key
 * updates, the ECDHE_PSK suites of RFC 8442, and messages whose records, with
 * header and tag, exceed the MTU.
 */
#include "peer.h"

#include <errno.h>
#include <gnutls/dtls.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

static gnutls_session_t session;
static bool at_end; /* the socket has ended */

void peer_library(char *out, size_t size)
{
	snprintf(out, size, "GnuTLS %s", gnutls_check_version(NULL));
}

static int must(int n, const char *what)
{
	if (n >= 0)
		return n;
	if (n == GNUTLS_E_FATAL_ALERT_RECEIVED)
		die("%s: peer sent alert %s", what, gnutls_alert_get_name(gnutls_alert_get(session)));
	if (at_end)
		die("%s: end of the socket", what);
	gnutls_alert_send_appropriate(session, n);
	die("%s: %s", what, gnutls_strerror(n));
}

/* ---- packets ---- */

/* A packet that was read for the cookie exchange, before the session exists. */
static unsigned char held[MAX_PACKET];
static size_t held_size;

static ssize_t pull(gnutls_transport_ptr_t p, void *buf, size_t size)
{
	(void)p;
	if (held_size > 0) {
		size_t n = held_size < size ? held_size : size;
		memcpy(buf, held, n);
		held_size = 0;
		return n;
	}
	size_t n = packet_read(buf, size);
	at_end = n == 0;
	return n;
}

/* pull_timeout reports data at once, so that pull waits for it: no packet is ever lost. */
static int pull_timeout(gnutls_transport_ptr_t p, unsigned int ms)
{
	(void)p, (void)ms;
	return 1;
}

static ssize_t push(gnutls_transport_ptr_t p, const void *buf, size_t size)
{
	(void)p;
	packets_write(buf, size);
	return size;
}

/* ---- the connection ---- */

/* append appends a priority to p, with dashes instead of underscores. */
static char *append(char *p, const char *name, size_t size)
{
	p = stpcpy(p, ":+");
	for (size_t i = 0; i < size; i++)
		*p++ = name[i] == '_' ? '-' : name[i];
	*p = 0;
	return p;
}

static const char *group_priority(uint16_t id)
{
	switch (id) {
	case 23: return ":+GROUP-SECP256R1";
	case 24: return ":+GROUP-SECP384R1";
	case 29: return ":+GROUP-X25519";
	}
	die("GnuTLS has no group %s", group_by_id(id)->name);
}

/*
 * set_priority builds the priority string of the suite. The library names a suite by
 * its parts: TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 is ECDHE-ECDSA and AES-128-GCM.
 */
static void set_priority(void)
{
	char priority[256], *p;
	if (opt.suite) {
		p = stpcpy(priority, "NONE:+VERS-DTLS1.2:+COMP-NULL:+SIGN-ALL:+CTYPE-X509:+AEAD:+SHA1:+SHA256");
		const char *kx = opt.suite->iana + strlen("TLS_"), *with = strstr(kx, "_WITH_");
		const char *cipher = with + strlen("_WITH_"), *end = strstr(cipher, "_SHA");
		p = append(p, kx, with - kx);
		p = append(p, cipher, end ? (size_t)(end - cipher) : strlen(cipher));
	} else {
		p = stpcpy(priority, "NORMAL:-VERS-ALL:+VERS-DTLS1.2");
		if (opt.psk_size)
			p = stpcpy(p, ":-KX-ALL:+ECDHE-PSK:+PSK");
	}
	p = stpcpy(p, opt.group ? ":-GROUP-ALL:%SERVER_PRECEDENCE" : ":+GROUP-ALL");
	for (const struct group **g = opt.group ? group_list() : NULL; g && *g; g++)
		p = stpcpy(p, group_priority((*g)->id));
	must(gnutls_priority_set_direct(session, priority, NULL), priority);
}

static int psk_server(gnutls_session_t s, const char *identity, gnutls_datum_t *key)
{
	(void)s;
	if (strcmp(identity, opt.psk_identity))
		return -1;
	key->data = gnutls_malloc(opt.psk_size);
	key->size = opt.psk_size;
	memcpy(key->data, opt.psk, opt.psk_size);
	return 0;
}

static void set_psk(void)
{
	if (opt.server) {
		gnutls_psk_server_credentials_t c;
		must(gnutls_psk_allocate_server_credentials(&c), "PSK");
		gnutls_psk_set_server_credentials_function(c, psk_server);
		must(gnutls_credentials_set(session, GNUTLS_CRD_PSK, c), "PSK");
	} else {
		gnutls_psk_client_credentials_t c;
		gnutls_datum_t key = {opt.psk, opt.psk_size};
		must(gnutls_psk_allocate_client_credentials(&c), "PSK");
		must(gnutls_psk_set_client_credentials(c, opt.psk_identity, &key, GNUTLS_PSK_KEY_RAW), "PSK");
		must(gnutls_credentials_set(session, GNUTLS_CRD_PSK, c), "PSK");
	}
}

static void set_certificates(void)
{
	gnutls_certificate_credentials_t c;
	must(gnutls_certificate_allocate_credentials(&c), "certificate");
	if (opt.cert)
		must(gnutls_certificate_set_x509_key_file(c, opt.cert, opt.key, GNUTLS_X509_FMT_PEM), "certificate");
	if (opt.ca) {
		must(gnutls_certificate_set_x509_trust_file(c, opt.ca, GNUTLS_X509_FMT_PEM), "CA");
		if (!opt.server)
			gnutls_session_set_verify_cert(session, opt.name, 0);
		else if (opt.verify)
			gnutls_session_set_verify_cert(session, NULL, 0);
	}
	if (opt.server && opt.verify)
		gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
	must(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, c), "certificate");
}

/* exchange_cookie answers each ClientHello with HelloVerifyRequest until one has the cookie. */
static void exchange_cookie(void)
{
	gnutls_datum_t key;
	gnutls_dtls_prestate_st prestate;
	must(gnutls_key_generate(&key, GNUTLS_COOKIE_KEY_SIZE), "cookie");
	for (;;) {
		held_size = packet_read(held, sizeof held);
		if (held_size == 0)
			die("cookie: end of the socket");
		memset(&prestate, 0, sizeof prestate);
		if (gnutls_dtls_cookie_verify(&key, "peer", 4, held, held_size, &prestate) >= 0)
			break;
		must(gnutls_dtls_cookie_send(&key, "peer", 4, &prestate, NULL, push), "cookie");
	}
	gnutls_dtls_prestate_set(session, &prestate);
}

static void handshake(const char *what)
{
	int n;
	do
		n = gnutls_handshake(session);
	while (n < 0 && !gnutls_error_is_fatal(n) && n != GNUTLS_E_GOT_APPLICATION_DATA);
	must(n, what);
}

void peer_handshake(void)
{
	if (opt.min_version == DTLS13 || opt.key_update)
		die("GnuTLS has no DTLS 1.3");
	must(gnutls_init(&session, (opt.server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_DATAGRAM | GNUTLS_NO_REPLAY_PROTECTION), "session");
	gnutls_transport_set_pull_function(session, pull);
	gnutls_transport_set_pull_timeout_function(session, pull_timeout);
	gnutls_transport_set_push_function(session, push);
	gnutls_dtls_set_mtu(session, MTU);
	gnutls_dtls_set_timeouts(session, 3600 * 1000, 3600 * 1000);
	set_priority();
	if (opt.psk_size)
		set_psk();
	set_certificates();
	if (!opt.server)
		must(gnutls_server_name_set(session, GNUTLS_NAME_DNS, opt.name, strlen(opt.name)), "name");
	if (opt.server && opt.cookie)
		exchange_cookie();
	handshake("handshake");
}

/* suite returns the number of the negotiated suite, of which the library reports only the parts. */
static uint16_t suite(void)
{
	unsigned char id[2];
	gnutls_kx_algorithm_t kx;
	gnutls_cipher_algorithm_t cipher;
	gnutls_mac_algorithm_t mac;
	for (size_t i = 0; gnutls_cipher_suite_info(i, id, &kx, &cipher, &mac, NULL); i++)
		if (kx == gnutls_kx_get(session) && cipher == gnutls_cipher_get(session) && mac == gnutls_mac_get(session))
			return id[0] << 8 | id[1];
	return 0;
}

void peer_agreed(struct agreed *a)
{
	a->version = gnutls_protocol_get_version(session) == GNUTLS_DTLS1_2 ? DTLS12 : 0;
	a->suite = suite();
	switch (gnutls_group_get(session)) {
	case GNUTLS_GROUP_SECP256R1: a->group = 23; break;
	case GNUTLS_GROUP_SECP384R1: a->group = 24; break;
	case GNUTLS_GROUP_X25519: a->group = 29; break;
	default: break;
	}
	unsigned int n = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &n);
	if (n > 0) {
		gnutls_x509_crt_t cert;
		size_t size = sizeof a->peer;
		must(gnutls_x509_crt_init(&cert), "peer's certificate");
		must(gnutls_x509_crt_import(cert, &chain[0], GNUTLS_X509_FMT_DER), "peer's certificate");
		gnutls_x509_crt_get_dn_by_oid(cert, GNUTLS_OID_X520_COMMON_NAME, 0, 0, a->peer, &size);
		gnutls_x509_crt_deinit(cert);
	}
}

void peer_export(unsigned char secret[SECRET_SIZE])
{
	must(gnutls_prf_rfc5705(session, strlen(SECRET_LABEL), SECRET_LABEL, opt.context_size, opt.has_context ? (char *)opt.context : NULL, SECRET_SIZE, (char *)secret), "exporter");
}

long peer_read(unsigned char *buf, size_t size)
{
	for (;;) {
		ssize_t n = gnutls_record_recv(session, buf, size);
		if (n == GNUTLS_E_REHANDSHAKE) {
			handshake("renegotiation");
			renegotiated();
		} else if (n == 0 && !at_end) {
			return -1;
		} else if (n == 0) {
			die("read: end of the socket");
		} else if (n > 0 || gnutls_error_is_fatal(n)) {
			return must(n, "read");
		}
	}
}

void peer_write(const unsigned char *buf, size_t size)
{
	ssize_t n;
	do
		n = gnutls_record_send(session, buf, size);
	while (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED);
	must(n, "write");
}

void peer_renegotiate(void)
{
	if (opt.server)
		must(gnutls_rehandshake(session), "HelloRequest");
	handshake("renegotiation");
	renegotiated();
}

void peer_key_update(bool request)
{
	(void)request;
	die("GnuTLS has no DTLS 1.3");
}

void peer_close(void)
{
	must(gnutls_bye(session, GNUTLS_SHUT_WR), "close");
}
