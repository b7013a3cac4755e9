#!/usr/bin/env bash
# release.sh builds klamm for each system that it is released for, in build/release: linux for amd64 and arm64, and darwin, which
# is for development alone. SHA256SUMS has their checksums, and LICENSES.txt the licences of the code that is in them.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."

out=build/release
rm -rf "$out"
mkdir -p "$out"
for target in linux/amd64 linux/arm64 darwin/arm64 darwin/amd64; do
	"$here/build.sh" "${target%/*}" "${target#*/}" "$out/klamm-${target%/*}-${target#*/}"
done
"$here/licenses.sh" >"$out/LICENSES.txt"
cd "$out"
sha256sum -- klamm-* LICENSES.txt >SHA256SUMS
cat SHA256SUMS
