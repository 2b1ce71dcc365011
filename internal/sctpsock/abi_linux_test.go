package sctpsock

import (
	"encoding/binary"
	"os"
	"regexp"
	"strconv"
	"testing"
	"unsafe"
)

// TestLayouts compares sizes and offsets with those that a C compiler gives the
// structures of linux/sctp.h.
func TestLayouts(t *testing.T) {
	const word = unsafe.Sizeof(uintptr(0))
	tests := []struct {
		name      string
		got, want uintptr
	}{
		{"sctp_sndinfo", unsafe.Sizeof(sndInfo{}), 16},
		{"snd_ppid", unsafe.Offsetof(sndInfo{}.PPID), 4},
		{"snd_context", unsafe.Offsetof(sndInfo{}.Context), 8},
		{"sctp_rcvinfo", unsafe.Sizeof(rcvInfo{}), 28},
		{"rcv_flags", unsafe.Offsetof(rcvInfo{}.Flags), 4},
		{"rcv_ppid", unsafe.Offsetof(rcvInfo{}.PPID), 8},
		{"rcv_tsn", unsafe.Offsetof(rcvInfo{}.TSN), 12},
		{"sctp_prinfo", unsafe.Sizeof(prInfo{}), 8},
		{"pr_value", unsafe.Offsetof(prInfo{}.Value), 4},
		{"sctp_rtoinfo", unsafe.Sizeof(rtoInfo{}), 16},
		{"srto_max", unsafe.Offsetof(rtoInfo{}.Max), 8},
		{"srto_min", unsafe.Offsetof(rtoInfo{}.Min), 12},
		{"sctp_assocparams", unsafe.Sizeof(assocParams{}), 20},
		{"sasoc_asocmaxrxt", unsafe.Offsetof(assocParams{}.MaxRetrans), 4},
		{"sctp_initmsg", unsafe.Sizeof(initMsg{}), 8},
		{"sctp_sack_info", unsafe.Sizeof(sackInfo{}), 12},
		{"sack_freq", unsafe.Offsetof(sackInfo{}.Freq), 8},
		{"sctp_paddrparams", unsafe.Sizeof(peerAddrParams{}), 156},
		{"spp_hbinterval", unsafe.Offsetof(peerAddrParams{}.HeartbeatInterval), 132},
		{"spp_pathmaxrxt", unsafe.Offsetof(peerAddrParams{}.PathMaxRetrans), 136},
		{"spp_flags", unsafe.Offsetof(peerAddrParams{}.Flags), 146},
		{"sctp_status", unsafe.Sizeof(assocStatus{}), 176},
		{"sstat_instrms", unsafe.Offsetof(assocStatus{}.InStreams), 16},
		{"sstat_outstrms", unsafe.Offsetof(assocStatus{}.OutStreams), 18},
		{"sstat_primary", unsafe.Offsetof(assocStatus{}.Primary), 24},
		{"sstat_primary.spinfo_srtt", unsafe.Offsetof(peerAddrInfo{}.SRTT), 140},
		{"sctp_paddrinfo", unsafe.Sizeof(peerAddrInfo{}), 152},
		{"spinfo_state", unsafe.Offsetof(peerAddrInfo{}.State), 132},
		{"sctp_assoc_stats from sas_maxrto", unsafe.Sizeof(assocStats{}), 15 * 8},
		{"sas_rtxchunks - sas_maxrto", unsafe.Offsetof(assocStats{}.Retransmitted), 40},
		{"sctp_prim", unsafe.Sizeof(primaryAddr{}), 132},
		{"sctp_stream_value", unsafe.Sizeof(streamValue{}), 8},
		{"sctp_assoc_value", unsafe.Sizeof(assocValue{}), 8},
		{"sctp_event", unsafe.Sizeof(eventSubscription{}), 8},
		{"se_type", unsafe.Offsetof(eventSubscription{}.Type), 4},
		{"se_on", unsafe.Offsetof(eventSubscription{}.On), 6},
		{"sctp_authkeyid", unsafe.Sizeof(authKeyID{}), 8},
		{"gauth_chunks", unsafe.Offsetof(authChunks{}.Types), 8},
		{"sctp_getaddrs.addrs", unsafe.Offsetof(addrList{}.Addrs), 8},
		{"sctp_getaddrs_old", unsafe.Sizeof(connectx{}), 8 + word},

		// A control message begins where the kernel looks for it.
		{"second control message", unsafe.Offsetof(sendControl{}.prHdr),
			unsafe.Sizeof(sendControl{}.sndHdr) + 16},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s is %d, want %d", tt.name, tt.got, tt.want)
		}
	}
}

