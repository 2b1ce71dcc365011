/*
 * A peer that uses NSS, which supports DTLS 1.3 from version 3.96 on, and a draft
 * of it before. It does not support renegotiation over DTLS, and in DTLS 1.2 not
 * PSK, the cookie of a server, and the exporter with SHA-384. A server with a PSK
 * needs a certificate too. The MTU is fixed at 1472 bytes, so that long handshake
 * messages are fragmented.
 */
#include "peer.h"

#include <nspr.h>
#include <nss.h>
#include <nssb64.h>
#include <pk11pub.h>
#include <poll.h>
#include <secerr.h>
#include <ssl.h>
#include <sslexp.h>
#include <sslproto.h>
#include <stdio.h>
#include <string.h>

static PRFileDesc *conn;
static CERTCertificate *cert;
static SECKEYPrivateKey *key;
static bool at_end; /* the socket has ended */

void peer_library(char *out, size_t size)
{
	snprintf(out, size, "NSS %s", NSS_GetVersion());
}

_Noreturn static void fail(const char *what)
{
	if (at_end)
		die("%s: end of the socket", what);
	die("%s: %s", what, PR_ErrorToName(PR_GetError()));
}

/* again reports whether a call failed because there is nothing to read yet. */
static bool again(bool failed)
{
	return failed && PR_GetError() == PR_WOULD_BLOCK_ERROR;
}

static void must(SECStatus s, const char *what)
{
	if (s != SECSuccess)
		fail(what);
}

/*
 * PR_IntervalNow replaces NSPR's, from which the library takes the time for its
 * timers. Retransmission timers take at least 50 ms. No packet is ever lost here,
 * so that much time must not pass. ACK timers take a quarter of that, and must
 * expire when no more packets arrive.
 */
static bool idle;

PRIntervalTime PR_IntervalNow(void)
{
	return PR_MillisecondsToInterval(idle ? 25 : 0);
}

/* ---- an NSPR layer whose reads and writes are packets ---- */

static PRInt32 receive(PRFileDesc *fd, void *buf, PRInt32 size, PRIntn flags, PRIntervalTime timeout)
{
	(void)fd, (void)flags, (void)timeout;
	/* The library checks its timers when a read would block. */
	struct pollfd p = {.fd = opt.fd, .events = POLLIN};
	idle = !idle && poll(&p, 1, 0) == 0;
	if (idle) {
		PR_SetError(PR_WOULD_BLOCK_ERROR, 0);
		return -1;
	}
	size_t n = packet_read(buf, size);
	at_end = n == 0;
	if (at_end) /* after a size of 0 the library would read again, forever */
		PR_SetError(PR_CONNECT_RESET_ERROR, 0);
	return at_end ? -1 : (PRInt32)n;
}

static PRInt32 transmit(PRFileDesc *fd, const void *buf, PRInt32 size, PRIntn flags, PRIntervalTime timeout)
{
	(void)fd, (void)flags, (void)timeout;
	packets_write(buf, size);
	return size;
}

static PRStatus shut_down(PRFileDesc *fd, PRIntn how)
{
	(void)fd, (void)how;
	return PR_SUCCESS;
}

static PRStatus peer_name(PRFileDesc *fd, PRNetAddr *address)
{
	(void)fd;
	return PR_InitializeNetAddr(PR_IpAddrLoopback, 1, address);
}

static PRStatus get_option(PRFileDesc *fd, PRSocketOptionData *data)
{
	(void)fd;
	if (data->option != PR_SockOpt_Nonblocking)
		return PR_FAILURE;
	data->value.non_blocking = PR_FALSE;
	return PR_SUCCESS;
}

static PRFileDesc *packet_layer(void)
{
	static PRIOMethods methods;
	methods = *PR_GetDefaultIOMethods();
	methods.recv = receive;
	methods.send = transmit;
	methods.shutdown = shut_down;
	methods.getpeername = peer_name;
	methods.getsocketoption = get_option;
	return PR_CreateIOLayerStub(PR_GetUniqueIdentity("packets"), &methods);
}

/* ---- certificates, without a database ---- */

/* pem_next returns the next PEM block at *p, of any type, and advances *p to its end. */
static SECItem *pem_next(char **p)
{
	char *start = strstr(*p, "-----BEGIN ");
	if (!start)
		return NULL;
	start = strchr(start, '\n');
	char *end = start ? strstr(start, "-----END ") : NULL;
	if (!end)
		die("PEM block without an end");
	*p = end;
	return NSSBase64_DecodeBuffer(NULL, NULL, start, end - start);
}

