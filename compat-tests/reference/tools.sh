#!/usr/bin/env bash
# tools.sh gets what the tests need and the machine does not have, says what it gets, and does
# nothing when everything is there:
#
#   a Java 17 runtime   runs Apache Kafka, its ZooKeeper and its tools
#   Maven               fetches Apache Kafka's jars (only needed while they are missing)
#   kcat                librdkafka's command-line client
#   build/kafka-3.9.2   the reference broker and its tools
#   build/kafka-4.4.0   the newest tools
#   build/jmx           Prometheus' agent for JVMs, which shows the reference broker's metrics
#   classes.jsa         in both: their classes as the JVM has them in memory, for JVMs that start faster
#   build/python        a Python with its clients (requirements.txt)
#   Node.js             runs kafkajs
#   build/node          kafkajs (package.json)
#   systemd-analyze     checks the unit of the Debian package, whose user adduser makes
#   build/image         Debian's busybox-static and bash-static, for the image for containers
#   sarama              a Go module that only a program of compat-tests/groups needs, in Go's own cache
#
# `tools.sh compiler` gets a C compiler as well, which Go's race detector links with.
#
# Packages come by apt-get and need root or sudo. Where that is not possible the script names what
# is missing and fails: a test is never skipped for a missing tool.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
build=$root/build
releases=(3.9.2 4.4.0)

say() { printf 'tools: %s\n' "$*"; }

have_java() {
	command -v java >/dev/null 2>&1 || return 1
	local major
	major=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
	[ "${major:-0}" -ge 17 ]
}

have_jars() { [ -f "$build/kafka-$1/.complete" ]; }

