/*
 * peer - an association of usrsctp over UDP on 127.0.0.1, which echoes what it receives.
 *
 *   peer server|client PORT AUTH
 *
 * Its UDP port is PORT, and its SCTP port 5001. The other end has UDP port PORT+1 and, as a
 * server, SCTP port 5000. If AUTH is 1, DATA must be authenticated. The message "KEY!" installs
 * and activates shared key 1, and "BYE!" ends the association.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <usrsctp.h>

static void check(int result, const char *what)
{
	if (result < 0) {
		fprintf(stderr, "peer: %s: %s\n", what, strerror(errno));
		exit(1);
	}
}

static void set(struct socket *s, int option, const void *value, socklen_t n, const char *what)
{
	check(usrsctp_setsockopt(s, IPPROTO_SCTP, option, value, n), what);
}

static void use_key(struct socket *s, uint16_t number, const char *secret)
{
	char b[sizeof(struct sctp_authkey) + 64] = {0};
	struct sctp_authkey *key = (void *)b;
	struct sctp_authkeyid id = {.scact_keynumber = number};

	key->sca_keynumber = number;
	key->sca_keylength = strlen(secret);
	memcpy(key->sca_key, secret, strlen(secret));
	set(s, SCTP_AUTH_KEY, key, sizeof *key + strlen(secret), "SCTP_AUTH_KEY");
	set(s, SCTP_AUTH_ACTIVE_KEY, &id, sizeof id, "SCTP_AUTH_ACTIVE_KEY");
}

int main(int argc, char **argv)
{
	static char b[1 << 20];
	int server = argc == 4 && strcmp(argv[1], "server") == 0;
	int port, on = 1;
	size_t n = 0;

	if (argc != 4)
		return 2;
	port = atoi(argv[2]);
	usrsctp_init(port, NULL, NULL);
	usrsctp_sysctl_set_sctp_no_csum_on_loopback(0); /* CRC32c always */
	usrsctp_sysctl_set_sctp_auth_enable(1);

	struct socket *s = usrsctp_socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP, NULL, NULL, 0, NULL);
	struct sctp_udpencaps udp = {.sue_address.ss_family = AF_INET, .sue_port = htons(port + 1)};
	struct sctp_authchunk data = {.sauth_chunk = 0};
	struct sctp_initmsg streams = {.sinit_num_ostreams = 20, .sinit_max_instreams = 20};
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(5001)};

	check(s == NULL ? -1 : 0, "socket");
	set(s, SCTP_REMOTE_UDP_ENCAPS_PORT, &udp, sizeof udp, "SCTP_REMOTE_UDP_ENCAPS_PORT");
	if (atoi(argv[3]))
		set(s, SCTP_AUTH_CHUNK, &data, sizeof data, "SCTP_AUTH_CHUNK");
	set(s, SCTP_INITMSG, &streams, sizeof streams, "SCTP_INITMSG");
	check(usrsctp_bind(s, (struct sockaddr *)&addr, sizeof addr), "bind");
	if (server) {
		check(usrsctp_listen(s, 1), "listen");
		puts("ready");
		fflush(stdout);
		s = usrsctp_accept(s, NULL, NULL);
		check(s == NULL ? -1 : 0, "accept");
	} else {
		addr.sin_port = htons(5000);
		check(usrsctp_connect(s, (struct sockaddr *)&addr, sizeof addr), "connect");
	}
	set(s, SCTP_RECVRCVINFO, &on, sizeof on, "SCTP_RECVRCVINFO");
	set(s, SCTP_NODELAY, &on, sizeof on, "SCTP_NODELAY");
	for (;;) {
		struct sctp_rcvinfo in;
		struct sctp_sndinfo out = {0};
		socklen_t inlen = sizeof in;
		unsigned type;
		int flags = 0;
		ssize_t got = usrsctp_recvv(s, b + n, sizeof b - n, NULL, NULL, &in, &inlen, &type, &flags);

		if (got <= 0)
			break;
		n += got;
		if (!(flags & MSG_EOR))
			continue;
		if (n == 4 && memcmp(b, "KEY!", 4) == 0)
			use_key(s, 1, "secret");
		if (n == 4 && memcmp(b, "BYE!", 4) == 0) {
			usrsctp_shutdown(s, SHUT_WR);
			n = 0;
			continue;
		}
		out.snd_sid = in.rcv_sid;
		out.snd_ppid = in.rcv_ppid;
		out.snd_flags = in.rcv_flags & SCTP_UNORDERED;
		check(usrsctp_sendv(s, b, n, NULL, 0, &out, sizeof out, SCTP_SENDV_SNDINFO, 0), "send");
		n = 0;
	}
	usrsctp_close(s);
	sleep(1);
	return 0;
}