/* read_certificates reads a file and returns the first certificate; the library finds the others by name. */
static CERTCertificate *read_certificates(const char *file, const char *trust)
{
	size_t size;
	char *text = (char *)read_file(file, &size);
	CERTCertificate *first = NULL;
	SECItem *der;
	while ((der = pem_next(&text))) {
		CERTCertificate *c = CERT_NewTempCertificate(CERT_GetDefaultCertDB(), der, NULL, PR_FALSE, PR_TRUE);
		if (!c)
			fail(file);
		if (trust) {
			CERTCertTrust t;
			must(CERT_DecodeTrustString(&t, trust), file);
			must(CERT_ChangeCertTrust(CERT_GetDefaultCertDB(), c, &t), file);
		}
		first = first ? first : c;
	}
	if (!first)
		die("%s: no certificate", file);
	return first;
}

static SECKEYPrivateKey *read_key(const char *file)
{
	size_t size;
	char *text = (char *)read_file(file, &size);
	SECItem *der = pem_next(&text);
	SECKEYPrivateKey *k;
	if (!der)
		die("%s: no key", file);
	must(PK11_ImportDERPrivateKeyInfoAndReturnKey(PK11_GetInternalSlot(), der, NULL, NULL, PR_FALSE, PR_TRUE, KU_ALL, &k, NULL), file);
	return k;
}

static SECStatus on_request(void *arg, PRFileDesc *fd, CERTDistNames *names, CERTCertificate **c, SECKEYPrivateKey **k)
{
	(void)arg, (void)fd, (void)names;
	if (!cert)
		return SECFailure; /* send none */
	*c = CERT_DupCertificate(cert);
	*k = SECKEY_CopyPrivateKey(key);
	return SECSuccess;
}

static SECStatus accept_any(void *arg, PRFileDesc *fd, PRBool check_signature, PRBool is_server)
{
	(void)arg, (void)fd, (void)check_signature, (void)is_server;
	return SECSuccess;
}

static SSLHelloRetryRequestAction on_hello(PRBool first, const PRUint8 *token, unsigned int size, PRUint8 *out, unsigned int *out_size, unsigned int max, void *arg)
{
	(void)token, (void)size, (void)arg;
	if (!first)
		return ssl_hello_retry_accept;
	*out_size = max < 16 ? max : 16;
	PK11_GenerateRandom(out, *out_size);
	return ssl_hello_retry_request;
}

/* ---- the connection ---- */

static void set_suite(void)
{
	bool found = false;
	for (int i = 0; i < SSL_NumImplementedCiphers; i++) {
		bool wanted = SSL_ImplementedCiphers[i] == opt.suite->id;
		found |= wanted;
		must(SSL_CipherPrefSet(conn, SSL_ImplementedCiphers[i], wanted), "cipher");
	}
	if (!found)
		die("NSS has no suite %s", opt.suite->iana);
}

static void set_groups(void)
{
	/* The default: NSS 3.112 implements the first one, but does not list it. */
	SSLNamedGroup list[4] = {0x11ec, 29, 23, 24};
	size_t n = 4;
	if (opt.group) {
		n = 0;
		for (const struct group **g = group_list(); *g; g++)
			list[n++] = (*g)->id;
	}
	must(SSL_NamedGroupConfig(conn, list, n), "groups");
}

static void set_psk(void)
{
	SECItem item = {siBuffer, opt.psk, opt.psk_size};
	PK11SymKey *psk = PK11_ImportDataKey(PK11_GetInternalSlot(), CKM_HKDF_KEY_GEN, PK11_OriginUnwrap, CKA_DERIVE, &item, NULL);
	if (!psk)
		fail("PSK");
	SSLHashType hash = opt.suite && opt.suite->id == 0x1302 ? ssl_hash_sha384 : ssl_hash_sha256;
	must(SSL_AddExternalPsk(conn, psk, (const PRUint8 *)opt.psk_identity, strlen(opt.psk_identity), hash), "PSK");
}

static void set_options(void)
{
	const struct { PRInt32 option; PRIntn value; } options[] = {
		{SSL_SECURITY, PR_TRUE},
		{SSL_NO_CACHE, opt.server}, /* otherwise a client omits psk_key_exchange_modes */
		{SSL_ENABLE_SESSION_TICKETS, PR_TRUE}, /* so that a 1.3 server sends one */
		{SSL_ENABLE_EXTENDED_MASTER_SECRET, PR_TRUE},
	};
	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
		must(SSL_OptionSet(conn, options[i].option, options[i].value), "option");
	must(SSL_OptionSet(conn, opt.server ? SSL_HANDSHAKE_AS_SERVER : SSL_HANDSHAKE_AS_CLIENT, PR_TRUE), "role");
	SSLVersionRange range = {
		opt.min_version == DTLS13 ? SSL_LIBRARY_VERSION_DTLS_1_3 : SSL_LIBRARY_VERSION_DTLS_1_2,
		opt.max_version == DTLS13 ? SSL_LIBRARY_VERSION_DTLS_1_3 : SSL_LIBRARY_VERSION_DTLS_1_2,
	};
	must(SSL_VersionRangeSet(conn, &range), "version");
}

