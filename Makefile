# Simple Chat: everything that is done with it is one target here. `make help` lists them.
#
# What they do lives in scripts/, a file each; this file only says what needs what.

.DEFAULT_GOAL := help
.PHONY: help run tour test test-rust test-window bench bench-transfer bench-chat fuzz lint lint-peers format packages

help: ## say what there is to do
	@echo "make TARGET, where TARGET is one of"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

run: packages ## start the server on ServerFiles/ and open the window on it
	@scripts/run.sh

tour: packages ## what `make run` does without a display: two people use the real windows
	@scripts/tour.sh

test: packages ## run every test, the window's too
	@scripts/test.sh

test-rust: packages ## only what cargo tests
	cargo test --workspace

test-window: packages ## only the tests of the window; ONLY=name picks some of them
	cargo build --workspace
	scripts/headless-session.sh /usr/bin/python3 tests/ui $(ONLY)

bench: packages ## measure speed and memory on this machine
	cargo build --release --workspace
	cargo run --release -p bench -- all

bench-transfer: packages ## compare transfers with other programs; PARTS="loopback --quick" picks some
	@scripts/bench-transfer.sh $(PARTS)

bench-chat: packages ## compare the chat with other servers; PARTS="fan-out --quick" picks some
	@scripts/bench-chat.sh $(PARTS)

fuzz: ## feed input of all kinds to the parsers; FUZZ_SECONDS=60 for each target, FUZZ_TARGETS=name picks
	@scripts/fuzz.sh

lint: packages ## formatting, clippy, and what is in packaging/
	@scripts/lint.sh

lint-peers: packages ## clippy on the programs that bench-transfer compares with: minutes
	CARGO_TARGET_DIR=$(CURDIR)/target/peers cargo clippy --release --locked \
		--manifest-path crates/bench/peers/Cargo.toml -- --deny warnings

format: ## format the Rust code
	cargo fmt --all
	cargo fmt --all --manifest-path crates/bench/peers/Cargo.toml

packages:
	@scripts/install-packages.sh
