# "make help" lists the targets. go, scripts/ and netns-tests/ do the work.

# The cache for downloads and what is built of them, including a Go toolchain if the
# machine has none that is new enough.
CACHE := $(or $(DTLS_SCTP_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/dtls-sctp)
export PATH := $(CACHE)/go/bin:$(PATH):/usr/local/go/bin
# Go fetches the version that go.mod asks for.
export GOTOOLCHAIN := auto

FUZZTIME ?= 10s

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

demo: go ## a connection inside UDP, one between two hosts, and tunnels between two programs
	CGO_ENABLED=0 go -C cmd build -o ../bin/ ./sctp-echo ./sctp-tunnel
	scripts/demo
	CGO_ENABLED=0 go -C netns-tests build -o ../bin/ ./wirecheck
	daemons=$$(netns-tests/daemons) && netns-tests/run -t 120 -f bin/sctp-echo:bin/sctp-echo \
		-f bin/sctp-tunnel:bin/sctp-tunnel -f bin/wirecheck:bin/wirecheck \
		-f $$daemons/bin/sctp_darn:bin/sctp_darn -f $$daemons/lib/libsctp.so.1:lib/libsctp.so.1 \
		-f netns-tests/demo.sh -o bin/demo -- bash demo.sh

test: go ## all tests; ends with "N passed, N failed"
	scripts/test

test-fast: go ## the tests that need no kernel with SCTP, with the race detector
	scripts/test host

check: go ## formatting, vet, staticcheck, known vulnerabilities, scripts
	scripts/check

netns: go ## the tests that need a kernel with SCTP, on this machine or in a virtual one
	scripts/test kernel users tunnel netns

load: go ## 10,000 associations, floods, slow readers, a million messages with key changes; updates docs/testing.md
	scripts/load many flood slow messages

interop: go ## tests with OpenSSL as the peer; builds it with SCTP the first time
	scripts/test interop

model: ## check rekeying and closing with the model checker spin
	scripts/model full

storm: go ## minutes of traffic with loss, failing paths and new keys; handshakes with OpenSSL at 5 % loss
	netns-tests/kernel-test -t 1800 netns-tests -test.v -test.run 'Storm|UnderLoss|E12Many' -storm 60s -handshakes 500 -associations 1000

soak: go ## half an hour of traffic with memory samples (docs/soak.svg); a day of key changes on a fake clock
	go test ./sctpdtls -run DayOfRekeys -day 24h -timeout 30m -v
	scripts/load soak

faults: go ## each fault of the network, the machine and the peer, with both versions; prints a table
	netns-tests/kernel-test -t 1200 netns-tests -test.v -test.run Faults -faults -fault 1500ms

fuzz: go ## each fuzz target for FUZZTIME (10s)
	scripts/fuzz $(FUZZTIME)

fuzz-nightly: go ## each fuzz target for ten minutes
	scripts/fuzz 10m

bench: go ## all benchmarks, with OpenSSL and others for comparison; writes docs/performance.md and docs/bench
	bench/run

bench-check: go ## compare with the baseline; fails if a ratio is worse
	bench/run check

go:
	@netns-tests/setup go

.PHONY: help demo test test-fast check netns load interop storm soak faults model fuzz fuzz-nightly bench bench-check go
