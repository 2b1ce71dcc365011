package profile

import (
	"slices"
	"strings"
)

// A Place says where an instruction belongs: to a whole, and to a part of it.
type Place struct{ Whole, Part string }

// The wholes.
const (
	kernel    = "kernel"
	crypto    = "cryptography"
	ours      = "our packages"
	goRuntime = "Go"
	rest      = "rest"
)

// A rule assigns a place to functions whose names start with one of several words. The first
// matching rule applies.
type rule struct {
	place  Place
	begins []string
}

const module = "github.com/seed-41f70523/dtls-sctp/"

// words splits texts into words, so that tables of rules have short lines.
func words(text ...string) []string { return strings.Fields(strings.Join(text, " ")) }

var ofPrograms = []rule{
	{Place{ours, "sctpdtls"}, words(module + "sctpdtls")},
	{Place{ours, "stream"}, words(module + "stream")},
	{Place{ours, "sctpsock"}, words(module + "internal/")},
	{Place{ours, "dtlscore"}, words(module+"dtlscore", module+"authchunk")},
	{Place{rest, "driver of the bench"}, words(module+"bench", "main.")},
	{Place{crypto, "AES-GCM"}, words(
		"crypto/internal/fips140/aes crypto/internal/fips140/alias crypto/internal/fips140/subtle",
		"crypto/cipher crypto/aes crypto/subtle")},
	{Place{crypto, "public keys"}, words(
		"crypto/internal/fips140/ecdsa crypto/internal/fips140/ecdh crypto/internal/fips140/nistec",
		"crypto/internal/fips140/bigmod crypto/internal/fips140/edwards crypto/internal/fips140/mlkem",
		"crypto/ecdsa crypto/ecdh crypto/elliptic crypto/ed25519 p256 math/big")},
	{Place{crypto, "certificates"}, words(
		"crypto/x509 encoding/ golang.org/x/crypto/cryptobyte vendor/golang.org/x/crypto/cryptobyte")},
	{Place{crypto, "hashes"}, words("crypto/ hash")},
	{Place{goRuntime, "runtime"}, words(
		"runtime internal/runtime internal/abi internal/bytealg internal/chacha8rand gogo gosave _rt0",
		"callRet aeshash memeqbody cmpbody indexbytebody gcWriteBarrier debugCall")},
	{Place{goRuntime, "sync, os, poll, time"}, words(
		"internal/sync sync internal/poll os. syscall internal/syscall golang.org/x/sys time. context.")},
	{Place{rest, "other packages"}, []string{""}},
}

// The kernel's functions are those of Linux 6.1.
var ofKernel = []rule{
	{Place{kernel, "HMAC"}, words("sha1 sha256 __sha1 __sha256 crypto_ shash hmac")},
	{Place{kernel, "system calls, sockets, epoll"}, words(
		"entry_SYSCALL do_syscall_64 syscall_ exit_to_user __x64_sys x64_sys ep_ epoll do_epoll",
		"eventpoll sock_ lock_sock release_sock __sys_ ___sys ____sys sys_ inet_ security_ apparmor aa_",
		"sockfd_ __fdget __fget fput fget move_addr copy_msghdr import_ __import_ iov put_cmsg msg",
		"datagram_poll vfs_ ksys do_vfs poll futex do_futex hash_futex __get_user __put_user do_recv")},
	{Place{kernel, "memory, copying"}, words(
		"kmalloc __kmalloc kfree kmem_cache __kmem_cache slab ___slab __slab memcg obj_cgroup refill",
		"drain page __alloc_pages free_unref rmqueue get_page clear_page alloc_ __free mod_objcg",
		"copy_user copy_from copy_to _copy memcpy memset memmove __memcpy __memset __check check_obj",
		"check_stack check_heap clear_user mem_cgroup get_mem try_charge cache_ ksize __ksize",
		"do_anonymous handle_mm __handle_mm exc_page asm_exc_page do_user_addr lru_ folio mt_find mas_",
		"vma_ find_vma unmap zap tlb flush_tlb mm_ mmap do_mmap __virt_addr_valid __genradix")},
	{Place{kernel, "network"}, words(
		"skb __skb kfree_skb consume_skb __alloc_skb __build_skb alloc_skb dev_ __dev_ netif __netif",
		"veth ip_ __ip_ ipv4 fib_ dst_ rt_ napi __napi net_rx net_tx neigh nf_ qdisc csum __csum do_csum",
		"eth_ process_backlog validate_xmit enqueue_to_backlog rps udp __local_bh crc32")},
	{Place{kernel, "scheduler, timers, rest"}, []string{""}},
}

func (s symbol) place() Place {
	rules := ofPrograms
	switch {
	case s.name == "":
		return Place{rest, "other programs"}
	case s.module == "":
	case s.module == "sctp":
		return Place{kernel, "SCTP"}
	case strings.Contains(s.module, "sha"), strings.Contains(s.module, "hmac"):
		return Place{kernel, "HMAC"}
	case s.module == "veth", strings.Contains(s.module, "crc32"):
		return Place{kernel, "network"}
	default:
		rules = ofKernel
	}
	for _, r := range rules {
		begins := func(word string) bool { return strings.HasPrefix(s.name, word) }
		if slices.ContainsFunc(r.begins, begins) {
			return r.place
		}
	}
	panic("the last rule of each list matches all")
}
