#!/usr/bin/env bash
# cluster.sh starts ZooKeeper and three brokers of klamm on this machine, and stops them at Ctrl-C:
#
#   ZooKeeper   127.0.0.1:2181 (ZOOKEEPER_PORT)
#   brokers     127.0.0.1:9092, 127.0.0.1:9093 and 127.0.0.1:9094 (from PORT on), with the ids 1, 2 and 3
#   data, logs  ./klamm-cluster; a second run goes on with the data and begins the logs anew
#
# It needs build/bin/klamm and the jars of build/kafka-3.9.2 (make build tools).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
data=$PWD/klamm-cluster
brokers=3
port=${PORT:-9092}
zookeeper=${ZOOKEEPER_PORT:-2181}
pids=()
names=()    # by pid
restarts=() # by pid

say() { printf 'cluster: %s\n' "$*"; }

# The brokers stop first, while they can still hand their leaderships over.
stop() {
	trap - EXIT
	trap '' INT TERM
	for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
		kill "${pids[i]}" 2>/dev/null || true
		wait "${pids[i]}" 2>/dev/null || true
	done
	say "stopped; the data is in $data"
}

# await NAME PID LOG COMMAND... waits until the command succeeds, as long as the process runs.
await() {
	local name=$1 pid=$2 log=$3
	shift 3
	until "$@"; do
		sleep 0.2
		if ! kill -0 "$pid" 2>/dev/null; then
			say "$name has ended; its log, $log, ends with:" >&2
			tail -n 5 "$log" >&2
			exit 1
		fi
	done
}

# free ends the script where another process listens on a port.
free() {
	if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then
		say "port $1 is in use; $2" >&2
		exit 1
	fi
}

# ZooKeeper takes connections before it serves, and says when it does.
zookeeper_serves() {
	local answer=
	{ exec 3<>"/dev/tcp/127.0.0.1/$zookeeper" && printf srvr >&3 && answer=$(cat <&3); exec 3>&-; } 2>/dev/null || true
	[[ $answer == *Mode:* ]]
}

for ((p = port; p < port + brokers; p++)); do
	free "$p" "PORT=19092 would begin at another one"
done
free "$zookeeper" "ZOOKEEPER_PORT=12181 would take another one"

mkdir -p "$data/zookeeper"
trap stop EXIT
trap 'exit 0' INT
trap 'exit 143' TERM

cat >"$data/zoo.cfg" <<END
dataDir=$data/zookeeper
clientPortAddress=127.0.0.1
clientPort=$zookeeper
tickTime=2000
admin.enableServer=false
END
setsid java -Xmx256m -cp "$root/build/kafka-3.9.2/*" org.apache.zookeeper.server.quorum.QuorumPeerMain "$data/zoo.cfg" \
	>"$data/zookeeper.log" 2>&1 &
pids+=($!)
names[$!]=ZooKeeper
await ZooKeeper $! "$data/zookeeper.log" zookeeper_serves
say "ZooKeeper serves on 127.0.0.1:$zookeeper"

for ((id = 1; id <= brokers; id++)); do
	cat >"$data/broker-$id.properties" <<END
broker.id=$id
listeners=PLAINTEXT://127.0.0.1:$port
log.dirs=$data/broker-$id
zookeeper.connect=127.0.0.1:$zookeeper
default.replication.factor=$brokers
offsets.topic.replication.factor=$brokers
min.insync.replicas=2
klamm.http.listener=127.0.0.1:$((port + 10000))
END
	setsid "$root/build/bin/klamm" --config "$data/broker-$id.properties" >"$data/broker-$id.log" 2>&1 &
	pids+=($!)
	names[$!]="broker $id"
	restarts[$!]="$root/build/bin/klamm --config $data/broker-$id.properties"
	await "broker $id" $! "$data/broker-$id.log" grep -q 'msg="accepting clients"' "$data/broker-$id.log"
	say "broker $id serves on 127.0.0.1:$port"
	port=$((port + 1))
done
say "Ctrl-C stops everything; the logs are in $data"
while wait -n -p ended "${pids[@]}" 2>/dev/null || [ -n "${ended:-}" ]; do
	say "${names[$ended]} has ended; the others go on${restarts[$ended]:+. To start it again in another terminal: ${restarts[$ended]}}"
	left=()
	for pid in "${pids[@]}"; do
		[ "$pid" = "$ended" ] || left+=("$pid")
	done
	pids=("${left[@]}")
	unset ended
done
