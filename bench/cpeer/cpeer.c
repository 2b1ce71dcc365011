// cpeer - one end of the measured associations, in C: plain SCTP, SCTP with SCTP-AUTH,
// and OpenSSL's DTLS over SCTP. It does the same as package peer in Go.
//
//   cpeer server|client plain|auth|openssl ADDRESS PORT CERTIFICATES
//         ASSOCIATIONS STREAMS BUFFER HMAC SACK-DELAY
//
// HMAC is 1 for SHA-1, 3 for SHA-256, 0 for the kernel's default; SACK-DELAY in
// milliseconds, -1 for the kernel's. A server echoes messages of PPID 2 and drops others.
// A client reads commands from its standard input and answers each with one line:
//
//   discard SIZE MILLISECONDS        messages a second
//   echo SIZE WINDOW MILLISECONDS    messages a second
//   handshakes NUMBER                connections a second, without the time to close them, and the
//                                    median and 99th percentile of their times in milliseconds
//
// As is usual with OpenSSL, each association has a blocking thread of its own.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sctp.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { discarded = 1, echoed = 2, largest = 18445 };

static enum { plain, authenticated, dtls } kind;
static int streams, buffer, hmac, sack_delay;
static struct sockaddr_in address;
static SSL_CTX *context;

struct link {
	int fd;
	SSL *ssl;
	BIO *bio;
	char *message;
};

static void die(const char *what) {
	fprintf(stderr, "cpeer: %s: %s\n", what, strerror(errno));
	ERR_print_errors_fp(stderr);
	exit(1);
}

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void set(int fd, int level, int option, const void *value, socklen_t size) {
	if (setsockopt(fd, level, option, value, size) != 0)
		die("setsockopt");
}

static void set_int(int fd, int level, int option, int value) { set(fd, level, option, &value, sizeof value); }

static int new_socket(void) {
	int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
	if (fd < 0)
		die("socket");
	struct sctp_initmsg init = {.sinit_num_ostreams = streams, .sinit_max_instreams = streams};
	set(fd, IPPROTO_SCTP, SCTP_INITMSG, &init, sizeof init);
	set_int(fd, SOL_SOCKET, SO_RCVBUF, buffer);
	set_int(fd, SOL_SOCKET, SO_SNDBUF, buffer);
	set_int(fd, IPPROTO_SCTP, SCTP_NODELAY, 1);
	set_int(fd, IPPROTO_SCTP, SCTP_RECVRCVINFO, 1);
	if (sack_delay >= 0) {
		struct sctp_sack_info sack = {.sack_delay = sack_delay, .sack_freq = sack_delay == 0};
		set(fd, IPPROTO_SCTP, SCTP_DELAYED_SACK, &sack, sizeof sack);
	}
	if (kind == plain)
		return fd;
	struct sctp_assoc_value on = {.assoc_value = 1};
	set(fd, IPPROTO_SCTP, SCTP_AUTH_SUPPORTED, &on, sizeof on);
	if (hmac != 0) {
		struct {
			__u32 number;
			__u16 ids[2];
		} list = {hmac == SCTP_AUTH_HMAC_ID_SHA1 ? 1 : 2, {hmac, SCTP_AUTH_HMAC_ID_SHA1}};
		set(fd, IPPROTO_SCTP, SCTP_HMAC_IDENT, &list, sizeof list.number + list.number * sizeof list.ids[0]);
	}
	if (kind == authenticated) {
		// What OpenSSL lists too: DATA and FORWARD TSN.
		struct sctp_authchunk chunk = {0x00};
		set(fd, IPPROTO_SCTP, SCTP_AUTH_CHUNK, &chunk, sizeof chunk);
		chunk.sauth_chunk = 0xc0;
		set(fd, IPPROTO_SCTP, SCTP_AUTH_CHUNK, &chunk, sizeof chunk);
	} else {
		BIO *bio = BIO_new_dgram_sctp(fd, BIO_NOCLOSE); // sets the chunks
		if (bio == NULL)
			die("BIO_new_dgram_sctp");
		BIO_free(bio);
	}
	return fd;
}

