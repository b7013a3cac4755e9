#!/usr/bin/env bash
# Makes the golden files of this folder again, by asking Apache Kafka 3.9.2 in ZooKeeper mode.
# usage: golden.sh DIR-WITH-THE-JARS-OF-KAFKA-3.9.2   (needs a JDK 17 and the ports 33092 and 33181 of 127.0.0.1)
set -eu
jars="$1/*"; here=$(cd "$(dirname "$0")" && pwd); work=/tmp/klamm-golden
rm -rf "$work"; mkdir -p "$work/zk" "$work/data"
printf 'dataDir=%s\nclientPort=33181\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n' "$work/zk" >"$work/zoo.cfg"
java -Xmx256m -cp "$jars" org.apache.zookeeper.server.quorum.QuorumPeerMain "$work/zoo.cfg" >"$work/zk.log" 2>&1 & zk=$!
java -Xmx512m -cp "$jars" kafka.Kafka "$here/server.properties" >"$work/broker.log" 2>&1 & broker=$!
trap 'kill $broker; wait $broker || true; kill $zk; wait $zk || true; rm -rf "$work"' EXIT
java -Xmx256m -cp "$jars" "$here/Facts.java" >"$here/properties-3.9.2.json"
# Properties.java takes a seed and how many files to make at random. For more of them than are kept here:
# java ... Properties.java 2 60000 >FILE; go test ./server/config -run JavaReads -args -java-properties FILE
java -Xmx256m -cp "$jars" "$here/Properties.java" 1 240 >"$here/java-properties.json"
KT_A=alpha KT_B=beta KT_N=3 KT_EMPTY= KT_NAME=KT_A KT_VAR='${env:KT_A}' KT_CLASS=org.apache.kafka.common.config.provider.EnvVarConfigProvider \
  java -Xmx256m -cp "$jars" "$here/Providers.java" >"$here/providers-3.9.2.json"
java -Xmx256m -cp "$jars" "$here/Golden.java" 127.0.0.1:33092 "$here"
