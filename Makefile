export CGO_ENABLED = 0
FUZZTIME ?= 60s
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo development)
PGO_DATA ?= data/sf1
BENCH_DATA ?= data
BENCH = bin/millrace bench run

.PHONY: wasm build test gen lint slow metamorphic memory leaks sim netns race fuzz peers peers-spark bench chaos pgo cluster-demo clean

build:
	go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/millrace ./cmd/millrace

test:
	go test ./...

gen:
	go generate ./functions

lint:
	test -z "$$(gofmt -l .)"
	go vet ./...

slow: metamorphic memory
	MILLRACE_SLOW=1 go test -timeout 20m ./bench/...
	MILLRACE_SLOW=1 go test -timeout 20m -run SpillLarge .
	MILLRACE_SLOW=1 go test -timeout 30m -run FlippedBits ./shuffle/file
	MILLRACE_SLOW=1 go test -timeout 10m -v -run FetchSpread ./artifacts

metamorphic:
	MILLRACE_SLOW=1 go test -timeout 30m -run Metamorphic .

# Random budgets, faults of the disk, 24 queries at once, a thousand jobs, many
# million operations on blocks. What is random logs its seed; MILLRACE_SEED=… and
# -seed replay it.
memory:
	MILLRACE_SLOW=1 go test -timeout 30m -v -run 'Budgets|Fault|FullDisk' .
	MILLRACE_SLOW=1 go test -timeout 30m -v -run ManyJobs .
	MILLRACE_SLOW=1 go test -timeout 30m -v -run ConcurrentQueries .
	go test -timeout 30m -v -run Random ./cache -operations 100000000
	CGO_ENABLED=1 go test -race -tags invariants -timeout 30m -v -run Random ./cache -operations 10000000

# A thousand jobs on a warm local-cluster leave nothing in any of its processes.
leaks:
	MILLRACE_SLOW=1 go test -timeout 30m -run ClusterLeaks .

# Queries across two network namespaces, and urgency on a line of limited rate:
# needs root, ip and tc.
netns:
	MILLRACE_SLOW=1 go test -timeout 10m -run 'Namespaces|UrgencyOnTheLine' -v .

race:
	CGO_ENABLED=1 go test -race ./exec/... ./shuffle/... ./cache/... ./columnar/memory/... ./transport/...

# Each decoder of what comes from outside, for FUZZTIME. What fails writes its input
# to testdata; Go before 1.27 also fails at the end of the time now and then without
# any (golang/go#75804), which is let pass.
FUZZ = plan/sql:FuzzParse \
	plan/wire:FuzzDecodeStage \
	plan/wire:FuzzDecodeTask \
	columnar/chunk:FuzzDecode \
	columnar/chunk:FuzzSchema \
	shuffle/file:FuzzOpen \
	shuffle:FuzzStatus \
	connector/parquet:FuzzScan \
	connector/parquet/snappy:FuzzDecode \
	connector/parquet/decode:FuzzUnpack \
	connector/csv:FuzzScan \
	connector/csv:FuzzMark \
	connector/json:FuzzScan \
	connector/ipc:FuzzScan \
	transport/internal/link:FuzzServer \
	transport/message:FuzzRead \
	shuffle/service:FuzzRequest \
	shuffle/service:FuzzAnswer \
	exec:FuzzDecodeFailure \
	exec/op/keyset:FuzzDecode \
	columnar/chunk:FuzzUnfold \
	columnar/text:FuzzParseDecimal \
	columnar/text:FuzzParseDatetime \
	connector/fs:FuzzGlob \
	artifacts/function:FuzzValue

fuzz:
	@mkdir -p bin; for t in $(FUZZ); do \
		echo "$$t for $(FUZZTIME)"; \
		go test -run '^$$' -fuzz "^$${t#*:}$$" -fuzzminimizetime 1s -fuzztime $(FUZZTIME) ./$${t%:*} > bin/fuzz.log 2>&1 || { \
			grep -q 'context deadline exceeded' bin/fuzz.log && ! grep -qE 'Failing input|panic|hung or terminated' bin/fuzz.log || { cat bin/fuzz.log; exit 1; }; }; \
		grep -E '^fuzz: .*execs' bin/fuzz.log | tail -1; \
	done

# The engines that `millrace bench run` compares with.
peers: .peers/bin/python
	.peers/bin/python -m pip install --quiet --disable-pip-version-check -r bench/peers/requirements.txt

peers-spark: peers
	.peers/bin/python -m pip install --quiet --disable-pip-version-check -r bench/peers/requirements-spark.txt

.peers/bin/python:
	python3 -m venv .peers

