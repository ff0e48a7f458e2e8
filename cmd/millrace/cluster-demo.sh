#!/bin/sh
# Starts a master and two workers on this machine, runs queries on them and stops
# everything. Usage: cluster-demo.sh MILLRACE
set -eu
millrace=$(realpath "$1")
dir=$(mktemp -d)
pids=
stop() {
	for p in $pids; do kill "$p" 2>/dev/null || true; done
	for p in $pids; do wait "$p" 2>/dev/null || true; done
	rm -rf "$dir"
}
trap stop EXIT
trap 'exit 1' INT TERM

export MILLRACE_CLUSTER_TOKEN="$dir/token"
"$millrace" master --port 0 --dir "$dir/master" >"$dir/url" 2>"$dir/master.log" &
pids=$!
while ! [ -s "$dir/url" ]; do
	kill -0 "$pids" 2>/dev/null || { cat "$dir/master.log"; exit 1; }
	sleep 0.1
done
MILLRACE_MASTER=$(cat "$dir/url")
export MILLRACE_MASTER
for w in w1 w2; do
	"$millrace" worker --id "$w" --cores 2 --memory 2GiB --dir "$dir/$w" 2>"$dir/$w.log" &
	pids="$! $pids" # workers go before the master
done

until "$millrace" cluster | grep -q '^w1 ' && "$millrace" cluster | grep -q '^w2 '; do sleep 0.1; done
echo "== a master at $MILLRACE_MASTER, two workers"
for i in $(seq 1000); do echo "$i,$((i % 7))"; done >"$dir/numbers.csv"
cat >"$dir/demo.sql" <<SQL
SELECT _c1 AS k, count(*) AS n, sum(CAST(_c0 AS BIGINT)) AS s FROM '$dir/numbers.csv' GROUP BY 1 ORDER BY 1;
SQL
echo "== millrace submit --executors 2 demo.sql"
"$millrace" submit --executors 2 --cores 2 --memory 512MiB "$dir/demo.sql"
echo "== millrace submit --deploy-mode cluster --wait demo.sql"
"$millrace" submit --deploy-mode cluster --wait --driver-memory 256MiB --memory 512MiB "$dir/demo.sql"
echo "== millrace cluster"
"$millrace" cluster
