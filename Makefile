# What a person types. Build output, tools, images and packages live outside the checkout, in MUSTER_CACHE.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

ifeq ($(shell id -u),0)
MUSTER_CACHE ?= /var/cache/muster
else
MUSTER_CACHE ?= $(HOME)/.cache/muster
endif
export MUSTER_CACHE
export CARGO_TARGET_DIR ?= $(MUSTER_CACHE)/target
export npm_config_cache ?= $(MUSTER_CACHE)/npm
export PATH := $(MUSTER_CACHE)/tools/node/node_modules/.bin:$(MUSTER_CACHE)/tools/bin:$(HOME)/.cargo/bin:$(PATH)

deps = installers/dev/deps.sh
scripts = $(shell git ls-files '*.sh' tests/fuzz/run 'installers/deb/*/DEBIAN/p*' .ci/run)

.PHONY: help
help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20
	@echo "  Everything is kept in $(MUSTER_CACHE); delete it to start cold."

.PHONY: deps
deps: ## install everything that any target needs (Debian 12, root)
	@$(deps) build dashboard deb devices test

.PHONY: demo
demo: ## three real devices enroll and converge; stays up until Ctrl-C (ONCE=1: verify and end)
	@$(deps) build dashboard deb devices
	@$(MAKE) --no-print-directory deb image
	@echo "demo: compiling what leads through it" >&2
	@cargo build --quiet --locked -p muster-tests --bin demo
	@exec "$(CARGO_TARGET_DIR)/debug/demo" $(if $(filter 1,$(ONCE)),--once)

.PHONY: test
test: ## lint and all tests, on real devices too (root)
	@$(deps) build dashboard deb devices test
	@$(MAKE) --no-print-directory lint deb image
	npm --prefix server/dashboard run --silent test
	npm --prefix tests/browser ci --silent --prefer-offline --no-audit --no-fund
	cargo nextest run --locked --workspace
	installers/dev/openapi.sh
	tests/fuzz/run 5

.PHONY: bench-converge
bench-converge: ## convergence against CFEngine and Salt on one device (root, about 15 minutes)
	@$(deps) build dashboard deb devices test
	@$(MAKE) --no-print-directory deb image
	@tests/bench/peers.sh
	@cargo build --quiet --locked -p muster-tests --bin bench
	@exec "$(CARGO_TARGET_DIR)/debug/bench" converge

.PHONY: bench-idle
bench-idle: ## what the idle agent costs in ten minutes (root; WORST=1: an hour of the worst case)
	@$(deps) build dashboard deb devices test
	@$(MAKE) --no-print-directory deb image
	@cargo build --quiet --locked -p muster-tests --bin bench
	@exec "$(CARGO_TARGET_DIR)/debug/bench" idle $(if $(filter 1,$(WORST)),--worst)

.PHONY: bench-scale
bench-scale: dashboard ## lists, counts and pages of a fleet of 10,000, at the server and in Chromium (about 15 minutes)
	@$(deps) build test
	npm --prefix tests/browser ci --silent --prefer-offline --no-audit --no-fund
	cargo nextest run --locked --workspace --test scale --cargo-profile scale --run-ignored all --no-capture

.PHONY: lint
lint: dashboard ## formatting, clippy, licences, shell scripts
	@$(deps) build test
	cargo fmt --all --check
	cargo fmt --manifest-path tests/fuzz/Cargo.toml --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --quiet --locked --manifest-path tests/fuzz/Cargo.toml --all-targets -- -D warnings
	cargo deny --log-level error check bans licenses sources
	npm --prefix server/dashboard run --silent lint
	shellcheck $(scripts)

.PHONY: deb
deb: dashboard ## the packages of agent and server
	@$(deps) build deb
	@installers/deb/build.sh

.PHONY: dashboard
dashboard: ## the dashboard that muster-server embeds
	@$(deps) dashboard
	@installers/dev/dashboard.sh

.PHONY: image
image: ## the root file system and the repositories of test devices
	@$(deps) devices
	@tests/image/build.sh
