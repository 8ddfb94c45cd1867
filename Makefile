# `make help` lists the targets. Every target that needs a tool checks first that the machine has it.

CARGO ?= cargo

.DEFAULT_GOAL := build
.PHONY: all build demo test audit fmt clean help libtorch machine

all: build

build: libtorch ## fetch libtorch once, then build everything for production
	$(CARGO) build --release --locked --workspace

demo: libtorch ## five banks train one credit model under masks, on this machine
	$(CARGO) build --release --locked --bins -p veilsum-coordinator -p veilsum-client -p veilsum-auditor -p veilsum-examples
	target/release/veilsum-demo

test: machine ## everything that the continuous integration checks
	scripts/test-all

audit: machine ## known vulnerabilities and unmaintained crates; needs the network
	scripts/cargo-deny check advisories

fmt: ## format the code in place
	$(CARGO) fmt --all

clean: ## remove what was built; libtorch stays in its cache
	$(CARGO) clean

libtorch: machine
	scripts/setup-libtorch

machine:
	scripts/check-machine

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
