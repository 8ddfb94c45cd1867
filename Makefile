# `make help` lists the targets. Every target that needs a tool checks first that the machine has it.

CARGO ?= cargo

.DEFAULT_GOAL := build
.PHONY: all build dist demo demo-credit demo-scorecard demo-fraud demo-market demo-market-direction demo-messages demo-documents test lies soak abuse fuzz load bench bench-log bench-serving bench-training audit fmt clean help libtorch machine

all: build

build: libtorch ## fetch libtorch once, then build everything for production
	$(CARGO) build --release --locked --workspace

dist: libtorch ## tarballs of the three programs to install, libtorch beside the client, into dist/
	scripts/dist

demo: libtorch ## five banks train one credit model under masks, on this machine
	$(CARGO) build --release --locked --bins -p veilsum-coordinator -p veilsum-client -p veilsum-auditor -p veilsum-examples
	target/release/veilsum-demo

# The other examples, one command each: demo-scorecard, demo-fraud, demo-market, demo-market-direction, demo-messages, demo-documents.
demo-credit demo-scorecard demo-fraud demo-market demo-market-direction demo-messages demo-documents: demo-%: libtorch ## the same with another model or data: scorecard, fraud, market, messages, documents
	$(CARGO) build --release --locked --bins -p veilsum-coordinator -p veilsum-client -p veilsum-auditor -p veilsum-examples
	target/release/veilsum-demo $* --dir target/demo-$*

test: machine ## everything that the continuous integration checks
	scripts/test-all

lies: libtorch ## a coordinator that lies to five banks, and what they say
	$(CARGO) run --release --locked --quiet -p veilsum-examples --bin veilsum-lying-coordinator

SEEDS ?= 2000..50000
soak: machine ## random rounds with faults and liars for as many seeds as SEEDS says
	VEILSUM_SEEDS=$(SEEDS) $(CARGO) test --release --locked -p veilsum-protocol --test rounds random_rounds -- --nocapture

MUTATIONS ?= 10000000
abuse: machine ## good bytes made bad, MUTATIONS times, through every decoder of the protocol
	VEILSUM_MUTATIONS=$(MUTATIONS) $(CARGO) test --profile abuse --locked -p veilsum-protocol --test hostile -- --nocapture

FUZZ_SECONDS ?= 600
fuzz: machine ## fuzzers that learn which bytes lead further, FUZZ_SECONDS each
	scripts/fuzz $(FUZZ_SECONDS)

load: libtorch ## a hundred banks as real processes that drop out all the time, then idle connections; 24 GiB, an hour
	$(CARGO) build --release --locked --bins -p veilsum-coordinator -p veilsum-client -p veilsum-auditor -p veilsum-examples
	target/release/veilsum-load rounds
	target/release/veilsum-load idle

bench: libtorch ## what a round costs, against what the machine allows, into docs/performance.md; a quiet machine, forty minutes
	scripts/bench

bench-log: machine ## what the log and its audit cost, against what disk and processor allow; a quiet machine, ten minutes
	scripts/bench-log

bench-serving: libtorch ## what serving costs, beside MLServer and FastAPI, into docs/performance.md; fetches those once (2.5 GB); a quiet machine, ten minutes
	scripts/bench-serving

bench-training: libtorch ## a bank's training beside the same training in PyTorch; fetches that once (2.4 GB); ten minutes
	$(CARGO) bench --quiet --locked -p veilsum-client --bench training

audit: machine ## known vulnerabilities and unmaintained crates; needs the network
	scripts/cargo-deny check advisories

fmt: ## format the code in place
	$(CARGO) fmt --all
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml

clean: ## remove what was built; libtorch stays in its cache
	$(CARGO) clean
	$(CARGO) clean --manifest-path fuzz/Cargo.toml

libtorch: machine
	scripts/setup-libtorch

machine:
	scripts/check-machine

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