static void set_certificates(void)
{
	if (opt.cert) {
		cert = read_certificates(opt.cert, NULL);
		key = read_key(opt.key);
	}
	if (opt.ca)
		read_certificates(opt.ca, "CT,,");
	if (!opt.ca)
		must(SSL_AuthCertificateHook(conn, accept_any, NULL), "CA");
	if (!opt.server) {
		must(SSL_SetURL(conn, opt.name), "name");
		must(SSL_GetClientAuthDataHook(conn, on_request, NULL), "certificate");
		return;
	}
	if (cert)
		must(SSL_ConfigServerCert(conn, cert, key, NULL, 0), "certificate");
	must(SSL_OptionSet(conn, SSL_REQUEST_CERTIFICATE, opt.verify), "verify");
	must(SSL_OptionSet(conn, SSL_REQUIRE_CERTIFICATE, opt.verify ? SSL_REQUIRE_ALWAYS : SSL_REQUIRE_NEVER), "verify");
}

void peer_handshake(void)
{
	if (!NSS_VersionCheck("3.96") && opt.max_version == DTLS13) {
		if (opt.min_version == DTLS13)
			die("NSS %s has only a draft of DTLS 1.3", NSS_GetVersion());
		opt.max_version = DTLS12;
	}
	if (opt.renegotiate)
		die("NSS does not renegotiate over DTLS");
	if (opt.psk_size && opt.max_version != DTLS13)
		die("NSS has no PSK in DTLS 1.2");
	if (opt.cookie && opt.max_version != DTLS13)
		die("NSS has no HelloVerifyRequest");
	must(NSS_NoDB_Init(NULL), "library");
	must(NSS_SetDomesticPolicy(), "library");
	if (!(conn = DTLS_ImportFD(NULL, packet_layer())))
		fail("connection");
	set_options();
	if (opt.suite)
		set_suite();
	set_groups();
	set_certificates();
	if (opt.server && opt.cookie)
		must(SSL_HelloRetryRequestCallback(conn, on_hello, NULL), "cookie");
	must(SSL_ResetHandshake(conn, opt.server), "handshake");
	if (opt.psk_size)
		set_psk();
	SECStatus s;
	do
		s = SSL_ForceHandshake(conn);
	while (again(s != SECSuccess));
	must(s, "handshake");
}

void peer_agreed(struct agreed *a)
{
	SSLChannelInfo info;
	must(SSL_GetChannelInfo(conn, &info, sizeof info), "channel");
	a->version = info.protocolVersion == SSL_LIBRARY_VERSION_DTLS_1_3 ? DTLS13 : info.protocolVersion == SSL_LIBRARY_VERSION_DTLS_1_2 ? DTLS12 : 0;
	a->suite = info.cipherSuite;
	a->group = info.keaGroup;
	CERTCertificate *c = SSL_PeerCertificate(conn);
	if (c)
		snprintf(a->peer, sizeof a->peer, "%s", CERT_GetCommonName(&c->subject));
}

void peer_export(unsigned char secret[SECRET_SIZE])
{
	must(SSL_ExportKeyingMaterial(conn, SECRET_LABEL, strlen(SECRET_LABEL), opt.has_context, opt.context, opt.context_size, secret, SECRET_SIZE), "exporter");
}

long peer_read(unsigned char *buf, size_t size)
{
	PRInt32 n;
	do
		n = PR_Recv(conn, buf, size, 0, PR_INTERVAL_NO_TIMEOUT);
	while (again(n < 0));
	if (n < 0)
		fail("read");
	return n == 0 ? -1 : n;
}

void peer_write(const unsigned char *buf, size_t size)
{
	if (PR_Send(conn, buf, size, 0, PR_INTERVAL_NO_TIMEOUT) != (PRInt32)size)
		fail("write");
}

void peer_renegotiate(void)
{
	die("NSS does not renegotiate over DTLS");
}

void peer_key_update(bool request)
{
	must(SSL_KeyUpdate(conn, request), "key update");
}

void peer_close(void)
{
	if (PR_Shutdown(conn, PR_SHUTDOWN_SEND) != PR_SUCCESS)
		fail("close");
}
