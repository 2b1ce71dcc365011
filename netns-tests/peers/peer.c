/* The scenario that every peer plays; see peer.h. */
#include "peer.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct options opt = {
	.fd = 3,
	.min_version = DTLS12,
	.max_version = DTLS13,
	.name = "localhost",
	.psk_identity = "Client_identity",
	.count = 2,
	.size = 64,
	.timeout_ms = 10000,
};

static const struct suite suites[] = {
	{0x1301, "TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"},
	{0x1302, "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"},
	{0x1303, "TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256"},
	{0x00a8, "TLS_PSK_WITH_AES_128_GCM_SHA256", "PSK-AES128-GCM-SHA256"},
	{0x00a9, "TLS_PSK_WITH_AES_256_GCM_SHA384", "PSK-AES256-GCM-SHA384"},
	{0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"},
	{0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"},
	{0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"},
	{0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384"},
	{0xc0ac, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM", "ECDHE-ECDSA-AES128-CCM"},
	{0xc0ad, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM", "ECDHE-ECDSA-AES256-CCM"},
	{0xc0ae, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", "ECDHE-ECDSA-AES128-CCM8"},
	{0xc0af, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8", "ECDHE-ECDSA-AES256-CCM8"},
	{0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"},
	{0xcca9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"},
	{0xccac, "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-PSK-CHACHA20-POLY1305"},
	{0xd001, "TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256", "ECDHE-PSK-AES128-GCM-SHA256"},
	{0xd002, "TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384", "ECDHE-PSK-AES256-GCM-SHA384"},
	{0xc009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA"},
	{0xc00a, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA"},
	{0xc013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA"},
	{0xc014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA"},
	{0xc023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", "ECDHE-ECDSA-AES128-SHA256"},
	{0xc027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "ECDHE-RSA-AES128-SHA256"},
};

static const struct group groups[] = {
	{23, "P-256"},
	{24, "P-384"},
	{29, "X25519"},
	{0x11ec, "X25519MLKEM768"},
};

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

const struct suite *suite_by_id(uint16_t id)
{
	for (size_t i = 0; i < COUNT(suites); i++)
		if (suites[i].id == id)
			return &suites[i];
	return NULL;
}

const struct suite *suite_by_name(const char *name)
{
	for (size_t i = 0; i < COUNT(suites); i++)
		if (!strcasecmp(suites[i].iana, name) || !strcasecmp(suites[i].openssl, name))
			return &suites[i];
	return NULL;
}

const struct group *group_by_id(uint16_t id)
{
	for (size_t i = 0; i < COUNT(groups); i++)
		if (groups[i].id == id)
			return &groups[i];
	return NULL;
}

const struct group **group_list(void)
{
	static const struct group *list[4];
	size_t n = 0;
	list[n++] = opt.group;
	for (uint16_t id = 23; id <= 24 && opt.min_version != DTLS13; id++)
		if (opt.group->id != id)
			list[n++] = group_by_id(id);
	return list;
}

void die(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	printf("ERROR ");
	vprintf(format, args);
	printf("\n");
	fflush(stdout);
	_exit(1);
}

/* ---- the socket ---- */

size_t packet_read(void *buf, size_t size)
{
	/* Libraries with timers of their own are not woken up: no packet is ever
	 * lost here, so the only timer is the time limit for a packet. */
	struct pollfd p = {.fd = opt.fd, .events = POLLIN};
	int ready;
	do
		ready = poll(&p, 1, opt.timeout_ms);
	while (ready < 0 && errno == EINTR);
	if (ready < 0)
		die("poll: %s", strerror(errno));
	if (ready == 0)
		die("no packet within %d ms", opt.timeout_ms);
	/* Libraries read into buffers of the largest size that they expect of a
	 * record; a larger packet must not be truncated unnoticed. */
	unsigned char packet[MAX_PACKET + 1];
	ssize_t n = recv(opt.fd, packet, sizeof packet, 0);
	if (n < 0 && errno == ECONNRESET) /* the other end closed without reading everything: */
		n = recv(opt.fd, packet, sizeof packet, 0); /* what it sent can still be read */
	if (n < 0)
		die("recv: %s", strerror(errno));
	if ((size_t)n > size)
		die("packet of %zd bytes, but the library reads only %zu", n, size);
	memcpy(buf, packet, n);
	return n;
}

/* record_size returns the size of the record at the start of b. */
static size_t record_size(const unsigned char *b, size_t n)
{
	size_t size;
	if (b[0] >= 20 && b[0] <= 31) { /* RFC 6347, Section 4.1 */
		if (n < 13)
			die("the library wrote %zu bytes of a record's header", n);
		size = 13 + (b[11] << 8 | b[12]);
	} else if (b[0] >= 32 && b[0] <= 63) { /* 001CSLEE: RFC 9147, Section 4 */
		if (b[0] & 0x10)
			die("the library wrote a connection id");
		size_t head = 1 + (b[0] & 0x08 ? 2 : 1);
		if (!(b[0] & 0x04))
			return n; /* no length: up to the end of the packet */
		if (n < head + 2)
			die("the library wrote %zu bytes of a record's header", n);
		size = head + 2 + (b[head] << 8 | b[head + 1]);
	} else {
		die("the library wrote a record of type %d", b[0]);
	}
	if (size > n)
		die("the library wrote %zu bytes of a record of %zu", n, size);
	return size;
}

void packets_write(const void *buf, size_t size)
{
	const unsigned char *b = buf;
	while (size > 0) {
		size_t n = record_size(b, size);
		/* A peer that has sent close_notify may be gone: then it is not an
		 * error to answer it. A read detects anything else. */
		if (send(opt.fd, b, n, MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET)
			die("send: %s", strerror(errno));
		b += n;
		size -= n;
	}
}

unsigned char *read_file(const char *name, size_t *size)
{
	FILE *f = fopen(name, "rb");
	if (!f)
		die("%s: %s", name, strerror(errno));
	unsigned char *b = malloc(1 << 20);
	*size = fread(b, 1, (1 << 20) - 1, f);
	if (ferror(f))
		die("%s: %s", name, strerror(errno));
	fclose(f);
	b[*size] = 0;
	return b;
}

/* ---- the lines on standard output ---- */

static const char *version_name(int version)
{
	return version == DTLS13 ? "DTLSv1.3" : version == DTLS12 ? "DTLSv1.2" : "unknown";
}

static void print_exporter(void)
{
	unsigned char secret[SECRET_SIZE];
	peer_export(secret);
	printf("EXPORTER ");
	for (size_t i = 0; i < sizeof secret; i++)
		printf("%02x", secret[i]);
	printf("\n");
}

static void print_handshake(void)
{
	struct agreed a = {0};
	peer_agreed(&a);
	const struct suite *s = suite_by_id(a.suite);
	const struct group *g = group_by_id(a.group);
	printf("HANDSHAKE version=%s cipher=", version_name(a.version));
	if (s)
		printf("%s", s->iana);
	else
		printf("0x%04x", a.suite);
	printf(" group=%s peer=%s\n", g ? g->name : "-", a.peer[0] ? a.peer : "-");
	if (opt.group && g && g != opt.group)
		die("agreed on %s, not on %s", g->name, opt.group->name);
	print_exporter();
}

static long renegotiations;

void renegotiated(void)
{
	struct agreed a = {0};
	peer_agreed(&a);
	renegotiations++;
	printf("RENEGOTIATED version=%s\n", version_name(a.version));
	print_exporter();
}

/* ---- the scenario ---- */

/* rekey is called before each message but the first. */
static void rekey(void)
{
	if (opt.renegotiate > 0) {
		opt.renegotiate--;
		peer_renegotiate();
	}
	if (opt.key_update > 0) {
		opt.key_update--;
		peer_key_update(opt.key_update_request);
		printf("KEYUPDATE sent\n");
	}
}

static void fill(unsigned char *b, long size, long i)
{
	for (long j = 0; j < size; j++)
		b[j] = 7 * i + 13 * j + j / 256;
}

static unsigned char message[MAX_PACKET], echo[MAX_PACKET];

static void run_client(void)
{
	long i;
	for (i = 0; i < opt.count; i++) {
		if (i > 0)
			rekey();
		fill(message, opt.size, i);
		peer_write(message, opt.size);
		long n = peer_read(echo, sizeof echo);
		if (n < 0)
			die("the server closed after %ld of %ld messages", i, opt.count);
		if (n != opt.size || memcmp(message, echo, n))
			die("message %ld came back changed", i);
	}
	printf("DATA messages=%ld bytes=%ld renegotiations=%ld\n", i, i * opt.size, renegotiations);
	peer_close();
	if (peer_read(echo, sizeof echo) >= 0)
		die("the server sent a message in place of close_notify");
}

static void run_server(void)
{
	long i, n, bytes = 0;
	for (i = 0; (n = peer_read(message, sizeof message)) >= 0; i++) {
		if (i > 0)
			rekey();
		peer_write(message, n);
		bytes += n;
	}
	printf("DATA messages=%ld bytes=%ld renegotiations=%ld\n", i, bytes, renegotiations);
	peer_close();
}

/* ---- the command line ---- */

static long number(const char *option, const char *s, long max)
{
	char *end;
	errno = 0;
	long n = strtol(s, &end, 10);
	if (errno || *end || end == s || n < 0 || n > max)
		die("--%s %s: not a number from 0 to %ld", option, s, max);
	return n;
}

static size_t hex(const char *option, const char *s, unsigned char *out, size_t size)
{
	size_t n = strlen(s) / 2;
	if (strlen(s) % 2 || n > size)
		die("--%s: not pairs of hexadecimal digits, at most %zu", option, size);
	for (size_t i = 0; i < n; i++) {
		char two[3] = {s[2 * i], s[2 * i + 1], 0}, *end;
		out[i] = strtol(two, &end, 16);
		if (*end)
			die("--%s: not hexadecimal", option);
	}
	return n;
}

enum {
	SERVER = 1, CLIENT, FD, VERSION, CIPHER, GROUP, CERT, KEY, CA, NAME, VERIFY, PSK, PSK_IDENTITY,
	COUNT_, SIZE, RENEGOTIATE, KEY_UPDATE, KEY_UPDATE_REQUEST, COOKIE, EXPORT_CONTEXT, TIMEOUT,
};

static const struct option table[] = {
	{"server", no_argument, 0, SERVER},
	{"client", no_argument, 0, CLIENT},
	{"fd", required_argument, 0, FD},
	{"version", required_argument, 0, VERSION},
	{"cipher", required_argument, 0, CIPHER},
	{"group", required_argument, 0, GROUP},
	{"cert", required_argument, 0, CERT},
	{"key", required_argument, 0, KEY},
	{"ca", required_argument, 0, CA},
	{"name", required_argument, 0, NAME},
	{"verify", no_argument, 0, VERIFY},
	{"psk", required_argument, 0, PSK},
	{"psk-identity", required_argument, 0, PSK_IDENTITY},
	{"count", required_argument, 0, COUNT_},
	{"size", required_argument, 0, SIZE},
	{"renegotiate", required_argument, 0, RENEGOTIATE},
	{"key-update", required_argument, 0, KEY_UPDATE},
	{"key-update-request", no_argument, 0, KEY_UPDATE_REQUEST},
	{"cookie", no_argument, 0, COOKIE},
	{"export-context", required_argument, 0, EXPORT_CONTEXT},
	{"timeout", required_argument, 0, TIMEOUT},
	{0},
};

static void set_version(const char *s)
{
	if (!strcmp(s, "1.2"))
		opt.max_version = DTLS12;
	else if (!strcmp(s, "1.3"))
		opt.min_version = DTLS13;
	else if (strcmp(s, "any"))
		die("--version %s: not 1.2, 1.3 or any", s);
}

static void set_cipher(const char *s)
{
	opt.suite = strncmp(s, "0x", 2) ? suite_by_name(s) : suite_by_id(strtol(s, NULL, 16));
	if (!opt.suite)
		die("--cipher %s: not known here", s);
}

static void set_group(const char *s)
{
	for (size_t i = 0; i < COUNT(groups); i++)
		if (!strcmp(s, groups[i].name))
			opt.group = &groups[i];
	if (!opt.group)
		die("--group %s: not P-256, P-384, X25519 or X25519MLKEM768", s);
}

static void parse(int argc, char **argv)
{
	int c, i;
	bool client = false;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "", table, &i)) != -1) {
		switch (c) {
		case SERVER: opt.server = true; break;
		case CLIENT: client = true; break;
		case FD: opt.fd = number("fd", optarg, 1 << 20); break;
		case VERSION: set_version(optarg); break;
		case CIPHER: set_cipher(optarg); break;
		case GROUP: set_group(optarg); break;
		case CERT: opt.cert = optarg; break;
		case KEY: opt.key = optarg; break;
		case CA: opt.ca = optarg; break;
		case NAME: opt.name = optarg; break;
		case VERIFY: opt.verify = true; break;
		case PSK: opt.psk_size = hex("psk", optarg, opt.psk, sizeof opt.psk); break;
		case PSK_IDENTITY: opt.psk_identity = optarg; break;
		case COUNT_: opt.count = number("count", optarg, 1000000000); break;
		case SIZE: opt.size = number("size", optarg, MAX_MESSAGE); break;
		case RENEGOTIATE: opt.renegotiate = number("renegotiate", optarg, 1000000); break;
		case KEY_UPDATE: opt.key_update = number("key-update", optarg, 1000000); break;
		case KEY_UPDATE_REQUEST: opt.key_update_request = true; break;
		case COOKIE: opt.cookie = true; break;
		case EXPORT_CONTEXT:
			opt.has_context = true;
			opt.context_size = hex("export-context", optarg, opt.context, sizeof opt.context);
			break;
		case TIMEOUT: opt.timeout_ms = number("timeout", optarg, 1000000000); break;
		default: die("%s: unknown option, or its argument is missing", argv[optind - 1]);
		}
	}
	if (optind < argc)
		die("%s: unknown argument", argv[optind]);
	if (opt.server == client)
		die("one of --server and --client is needed");
	if (!opt.cert != !opt.key)
		die("--cert and --key are needed together");
	if (opt.server && !opt.cert && !opt.psk_size)
		die("a server needs --cert and --key, or --psk");
	if (opt.suite) /* a suite belongs to one version */
		*(opt.suite->id >> 8 == 0x13 ? &opt.min_version : &opt.max_version) = opt.suite->id >> 8 == 0x13 ? DTLS13 : DTLS12;
	if (opt.min_version < opt.max_version)
		die("--version and --cipher contradict each other");
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	parse(argc, argv);
	char library[128];
	peer_library(library, sizeof library);
	for (char *p = library; *p; p++)
		if (*p == ' ')
			*p = '/';
	printf("READY lib=%s role=%s\n", library, opt.server ? "server" : "client");
	peer_handshake();
	print_handshake();
	opt.server ? run_server() : run_client();
	if (opt.renegotiate > 0 || opt.key_update > 0)
		die("too few messages for all renegotiations and key updates");
	printf("CLOSED clean\n");
	return 0;
}