static void start(struct link *l, int fd, int server) {
	l->fd = fd;
	l->message = malloc(largest);
	if (kind != dtls)
		return;
	l->ssl = SSL_new(context);
	l->bio = BIO_new_dgram_sctp(fd, BIO_NOCLOSE);
	if (l->ssl == NULL || l->bio == NULL)
		die("BIO_new_dgram_sctp");
	SSL_set_bio(l->ssl, l->bio, l->bio);
	if ((server ? SSL_accept(l->ssl) : SSL_connect(l->ssl)) <= 0)
		die("handshake");
	set_int(fd, IPPROTO_SCTP, SCTP_NODELAY, 1); // which the handshake clears
}

static void end(struct link *l) {
	if (l->ssl != NULL) {
		if (SSL_shutdown(l->ssl) == 0)
			SSL_shutdown(l->ssl);
		SSL_free(l->ssl);
	}
	close(l->fd);
	free(l->message);
}

// send_message returns false if the message could not be sent.
static int send_message(struct link *l, int stream, int ppid, int size) {
	if (l->ssl != NULL) {
		struct bio_dgram_sctp_sndinfo info = {.snd_sid = stream, .snd_ppid = htonl(ppid)};
		BIO_ctrl(l->bio, BIO_CTRL_DGRAM_SCTP_SET_SNDINFO, sizeof info, &info);
		return SSL_write(l->ssl, l->message, size) == size;
	}
	char control[CMSG_SPACE(sizeof(struct sctp_sndinfo))] = {0};
	struct iovec io = {l->message, size};
	struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = IPPROTO_SCTP;
	c->cmsg_type = SCTP_SNDINFO;
	c->cmsg_len = CMSG_LEN(sizeof(struct sctp_sndinfo));
	struct sctp_sndinfo info = {.snd_sid = stream, .snd_ppid = htonl(ppid)};
	memcpy(CMSG_DATA(c), &info, sizeof info);
	return sendmsg(l->fd, &m, MSG_NOSIGNAL) == size;
}

// receive_message returns the size of the next message, or 0 when the association has ended.
static int receive_message(struct link *l, int *stream, int *ppid) {
	if (l->ssl != NULL) {
		int n = SSL_read(l->ssl, l->message, largest);
		if (n <= 0)
			return 0;
		struct bio_dgram_sctp_rcvinfo info = {0};
		BIO_ctrl(l->bio, BIO_CTRL_DGRAM_SCTP_GET_RCVINFO, sizeof info, &info);
		*stream = info.rcv_sid;
		*ppid = ntohl(info.rcv_ppid);
		return n;
	}
	int n = 0;
	for (;;) {
		char control[CMSG_SPACE(sizeof(struct sctp_rcvinfo)) * 2];
		struct iovec io = {l->message + n, largest - n};
		struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
		int got = recvmsg(l->fd, &m, 0);
		if (got <= 0)
			return 0;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c))
			if (c->cmsg_level == IPPROTO_SCTP && c->cmsg_type == SCTP_RCVINFO) {
				struct sctp_rcvinfo info;
				memcpy(&info, CMSG_DATA(c), sizeof info);
				*stream = info.rcv_sid;
				*ppid = ntohl(info.rcv_ppid);
			}
		n += got;
		if (m.msg_flags & MSG_EOR)
			return n;
	}
}

// The server.

static void *serve(void *argument) {
	struct link l = {0};
	int stream, ppid, n;
	start(&l, (int)(long)argument, 1);
	while ((n = receive_message(&l, &stream, &ppid)) > 0)
		if (ppid == echoed && !send_message(&l, stream, ppid, n))
			break;
	end(&l);
	return NULL;
}

static void server(void) {
	int fd = new_socket();
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 128) != 0)
		die("listen");
	puts("ready");
	for (;;) {
		pthread_t thread;
		int accepted = accept(fd, NULL, NULL);
		if (accepted < 0)
			die("accept");
		if (pthread_create(&thread, NULL, serve, (void *)(long)accepted) != 0)
			die("pthread_create");
		pthread_detach(thread);
	}
}

// The client.

static struct link *links;
static int associations;
static int size, window, turns;
static double end_time;

static void open_link(struct link *l) {
	memset(l, 0, sizeof *l);
	int fd = new_socket();
	if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
		die("connect");
	start(l, fd, 0);
}

static void must_send(struct link *l, int stream, int ppid) {
	if (!send_message(l, stream, ppid, size))
		die("send");
}

static void await(struct link *l, int expected) {
	int stream, ppid;
	while (expected-- > 0)
		if (receive_message(l, &stream, &ppid) <= 0)
			die("the server has gone");
}

