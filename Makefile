export CGO_ENABLED = 0
FUZZTIME ?= 60s

.PHONY: build test gen lint slow metamorphic fuzz race clean

build:
	go build -trimpath -ldflags "-s -w" -o bin/millrace ./cmd/millrace

test:
	go test ./...

gen:
	go generate ./functions

lint:
	test -z "$$(gofmt -l .)"
	go vet ./...

slow: metamorphic
	MILLRACE_SLOW=1 go test -timeout 20m ./bench/...

metamorphic:
	MILLRACE_SLOW=1 go test -timeout 30m -run Metamorphic .

race:
	CGO_ENABLED=1 go test -race ./exec/... ./shuffle/... ./cache/... ./columnar/memory/...

fuzz:
	go test -run '^$$' -fuzz FuzzParse -fuzzminimizetime 1s -fuzztime $(FUZZTIME) ./plan/sql
	go test -run '^$$' -fuzz FuzzDecodeStage -fuzzminimizetime 1s -fuzztime $(FUZZTIME) ./plan/wire
	go test -run '^$$' -fuzz FuzzDecodeTask -fuzzminimizetime 1s -fuzztime $(FUZZTIME) ./plan/wire
	go test -run '^$$' -fuzz FuzzDecode -fuzzminimizetime 1s -fuzztime $(FUZZTIME) ./columnar/chunk
	go test -run '^$$' -fuzz FuzzScan -fuzzminimizetime 1s -fuzztime $(FUZZTIME) ./connector/parquet
	go test -run '^$$' -fuzz FuzzDecode -fuzzminimizetime 1s -fuzztime $(FUZZTIME) ./connector/parquet/snappy
	go test -run '^$$' -fuzz FuzzScan -fuzzminimizetime 1s -fuzztime $(FUZZTIME) ./connector/csv
	go test -run '^$$' -fuzz FuzzScan -fuzzminimizetime 1s -fuzztime $(FUZZTIME) ./connector/ipc

# The engines that `millrace bench run` compares with.
peers: .peers/bin/python
	.peers/bin/python -m pip install --quiet --disable-pip-version-check -r bench/peers/requirements.txt

peers-spark: peers
	.peers/bin/python -m pip install --quiet --disable-pip-version-check -r bench/peers/requirements-spark.txt

.peers/bin/python:
	python3 -m venv .peers

clean:
	rm -rf bin