// TestKernelLayouts compares the structures that depend on the kernel's processor with what a C
// compiler makes of them for each kind: one of 64 bits, one of 32 bits as 386, whose 64-bit numbers
// are aligned to four bytes, and one of 32 bits as arm and mips, where they are aligned to eight.
func TestKernelLayouts(t *testing.T) {
	for _, tt := range []struct {
		kind               string
		stats, maxRTO      int // size of sctp_assoc_stats, offset of sas_maxrto
		encaps, addr, port int // size of sctp_udpencaps, offsets of sue_address and sue_port
	}{
		{"64 bits", 256, 136, 144, 8, 136},
		{"386", 252, 132, 136, 4, 132},
		{"arm, mips", 256, 136, 136, 4, 132},
	} {
		b := make([]byte, tt.stats)
		binary.NativeEndian.PutUint64(b[tt.maxRTO:], 1<<40)
		binary.NativeEndian.PutUint64(b[tt.maxRTO+5*8:], 5)
		binary.NativeEndian.PutUint64(b[tt.maxRTO+14*8:], 14)
		var s assocStats
		if err := s.parse(b); err != nil || s != (assocStats{MaxRTO: 1 << 40, Retransmitted: 5,
			InControl: 14}) {
			t.Errorf("%s: sctp_assoc_stats read as %+v, error %v", tt.kind, s, err)
		}
		u := udpEncaps(make([]byte, tt.encaps))
		u.address()[0], u.port()[0] = 'a', 'p'
		if len(u.address()) != 128 || u[tt.addr] != 'a' || u[tt.port] != 'p' {
			t.Errorf("%s: the fields of sctp_udpencaps are elsewhere", tt.kind)
		}
	}
	if err := new(assocStats).parse(make([]byte, 64)); err == nil {
		t.Error("no error for a structure that is too short")
	}
}

// TestOptionNumbers compares the numbers with the kernel's header, as far as there is
// one on this machine: an old one lacks the newest.
func TestOptionNumbers(t *testing.T) {
	header, err := os.ReadFile("/usr/include/linux/sctp.h")
	if err != nil {
		t.Logf("nothing to compare with: %v", err)
	}
	numbers := make(map[string]int)
	define := regexp.MustCompile(`(?m)^#define\s+(SCTP_\w+)\s+(\d+)\b`)
	for _, m := range define.FindAllStringSubmatch(string(header), -1) {
		numbers[m[1]], _ = strconv.Atoi(m[2])
	}
	for name, got := range map[string]int{
		"SCTP_RTOINFO":                  optRTOInfo,
		"SCTP_ASSOCINFO":                optAssocInfo,
		"SCTP_INITMSG":                  optInitMsg,
		"SCTP_NODELAY":                  optNoDelay,
		"SCTP_PEER_ADDR_PARAMS":         optPeerAddrParams,
		"SCTP_STATUS":                   optStatus,
		"SCTP_PRIMARY_ADDR":             optPrimaryAddr,
		"SCTP_EVENTS":                   optEvents,
		"SCTP_GET_PEER_ADDR_INFO":       optPeerAddrInfo,
		"SCTP_SOCKOPT_BINDX_REM":        optBindxRemove,
		"SCTP_GET_ASSOC_STATS":          optAssocStats,
		"SCTP_STREAM_SCHEDULER":         optStreamScheduler,
		"SCTP_STREAM_SCHEDULER_VALUE":   optStreamSchedulerValue,
		"SCTP_ASCONF_SUPPORTED":         optASCONFSupported,
		"SCTP_DELAYED_ACK_TIME":         optDelayedSACK,
		"SCTP_FRAGMENT_INTERLEAVE":      optFragmentInterleave,
		"SCTP_PARTIAL_DELIVERY_POINT":   optPartialDeliveryPoint,
		"SCTP_AUTH_CHUNK":               optAuthChunk,
		"SCTP_HMAC_IDENT":               optHMACIdent,
		"SCTP_AUTH_KEY":                 optAuthKey,
		"SCTP_AUTH_ACTIVE_KEY":          optAuthActiveKey,
		"SCTP_AUTH_DELETE_KEY":          optAuthDeleteKey,
		"SCTP_PEER_AUTH_CHUNKS":         optPeerAuthChunks,
		"SCTP_LOCAL_AUTH_CHUNKS":        optLocalAuthChunks,
		"SCTP_RECVRCVINFO":              optRecvRcvInfo,
		"SCTP_SOCKOPT_BINDX_ADD":        optBindxAdd,
		"SCTP_GET_PEER_ADDRS":           optGetPeerAddrs,
		"SCTP_GET_LOCAL_ADDRS":          optGetLocalAddrs,
		"SCTP_SOCKOPT_CONNECTX3":        optConnectx3,
		"SCTP_PR_SUPPORTED":             optPRSupported,
		"SCTP_INTERLEAVING_SUPPORTED":   optInterleavingSupported,
		"SCTP_EVENT":                    optEvent,
		"SCTP_AUTH_SUPPORTED":           optAuthSupported,
		"SCTP_REMOTE_UDP_ENCAPS_PORT":   optUDPEncapsPort,
		"SCTP_PARTIAL_DELIVERY_ABORTED": partialDeliveryAborted,
	} {
		if want, ok := numbers[name]; ok && got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
}

func (u udpEncaps) address() []byte { return u[u.pointer():][:128] }
