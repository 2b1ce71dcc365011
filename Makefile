# What people type. "make help" lists it; the scripts are in netns-tests.

# Where downloads and what is built of them are kept; a Go of our own is there if
# the machine had none that is new enough.
CACHE := $(or $(DTLS_SCTP_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/dtls-sctp)
export PATH := $(CACHE)/go/bin:$(PATH):/usr/local/go/bin
# Go fetches the version that go.mod asks for.
export GOTOOLCHAIN := auto

FUZZTIME ?= 10s

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

demo: go ## show a connection between two hosts, and what it proved
	CGO_ENABLED=0 go build -o bin/ ./cmd/sctp-echo
	CGO_ENABLED=0 go -C netns-tests build -o ../bin/ ./wirecheck
	netns-tests/run -t 120 -f bin -f netns-tests/demo.sh -o bin/demo -- bash demo.sh

go:
	@netns-tests/setup go

.PHONY: help demo go
