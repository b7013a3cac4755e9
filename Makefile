# klamm's commands. `make` alone lists them.

# Every recipe is one bash script that stops at its first error.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

# SOAK and GARBAGE are how long `make soak` and `make garbage` run, KILLS is how many kills `make compaction` makes,
# LINES how many lines `make million` sends, and FUZZTIME how long each fuzz target runs.
SOAK ?= 30m
GARBAGE ?= 30m
KILLS ?= 100
# CRASHES is how often `make delivery` kills consumers in each of its tests.
CRASHES ?= 30
LINES ?= 1000000
FUZZTIME ?= 10s
# CHAOS is how long `make chaos` does faults to clusters.
CHAOS ?= 1h
# SIM is how long `make sim` takes new seeds.
SIM ?= 10m
# BENCH holds flags of `make bench`, such as BENCH='-loads big,small -brokers klamm,limit -json figures.json'.
BENCH ?=
# SCALE holds flags of `make scale`, such as SCALE='-only failover -round-trip 250us -times 3'.
SCALE ?=

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## start a broker on 127.0.0.1:9092 with its data in ./klamm-data
	@exec go run ./cmd/klamm

.PHONY: cluster
cluster: tools build ## start ZooKeeper and three brokers on 127.0.0.1:9092, 9093 and 9094 with their data in ./klamm-cluster
	@exec compat-tests/reference/cluster.sh

.PHONY: build
build: ## build/bin/klamm: one static binary that needs nothing else
	@exec deploy/build.sh "$$(go env GOOS)" "$$(go env GOARCH)" build/bin/klamm

.PHONY: release
release: ## build/release: klamm for linux (amd64, arm64) and darwin, with checksums; the same commit gives the same bytes
	@exec deploy/release.sh

.PHONY: deb
deb: ## build/deb: klamm's Debian package for this machine's architecture, or for that in ARCH
	@exec deploy/deb.sh $(ARCH)

.PHONY: image
image: ## build/image: klamm's image for containers, for this machine's architecture, or for those in ARCH ("amd64 arm64")
	@exec deploy/image.sh $(ARCH)

.PHONY: test
test: tools ## get the tools, then run every test: klamm's own, black box against klamm, the same against Apache Kafka
	@exec .ci/test

.PHONY: compat
compat: tools ## run the black-box tests alone, against klamm and against Apache Kafka
	@exec .ci/test black-box

.PHONY: lint
lint: ## run gofmt, go vet and staticcheck
	@exec .ci/lint

.PHONY: race
race: tools ## run the tests under the race detector, against a broker that is built with it too
	@exec .ci/test race

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME (10s)
	@exec .ci/fuzz $(FUZZTIME)

.PHONY: bench
bench: tools ## klamm, Apache Kafka 3.9.2 and 4.4.0 and a limit under every load; BENCH holds flags, docs/performance.md explains
	@mkdir -p build/bin
	go build -o build/bin/bench ./bench # and not `go run`, which does not pass SIGTERM on
	exec build/bin/bench $(BENCH)

.PHONY: scale
scale: ## measure failover, death, reassignment and Metadata with 200,000 partitions, a quarter and a sixteenth; SCALE holds flags, docs/performance.md explains
	@exec go test -count=1 -v -timeout 0 -run '^TestScale$$' ./broker/scale -args -partitions 200000 -clients 1000 $(SCALE)

.PHONY: soak
soak: tools ## run mixed work with retention and 50 kill -9s for SOAK (30m), then DumpLogSegments over every segment
	@exec go test -count=1 -v -timeout 0 -run '^TestSoak$$' ./compat-tests/durability -args -soak=$(SOAK)

.PHONY: compaction
compaction: tools ## kill the broker KILLS (100) times amid a compaction, and read the latest value of every key after each kill
	@exec go test -count=1 -v -timeout 0 -run '^TestKill9AmidCompaction$$' ./compat-tests/compaction -args -kills=$(KILLS)

.PHONY: delivery
delivery: tools ## test "at most once" and "at least once" through CRASHES (30) kills and lost requests; print what was lost and doubled
	@exec go test -count=1 -v -timeout 0 ./compat-tests/delivery -args -crashes=$(CRASHES)

.PHONY: migrate
migrate: tools ## take a cluster of three Apache brokers over and give it back, as docs/migration.md says, under load and with kills
	@exec go test -count=1 -v -timeout 0 -run '^TestRoll$$' ./compat-tests/cluster -args -roll

.PHONY: chaos
chaos: tools ## do faults at random to clusters of klamm and Apache Kafka under load for CHAOS (1h); print the longest pause by kind of fault
	@exec go test -count=1 -v -timeout 0 -run '^TestChaos$$' ./compat-tests/cluster -args -chaos=$(CHAOS)

.PHONY: garbage
garbage: ## run normal clients beside a hundred connections that send garbage for GARBAGE (30m)
	@exec go test -count=1 -v -timeout 0 ./compat-tests/garbage -args -garbage=$(GARBAGE)

.PHONY: sim
sim: ## simulate clusters with faults for SIM (10m), a seed after the other on each core; print the seeds an hour, and the history of a failure
	@exec go test -count=1 -timeout 0 -v -run '^TestSeeds$$' ./broker/sim -args -for=$(SIM)

.PHONY: mutants
mutants: ## put known bugs into klamm one at a time, and see that the simulation finds each (some minutes)
	@exec go test -count=1 -timeout 0 -v -tags mutants -run '^TestMutants$$' ./broker/sim

.PHONY: hostile
hostile: ## run the tests with hostile bytes, full disks and failing directories, on real file systems and on doubles (some minutes)
	@failed=0
	go test -count=1 -p 1 -timeout 15m ./compat-tests/garbage ./compat-tests/disk || failed=1
	go test -count=1 -timeout 10m -run 'Hostile|Garbage|Fault|Full|Fail|Offline|Unread|Idle' ./broker/... ./server/... ./logstore/... ./cluster/... || failed=1
	exit $$failed

.PHONY: million
million: tools ## send LINES (1000000) lines of text in each codec: kcat and Java produce, franz-go, kcat and Java consume
	@exec go test -count=1 -v -timeout 0 ./compat-tests/million -args -lines=$(LINES)

.PHONY: docs
docs: ## write the documentation that comes from tables in the code
	@exec go generate ./...

.PHONY: tools
tools: ## get a JRE, Maven, kcat, Apache Kafka's jars and the clients of Python, Node.js and Go where they are missing
	@exec compat-tests/reference/tools.sh
