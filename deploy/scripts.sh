#!/usr/bin/env bash
# scripts.sh prints the names of Kafka's scripts that klamm is when it is called by them. docs/scripts.md is made from their table.
set -euo pipefail
sed -n 's/^## \(kafka-[a-z-]*\)$/\1/p' "$(dirname "${BASH_SOURCE[0]}")/../docs/scripts.md"