# install gets Debian packages, or names them and fails.
install() {
	local as=()
	if ! command -v apt-get >/dev/null 2>&1; then
		say "missing: $*; this machine has no apt-get, install them by hand and run this again" >&2
		exit 1
	fi
	if [ "$(id -u)" -ne 0 ]; then
		if ! command -v sudo >/dev/null 2>&1 || ! sudo -n true 2>/dev/null; then
			say "missing: $*; run as root, or: sudo apt-get install --no-install-recommends $*" >&2
			exit 1
		fi
		as=(sudo -n)
	fi
	say "apt-get installs: $*"
	local log=$build/apt.log
	if ! { "${as[@]}" apt-get update &&
		"${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; } >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		say "missing: $*; apt-get failed, its output is in $log" >&2
		exit 1
	fi
}

# jars copies one release's jars to build/kafka-VERSION. The mark .complete comes last, so that a
# copy that was cut off is made again.
jars() {
	local version=$1 dir=$build/kafka-$1 log=$build/maven-$1.log
	say "Maven fetches Apache Kafka $version (about 55 MB) to build/kafka-$version"
	rm -rf "$dir"
	mkdir -p "$dir"
	# From a directory of its own, so that no file of the caller's directory configures Maven.
	if ! (cd "$here" && mvn -B -q -f pom.xml -Dkafka.version="$version" \
		dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$dir") >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		say "missing: the jars of Apache Kafka $version; Maven's output is in $log" >&2
		exit 1
	fi
	if [ ! -f "$dir/kafka_2.13-$version.jar" ] || [ ! -f "$dir/kafka-tools-$version.jar" ]; then
		say "missing: Maven ran but left no Apache Kafka $version in $dir; its output is in $log" >&2
		exit 1
	fi
	touch "$dir/.complete"
}

# jmx copies the agent that shows the metrics of a JVM. The mark comes last.
have_jmx() { [ -f "$build/jmx/.complete" ]; }

jmx() {
	local log=$build/maven-jmx.log
	say "Maven fetches Prometheus' agent for JVMs (about 3 MB) to build/jmx"
	rm -rf "$build/jmx"
	mkdir -p "$build/jmx"
	if ! (cd "$here" && mvn -B -q org.apache.maven.plugins:maven-dependency-plugin:2.8:copy \
		-Dartifact=io.prometheus.jmx:jmx_prometheus_javaagent:1.0.1 -DoutputDirectory="$build/jmx") >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		say "missing: Prometheus' agent for JVMs; Maven's output is in $log" >&2
		exit 1
	fi
	touch "$build/jmx/.complete"
}

# python makes the environment of Python programs. The mark holds what was asked for, so that other
# requirements make it again.
have_python() { cmp -s "$here/requirements.txt" "$build/python/.complete"; }

python() {
	local dir=$build/python log=$build/pip.log
	say "pip fetches the clients of Python (about 12 MB) to build/python"
	rm -rf "$dir"
	if ! { python3 -m venv "$dir" && "$dir/bin/pip" --disable-pip-version-check install -r "$here/requirements.txt"; } >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		say "missing: the Python libraries of compat-tests/reference/requirements.txt; pip's output is in $log" >&2
		exit 1
	fi
	cp "$here/requirements.txt" "$dir/.complete"
}

# kafkajs fetches the packages that Node.js runs.
have_kafkajs() { cmp -s "$here/package.json" "$build/node/.complete"; }

kafkajs() {
	local dir=$build/node log=$build/npm.log
	say "npm fetches kafkajs (about 1 MB) to build/node"
	rm -rf "$dir"
	mkdir -p "$dir"
	cp "$here/package.json" "$dir/"
	if ! (cd "$dir" && npm install --no-audit --no-fund --ignore-scripts) >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		say "missing: the packages of compat-tests/reference/package.json; npm's output is in $log" >&2
		exit 1
	fi
	cp "$here/package.json" "$dir/.complete"
}

# packages fetches the modules of the programs that write klamm's packages, and the shell of the image.
packages() {
	local log=$build/packages.log
	if ! { (cd "$root/deploy" && go mod download) && "$root/deploy/image.sh" fetch; } >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		say "missing: the Go modules of deploy, or Debian's busybox-static and bash-static; the output is in $log" >&2
		exit 1
	fi
}

# sarama fetches the modules of the member of a group that is a program of its own.
sarama() {
	local log=$build/sarama.log
	if ! (cd "$here/../groups/sarama" && go mod download) >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		say "missing: the Go modules of compat-tests/groups/sarama; Go's output is in $log" >&2
		exit 1
	fi
}

# archives has the JVM keep the classes of the releases ready, see compat-tests/reference/archive. A test
# that finds no archive takes longer, that is all.
have_archives() {
	local v
	for v in "${releases[@]}"; do [ -f "$build/kafka-$v/classes.jsa" ] || return 1; done
}

archives() {
	local log=$build/archives.log
	say "the JVM archives the classes of Apache Kafka ${releases[*]} (about 100 MB)"
	if ! (cd "$root" && go run ./compat-tests/reference/archive) >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		say "missing: the archives of classes; the output is in $log" >&2
		exit 1
	fi
}

mkdir -p "$build"
exec 9>"$build/tools.lock"
flock 9

need=()
have_java || need+=(openjdk-17-jre-headless)
for v in "${releases[@]}"; do
	if ! { have_jars "$v" && have_jmx; } && ! command -v mvn >/dev/null 2>&1; then
		need+=(maven)
		break
	fi
done
command -v kcat >/dev/null 2>&1 || need+=(kcat)
command -v node >/dev/null 2>&1 || need+=(nodejs)
have_kafkajs || command -v npm >/dev/null 2>&1 || need+=(npm)
command -v systemd-analyze >/dev/null 2>&1 || need+=(systemd)
command -v adduser >/dev/null 2>&1 || need+=(adduser)
have_python || python3 -c 'import venv, ensurepip' 2>/dev/null || need+=(python3 python3-venv)
if [ "${1:-}" = compiler ] && ! command -v gcc >/dev/null 2>&1; then
	need+=(gcc libc6-dev)
fi
if [ ${#need[@]} -gt 0 ]; then
	install "${need[@]}"
fi
for v in "${releases[@]}"; do
	have_jars "$v" || jars "$v"
done
have_jmx || jmx
have_python || python
have_kafkajs || kafkajs
sarama
packages
have_archives || archives
say "Java, kcat, Python, Node.js and Apache Kafka ${releases[*]} are there"
