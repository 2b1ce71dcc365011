#!/bin/bash
# two-hosts.sh - runs the examples between two hosts. The test of this folder has it run as root of a
# kernel with SCTP; the folder bin has the examples, sctp-echo and wirecheck.
#
#   client 10.0.0.1 eth0 ──── eth0 10.0.0.2 server
set -euo pipefail
trap 'echo "failed in line $LINENO of two-hosts.sh" >&2' ERR

for host in client server; do ip netns add $host; done
ip link add eth0 netns client type veth peer name eth0 netns server
ip -n client addr add 10.0.0.1/24 dev eth0
ip -n server addr add 10.0.0.2/24 dev eth0
# Whoever captures makes the kernel join larger packets, which breaks SCTP-AUTH.
for host in client server; do ip -n $host link set eth0 up gso_max_size 1500; done
sctp-echo certs -host 10.0.0.2 certs >/dev/null

# between SERVER CLIENT NAME PORT runs both programs and keeps what was captured and logged as NAME.
between() {
	local line
	echo "== $3"
	mkfifo "$3.out"
	ip netns exec server "$1" certs "10.0.0.2:$4" >"$3.out" 2>&1 &
	local server=$!
	exec 3<"$3.out"
	read -r line <&3 # what it prints once it can be reached
	echo "$line"
	SSLKEYLOGFILE=$OUT/$3.keys ip netns exec client wirecheck -keylog "$OUT/$3.keys" -pcap "$OUT/$3.pcap" eth0 "$2" certs "10.0.0.2:$4"
	kill -TERM $server
	cat <&3
	wait $server || true
}

DTLS_MAX=1.2 between diameter-server diameter-client diameter-1.2 5868
between diameter-server diameter-client diameter-1.3 5868
DTLS_MAX=1.2 between ngap-amf ngap-gnb ngap-1.2 38412
between ngap-amf ngap-gnb ngap-1.3 38412

# SCTP inside UDP: of the kernel at one end, of sctp-echo itself at the other.
as_client=(-cert certs/client.pem -key certs/client-key.pem -ca certs/ca.pem)
for host in client server; do ip netns exec $host sysctl -qw net.sctp.udp_port=9899; done
# udp NAME TRANSPORT OPTION... has four messages echoed by a server with that transport, for a client with
# these options, and keeps what was captured and logged.
udp() {
	local name=$1 line
	echo "== $name"
	mkfifo "$name.out"
	ip netns exec server sctp-echo serve -once 1 -cert certs/server.pem -key certs/server-key.pem -ca certs/ca.pem -transport "$2" 10.0.0.2:5868 >"$name.out" 2>&1 &
	local server=$!
	exec 3<"$name.out"
	read -r line <&3
	echo "$line"
	SSLKEYLOGFILE=$OUT/$name.keys ip netns exec client wirecheck -keylog "$OUT/$name.keys" -pcap "$OUT/$name.pcap" eth0 \
		sctp-echo connect "${as_client[@]}" -streams 4 -count 4 "${@:3}" 10.0.0.2:5868
	wait $server
}
udp udp-client-1.2 kernel -transport udp -max 1.2
udp udp-client-1.3 kernel -transport udp
ip netns exec server sysctl -qw net.sctp.udp_port=0 # a program has the port now
udp udp-server-1.2 udp -udp-encap 9899 -max 1.2
udp udp-server-1.3 udp -udp-encap 9899

echo "== tracing"
mkfifo echo.out
ip netns exec server sctp-echo serve -cert certs/server.pem -key certs/server-key.pem -ca certs/ca.pem 10.0.0.2:5868 >echo.out 2>&1 &
echo=$!
exec 5<echo.out
read -r line <&5
echo "$line"
ip netns exec client tracing certs 10.0.0.2:5868
kill -TERM $echo
wait $echo || true

echo "== takeover"
mkfifo takeover.out
ip netns exec server takeover certs 10.0.0.2:38412 >takeover.out 2>&1 &
takeover=$!
exec 6<takeover.out
read -r line <&6
echo "$line"
ip netns exec client sctp-echo connect "${as_client[@]}" -streams 4 -count 9 10.0.0.2:38412
kill -TERM $takeover
wait $takeover || true

echo "== metrics"
mkfifo metrics.out
ip netns exec server metrics certs 10.0.0.2:5868 10.0.0.2:9090 >metrics.out 2>&1 &
exec 3<metrics.out
read -r line <&3
echo "$line"
ip netns exec client sctp-echo connect "${as_client[@]}" -count 7 -size 100 10.0.0.2:5868 >/dev/null
ip netns exec client sctp-echo connect -ca certs/ca.pem -max 1.2 -count 1 10.0.0.2:5868 >/dev/null 2>&1 || echo "a client without a certificate was refused"
ip netns exec client bash -c 'exec 4<>/dev/tcp/10.0.0.2/9090; printf "GET /metrics HTTP/1.0\r\n\r\n" >&4; grep "^dtls_sctp" <&4'