# Everything that BENCHMARKS.md shows: an hour on two cores, most of it Spark's.
bench: build peers-spark
	$(BENCH) tpch --sf 1 --data $(BENCH_DATA)/sf1 --threads 2 --engines millrace,duckdb --runs 5 --out bench/results/tpch-sf1.json
	$(BENCH) tpch --sf 10 --data $(BENCH_DATA)/sf10 --threads 2 --engines millrace,duckdb --runs 3 --out bench/results/tpch-sf10.json
	$(BENCH) tpch --sf 1 --data $(BENCH_DATA)/sf1 --threads 2 --engines millrace,duckdb --runs 5 --files duckdb --out bench/results/tpch-sf1-duckdb-files.json
	$(BENCH) tpch --sf 10 --data $(BENCH_DATA)/sf10 --threads 1 --engines millrace --runs 3 --out bench/results/tpch-sf10-t1.json
	$(BENCH) micro --sf 1 --data $(BENCH_DATA)/micro --threads 2 --engines millrace,duckdb --runs 5 --out bench/results/micro.json
	bin/millrace bench kernels --json bench/results/kernels.json
	$(BENCH) tpch --sf 10 --data $(BENCH_DATA)/sf10 --threads 2 --engines millrace,duckdb --runs 3 --files duckdb --out bench/results/tpch-sf10-duckdb-files.json
	$(BENCH) tpch --sf 1 --data $(BENCH_DATA)/sf1 --threads 2 --memory 128MiB --engines millrace,duckdb --runs 3 --out bench/results/tpch-sf1-128MiB.json
	$(BENCH) tpch --sf 10 --data $(BENCH_DATA)/sf10 --threads 2 --memory 1GiB --engines millrace,duckdb --runs 3 --out bench/results/tpch-sf10-1GiB.json
	$(BENCH) memory --sf 1 --data $(BENCH_DATA)/memory1 --threads 2 --memory 96MiB --engines millrace,duckdb --runs 1 --out bench/results/memory-sf1-96MiB.json
	$(BENCH) memory --sf 5 --data $(BENCH_DATA)/memory5 --threads 2 --memory 512MiB --engines millrace,duckdb --runs 1 --limit 10m --out bench/results/memory-sf5-512MiB.json
	$(BENCH) tpch --sf 1 --data $(BENCH_DATA)/sf1 --threads 2 --engines millrace,polars,datafusion --runs 3 --out bench/results/tpch-sf1-others.json
	$(BENCH) tpch --sf 10 --data $(BENCH_DATA)/sf10 --threads 2 --engines millrace,polars,datafusion --runs 1 --out bench/results/tpch-sf10-others.json
	$(BENCH) tpch --sf 1 --data $(BENCH_DATA)/sf1 --threads 2 --engines millrace,spark --runs 3 --out bench/results/tpch-sf1-spark.json
	$(BENCH) tpch --sf 10 --data $(BENCH_DATA)/sf10 --threads 2 --engines millrace,spark --runs 1 --out bench/results/tpch-sf10-spark.json
	bin/millrace bench shuffle --data $(BENCH_DATA)/sf1 --json bench/results/shuffle.json || test -e bench/results/shuffle.json
	bin/millrace bench cluster --data $(BENCH_DATA)/sf10 --json bench/results/cluster.json || test -e bench/results/cluster.json
	bin/millrace bench cache --data $(BENCH_DATA)/sf1 --json bench/results/cache.json || test -e bench/results/cache.json
	bin/millrace bench functions --json bench/results/functions.json || test -e bench/results/functions.json
	bin/millrace bench report

# The profile that the compiler reads when it builds the binary: TPC-H at scale
# factor 1, by a binary that was built without one, so that it does not wander.
pgo:
	go build -pgo=off -o bin/millrace-plain ./cmd/millrace
	test -e $(PGO_DATA)/lineitem.parquet || bin/millrace-plain bench tpch gen --sf 1 --out $(PGO_DATA)
	for i in 1 2 3; do bin/millrace-plain bench tpch --sf 1 --data $(PGO_DATA) --runs 5 --cpuprofile bin/cpu$$i.out || exit 1; done
	go tool pprof -proto bin/cpu1.out bin/cpu2.out bin/cpu3.out > bin/default.pgo
	mv bin/default.pgo cmd/millrace/default.pgo

# The state machines of driver, memory and cluster together, over simulated faults.
sim:
	go test -timeout 60m -v -run Simulation ./exec/driver -sim.seeds 100000

# Executors killed, stopped, cut off, their disks filled and files damaged, while
# TPC-H is answered: an hour. CHAOS_SEED=… chooses the same queries and faults again.
CHAOS = bin/millrace bench chaos --seed $(CHAOS_SEED)
CHAOS_SEED ?= 0
chaos: build
	$(CHAOS) --sf 0.1 --kills 1000
	$(CHAOS) --sf 0.1 --kills 1000 --cluster standalone
	$(CHAOS) --sf 1 --kills 50
	$(CHAOS) --sf 1 --kills 50 --cluster standalone
	bin/millrace bench chaos accumulate --seed $(CHAOS_SEED)
	bin/millrace bench chaos accumulate --seed $(CHAOS_SEED) --cluster standalone
	bin/millrace bench chaos last

# A master, two workers, queries by both deploy modes; everything is stopped again.
cluster-demo: build
	sh cmd/millrace/cluster-demo.sh bin/millrace

clean:
	rm -rf bin

# The libraries of tests and examples, from Go and from C. The compiler for C is zig's,
# which pip brings along.
wasm: .peers/bin/python
	.peers/bin/python -m pip install --quiet --disable-pip-version-check -r artifacts/wasm/examples/requirements.txt
	cd artifacts/wasm/examples/go && GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags='-s -w' -trimpath -o ../../testdata/text.wasm .
	.peers/bin/python -m ziglang cc --target=wasm32-freestanding -O2 -nostdlib -s -Wl,--no-entry -o artifacts/wasm/testdata/text_c.wasm artifacts/wasm/examples/c/text.c
	chmod 644 artifacts/wasm/testdata/text_c.wasm
