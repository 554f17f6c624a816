# Cost Rhythm. `make help` lists the targets.
SHELL := /bin/bash
CARGO ?= cargo

.DEFAULT_GOAL := help

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps: ## install what building and running needs (Debian packages, the embedded engine)
	@scripts/install-deps.sh build engine
	@scripts/install-engine.sh >/dev/null

deps-kafka: ## install Apache Kafka and the schema registry for tests and local use
	@scripts/install-deps.sh kafka
	@scripts/kafka.sh install

demo: deps ## the whole pipeline on embedded parts, fed with real traces
	$(CARGO) run --profile demo --locked -- demo

deps-s3: ## install the S3 server for tests
	@scripts/s3.sh install

deps-browser: ## install Chromium for the tests of the page
	@scripts/install-deps.sh browser

deps-examples: ## the Python packages of the examples, which the tests run
	@scripts/python.sh examples/requirements.txt -c ""

deps-prometheus: ## install Prometheus and Alertmanager for tests; their services stay down
	@scripts/install-deps.sh prometheus

test: deps deps-kafka deps-s3 deps-examples deps-browser deps-prometheus ## format, lints, tests, docs: all that CI runs
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) test --locked --workspace
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --quiet
	@scripts/check-stack.sh

lint: ## format and lints only
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

bench: deps deps-kafka ## the figures of the README (half an hour, 10 GB of disk for a while)
	$(CARGO) bench --locked -p ingest --bench decode
	$(CARGO) bench --locked -p processor --bench fold
	$(CARGO) bench --locked -p runtime --bench identities
	$(CARGO) bench --locked -p runtime --bench recovery
	$(CARGO) bench --locked -p cost-rhythm --bench pipeline
	$(CARGO) bench --locked -p cost-rhythm --bench latency

CHAOS_KILLS ?= 100
CHAOS_RATE ?= 10000
CHAOS_SEED ?= 1
CHAOS_STATE ?= directory
SEEDS ?= 1000
FROM ?= 0
simulate: deps ## the pipeline over simulated servers with seeded faults: SEEDS=1000 FROM=0
	$(CARGO) run --release --locked -p simulate -- --seeds $(SEEDS) --from $(FROM)

chaos: deps deps-kafka ## real servers killed, stopped, cut off, out of disk: CHAOS_KILLS=100 CHAOS_RATE=10000 CHAOS_SEED=1 CHAOS_STATE=directory or bucket
	CHAOS_KILLS=$(CHAOS_KILLS) CHAOS_RATE=$(CHAOS_RATE) CHAOS_SEED=$(CHAOS_SEED) CHAOS_STATE=$(CHAOS_STATE) $(CARGO) test --release --locked -p cost-rhythm --test chaos -- --nocapture

SHUTDOWNS ?= 1000
shutdown: deps deps-kafka ## the service told to end at seeded moments under load: SHUTDOWNS=1000
	SHUTDOWNS=$(SHUTDOWNS) $(CARGO) test --release --locked -p cost-rhythm --test shutdown -- --nocapture

DATA ?=
score-nab: ## the spike detector on the Numenta Anomaly Benchmark: DATA=folder of its form
	@$(CARGO) run --quiet --release --locked -p score --bin score-nab -- $(or $(DATA),data/nab)

score-spend: ## the spike detector and its rivals on real spend with injected trouble: DATA=folder with servegen_hourly_spend.csv.gz
	@$(CARGO) run --quiet --release --locked -p score --bin score-spend -- $(or $(DATA),data/servegen)

plots: ## score both anew and draw docs/detection (minutes)
	@$(CARGO) run --quiet --release --locked -p score --bin score-nab -- data/nab docs/detection/nab.tsv
	@$(CARGO) run --quiet --release --locked -p score --bin score-spend -- data/servegen 1 docs/detection/spend.tsv
	@$(CARGO) run --quiet --release --locked -p score --bin plots -- docs/detection data/servegen

fuzz: deps ## fuzz what reads the bytes of others: FUZZ_SECONDS=600 for each target
	@scripts/fuzz.sh

deny: ## licences and sources of all dependencies; with ADVISORIES=1 known faults as well, whose list is fetched
	@command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny
	$(CARGO) deny --locked check licenses bans sources $(if $(ADVISORIES),advisories)

kafka-up: deps-kafka ## start Apache Kafka and the schema registry on loopback
	@scripts/kafka.sh up --registry

kafka-down: ## stop them
	@scripts/kafka.sh down

.PHONY: help deps deps-kafka deps-s3 deps-browser deps-prometheus demo test lint bench simulate chaos shutdown score-nab score-spend plots fuzz deny kafka-up kafka-down