static void *send_all(void *argument) {
	struct link *l = argument;
	long n = 0;
	do
		for (int i = 0; i < turns; i++, n++)
			must_send(l, n % streams, discarded);
	while (now() < end_time);
	// Two more messages: the echo proves that all earlier ones were received.
	must_send(l, 0, echoed);
	await(l, 1);
	return (void *)(n + 2);
}

static void *send_and_await(void *argument) {
	struct link *l = argument;
	long n = 0;
	for (int i = 0; i < window; i++)
		must_send(l, i % streams, echoed);
	do
		for (int i = 0; i < turns; i++, n++) {
			await(l, 1);
			must_send(l, n % streams, echoed);
		}
	while (now() < end_time);
	await(l, window);
	return (void *)(n + window);
}

// on_all writes the number of messages per second on all associations.
static void on_all(void *(*work)(void *), int milliseconds) {
	pthread_t threads[associations];
	double begin = now(), n = 0;
	end_time = begin + milliseconds / 1e3;
	for (int i = 0; i < associations; i++)
		if (pthread_create(&threads[i], NULL, work, &links[i]) != 0)
			die("pthread_create");
	for (int i = 0; i < associations; i++) {
		void *result;
		pthread_join(threads[i], &result);
		n += (long)result;
	}
	printf("%g\n", n / (now() - begin));
}

static int rising(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void handshakes(int n) {
	double *each = calloc(n, sizeof *each), spent = 0;
	for (int i = 0; i < n; i++) {
		struct link l;
		usleep(20000); // so that closing the last one is over at both ends
		double begin = now();
		open_link(&l);
		each[i] = now() - begin;
		spent += each[i];
		end(&l);
	}
	qsort(each, n, sizeof *each, rising);
	printf("%g %g %g\n", n / spent, each[(n - 1) * 50 / 100] * 1e3, each[(n - 1) * 99 / 100] * 1e3);
	free(each);
}

static void client(void) {
	char line[100];
	int milliseconds, n;
	links = calloc(associations, sizeof *links);
	turns = associations < 32 ? 32 / (associations + !associations) : 1; // between two looks at the clock
	for (int i = 0; i < associations; i++)
		open_link(&links[i]);
	puts("ready");
	while (fgets(line, sizeof line, stdin) != NULL) {
		if (sscanf(line, "discard %d %d", &size, &milliseconds) == 2)
			on_all(send_all, milliseconds);
		else if (sscanf(line, "echo %d %d %d", &size, &window, &milliseconds) == 3)
			on_all(send_and_await, milliseconds);
		else if (sscanf(line, "handshakes %d", &n) == 1)
			handshakes(n);
		else
			die(line);
	}
	for (int i = 0; i < associations; i++)
		end(&links[i]);
}

static void prepare(const char *folder, int is_server) {
	char file[1000];
	context = SSL_CTX_new(is_server ? DTLS_server_method() : DTLS_client_method());
	snprintf(file, sizeof file, "%s/%s.pem", folder, is_server ? "server" : "client");
	if (SSL_CTX_use_certificate_chain_file(context, file) != 1 || SSL_CTX_use_PrivateKey_file(context, file, SSL_FILETYPE_PEM) != 1)
		die(file);
	snprintf(file, sizeof file, "%s/ca.pem", folder);
	if (SSL_CTX_load_verify_locations(context, file, NULL) != 1)
		die(file);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	if (SSL_CTX_set_cipher_list(context, "ECDHE-ECDSA-AES128-GCM-SHA256") != 1 || SSL_CTX_set1_groups_list(context, "X25519:P-256") != 1)
		die("choices");
	SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

int main(int argc, char **argv) {
	if (argc != 11) {
		fprintf(stderr, "usage: see cpeer.c\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	int is_server = strcmp(argv[1], "server") == 0;
	kind = strcmp(argv[2], "openssl") == 0 ? dtls : strcmp(argv[2], "auth") == 0 ? authenticated : plain;
	address.sin_family = AF_INET;
	inet_pton(AF_INET, argv[3], &address.sin_addr);
	address.sin_port = htons(atoi(argv[4]));
	associations = atoi(argv[6]);
	streams = atoi(argv[7]);
	buffer = atoi(argv[8]);
	hmac = atoi(argv[9]);
	sack_delay = atoi(argv[10]);
	if (kind == dtls)
		prepare(argv[5], is_server);
	if (is_server)
		server();
	else
		client();
}
