# `make` lists what can be made. Each target is one command that CI runs too.
.DEFAULT_GOAL := help
.PHONY: help build static dist check deny deps test test-program test-node test-kubernetes test-aarch64 fuzz demo bench bench-node reliability clean

# One after the other even with -j: the parts share two target directories and the package manager.
.NOTPARALLEL:

STATIC  := dist/kuberescue-x86_64-linux
RELEASE := target/release/kuberescue

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## the release binary for this machine, target/release/kuberescue
	cargo build --locked --release --bin kuberescue

static: ## the static binary that is copied onto a node, dist/kuberescue-x86_64-linux
	scripts/build-static.sh x86_64

dist: ## a release in dist/: static binaries for x86_64 and aarch64, packages, man pages, SBOM, SHA256SUMS; then its tests
	scripts/dist.sh
	KUBERESCUE_DIST="$(CURDIR)/dist" cargo test --locked --test dist -- --ignored

deps: ## what the tests need on a fresh Debian 12 (as root)
	scripts/install-deps.sh

check: ## format, lints, the layers of src/, dependencies and their licences
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --all-targets -p standins -- -D warnings
	cargo test --locked --quiet --test layers
	scripts/deny.sh

deny: ## dependencies and their licences alone
	scripts/deny.sh

test: deps check static test-program ## everything, the static binary and the test node included; installs what it needs
	$(MAKE) fuzz SECONDS=2
	$(MAKE) test-node

test-program: ## the tests that need no live node
	KUBERESCUE_STATIC="$(CURDIR)/$(STATIC)" cargo test --locked

test-node: ## the live tests on nodes with a real containerd and etcd (root; scripts/testnode/README.md)
	cargo test --locked --quiet -p standins
	scripts/testnode/build
	cargo test --locked --test live_node -- --ignored --test-threads=4 --skip fleet::
	cargo test --locked --test live_node -- --ignored fleet::
	cargo test --locked --test etcd_writes -- --ignored

test-kubernetes: deps ## stories on a real Kubernetes 1.20, which is built first, once (root; scripts/kubernetes/README.md)
	scripts/kubernetes/build
	cargo test --locked --test kubernetes -- --ignored --nocapture --test-threads=6

test-aarch64: deps static ## the static binary for aarch64 under qemu, beside that for x86_64 (root, once)
	bash -c '. scripts/packages.sh && need_packages qemu-user'
	scripts/build-static.sh aarch64
	KUBERESCUE_DIST="$(CURDIR)/dist" cargo test --locked --test dist -- --ignored --exact the_other_architecture_says_and_does_the_same

SECONDS = 60
fuzz: ## each fuzz target for 60 s; SECONDS=2 for less, TARGETS="pem key" for some
	scripts/fuzz.sh $(SECONDS) $(TARGETS)

reliability: deps ## every crash point, power loss and fault in full: docs/reliability.md (an hour or more)
	KUBERESCUE_RELIABILITY=full cargo test --locked --test reliability -- --nocapture

# As the tests are built, and with them: the release build takes several times as long and shows the same.
demo: ## the main job on a copy of an expired kubeadm node: before, plan, after
	cargo test --locked --quiet --no-run --test layers
	scripts/demo.sh target/debug/kuberescue

bench: static ## measured beside openssl, kubeadm, tar and grep: docs/performance.md
	scripts/bench.sh $(STATIC)

bench-node: deps build ## measured on the test node, beside a script with openssl and ctr (root)
	scripts/bench-node.sh $(RELEASE)

clean: ## removes target/, dist/ and what the fuzz targets have made
	cargo clean
	rm -rf dist fuzz/target fuzz/corpus fuzz/artifacts
