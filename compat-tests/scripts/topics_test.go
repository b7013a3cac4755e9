package scripts

// topicsSame are command lines of kafka-topics that change nothing.
const topicsSame = `
topics --list
topics --list --topic a.*,gamma
topics --describe
topics --describe --exclude-internal --topics-with-overrides
topics --describe --topic alpha --if-exists --partition-size-limit-per-response 1
topics --describe --at-min-isr-partitions
topics --describe --topic al(
topics --describe --topic alpha --topic gamma
topics --describe --topic-id Ag4Cu24aQ8Oteya5eYwv3Q
topics --describe --under-replicated-partitions --topics-with-overrides
topics --create --topic alpha
topics --create --topic x/x
topics --create --topic y --config retention.ms=abc
topics --create --topic y --config foo
topics --create --topic y --partitions many
topics --create --topic y --replica-assignment 1:2,2
topics --create --topic y --replica-assignment 1 --partitions 1
topics --alter --topic alpha --partitions 2
topics --delete --topic nix
topics @none --version
topics @none --list
topics --lis
topics --list --partitions 3
`
