#!/bin/bash
# demo.sh - two hosts hold a DTLS connection over SCTP, then two programs that know no
# DTLS have tunnels hold one. "make demo" runs it as root of a kernel with SCTP; the folder
# bin has sctp-echo, sctp-tunnel, wirecheck and sctp_darn, lib has libraries of the last.
#
#   client 10.0.0.1 eth0 ──── eth0 10.0.0.2 server
set -euo pipefail
trap 'echo "the demo failed in line $LINENO of demo.sh" >&2' ERR

title() { printf '\n== %s\n' "$1"; }
show() {
	printf '$ %s\n' "$*"
	"$@"
}
proofs=()
proved() { proofs+=("$1"); }

title "Two hosts, joined by a cable"
for host in client server; do
	show ip netns add $host
done
show ip link add eth0 netns client type veth peer name eth0 netns server
show ip -n client addr add 10.0.0.1/24 dev eth0
show ip -n server addr add 10.0.0.2/24 dev eth0
for host in client server; do
	# Whoever captures makes the kernel join larger packets, which breaks SCTP-AUTH.
	show ip -n $host link set eth0 up gso_max_size 1500
	ip -n $host link set lo up
done

title "A test CA, a certificate for each side"
show sctp-echo certs -host 10.0.0.2 certs | grep -v '^a ' # not its advice on what to type next

title "The server"
as_server=(-cert certs/server.pem -key certs/server-key.pem -ca certs/ca.pem)
as_client=(-cert certs/client.pem -key certs/client-key.pem -ca certs/ca.pem)
echo "\$ ip netns exec server sctp-echo serve ${as_server[*]} 10.0.0.2:5868 &"
mkfifo server.out
ip netns exec server sctp-echo serve "${as_server[@]}" 10.0.0.2:5868 >server.out 2>&1 &
server=$!
exec 3<server.out
read -r line <&3 # what it prints once it can be reached
echo "$line"
[[ $line == listening* ]]

# DTLS 1.2 is what RFC 6083 describes and others speak, 1.3 what two of ours agree on.
export SSLKEYLOGFILE=secrets
for version in 1.2 1.3; do
	title "The client, with DTLS $version: 12 messages on 4 streams, with the wire watched"
	: >secrets
	show ip netns exec client wirecheck -keylog secrets -pcap "$OUT/demo-$version.pcap" eth0 \
		sctp-echo connect "${as_client[@]}" -max $version -streams 4 -count 12 -size 1000 -ppid 66 10.0.0.2:5868 | tee client.out
	cp secrets "$OUT/demo-$version.keys"
	grep -q "version  *DTLS $version\$" client.out
	grep -q 'peer .*CN=sctp-echo server' client.out
	grep -q '12 sent, 12 received, 0 lost, 0 wrong' client.out
	for stream in 0 1 2 3; do grep -q "stream=$stream " client.out; done
	# The summary of wirecheck, which has failed already if it found a defect.
	grep -q 'DATA chunks authenticated under key 1: ' client.out
done
proved "with DTLS 1.2 and with 1.3, 12 messages were echoed on 4 streams, each by its stream, and the"
proved "  connection was closed cleanly"
proved "on the wire each message was one DTLS record, its DATA chunks authenticated: under key 0 in the"
proved "  handshake, then under the key exported from it, each HMAC computed again; no plaintext was seen"

title "A client without a certificate"
if show ip netns exec client sctp-echo connect -ca certs/ca.pem -count 1 10.0.0.2:5868; then
	echo "it was let in" >&2
	false
fi
proved "a client without a certificate was refused, and the server went on serving"

title "The server again, ended by a signal"
show ip netns exec client sctp-echo connect "${as_client[@]}" -count 1 10.0.0.2:5868 >/dev/null
kill -TERM $server
cat <&3 | tee server.log
wait $server
grep -q 'connected: .*peer CN=sctp-echo client' server.log
proved "both sides showed certificates and verified the other's"

title "Two programs without security, a tunnel beside each: sctp_darn of lksctp-tools"
# await FILE PATTERN waits until a line matches.
await() {
	until grep -qs -- "$2" "$1"; do sleep 0.05; done
}
darn() {
	local host=$1
	shift
	echo "\$ ip netns exec $host sctp_darn $*" >&2
	LD_LIBRARY_PATH=$PWD/lib ip netns exec "$host" sctp_darn "$@"
}
echo "\$ ip netns exec server sctp-tunnel server -listen 10.0.0.2:5869 -target 127.0.0.1:2100 -allow 'cn:sctp-echo client' ${as_server[*]} &"
ip netns exec server sctp-tunnel server -listen 10.0.0.2:5869 -target 127.0.0.1:2100 -allow 'cn:sctp-echo client' "${as_server[@]}" 2>far.log &
echo "\$ ip netns exec client sctp-tunnel client -listen 127.0.0.1:2100 -target 10.0.0.2:5869 ${as_client[*]} &"
: >secrets
ip netns exec client sctp-tunnel client -listen 127.0.0.1:2100 -target 10.0.0.2:5869 "${as_client[@]}" 2>near.log &
darn server -H 127.0.0.1 -P 2100 -l >/dev/null &
await near.log msg=listening
mkfifo typed
dial() { darn client -H 127.0.0.1 -P 2101 -h 127.0.0.1 -p 2100 -s <typed >/dev/null || true; }
export -f dial darn # which fails at the end of its input
{
	exec 4>typed
	echo 'known to nobody else' >&4
	await far.log 'association begins'
} &
show ip netns exec client wirecheck -keylog secrets -pcap "$OUT/demo-tunnel.pcap" eth0 bash -c dial | tee wire.log
await far.log 'association ends.* inMessages=1 '
grep -h 'msg="association' near.log far.log
grep -q 'DATA chunks authenticated under key 1: ' wire.log
if grep -q 'known to nobody else' "$OUT/demo-tunnel.pcap"; then
	echo "what was said can be read on the wire" >&2
	false
fi
proved "a message of sctp_darn, which knows no DTLS, went through two tunnels: on the wire it was a record"

title "This was proved, by the kernel $(uname -r)"
printf '  %s\n' "${proofs[@]}"
