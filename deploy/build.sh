#!/usr/bin/env bash
# build.sh GOOS GOARCH FILE builds klamm as one static binary that needs nothing else.
#
# The same commit gives the same bytes in every directory and on every machine with the same version of Go: nothing of the
# directory, the user or the time of the build is in the binary. What it says of itself (klamm version) is git's: the tag or
# commit, and the commit's time. `-dirty` marks a build of changed files.
#
# build.sh version prints the version alone, and build.sh time the time of the commit in seconds since 1970.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# A tree without git, such as an unpacked archive, is of no known version. --abbrev fixes the length, which git
# otherwise chooses by how many objects a clone has.
version=$(git describe --tags --always --dirty --abbrev=12 2>/dev/null || true)
commit=$(git describe --exclude='*' --always --dirty --abbrev=12 2>/dev/null || true)
seconds=$(git log -1 --format=%ct 2>/dev/null || echo 0)

case "${1:-}" in
version)
	printf '%s\n' "${version:-devel}"
	exit
	;;
time)
	printf '%s\n' "$seconds"
	exit
	;;
esac
if [ $# -ne 3 ]; then
	sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
	exit 2
fi

committed=
if [ "$seconds" != 0 ]; then
	committed=$(TZ=UTC0 git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd)
fi
mkdir -p "$(dirname "$3")"
# The variables of the caller that would change the code are set aside.
env GOOS="$1" GOARCH="$2" CGO_ENABLED=0 GOFLAGS= GOEXPERIMENT= GOAMD64=v1 GOARM64=v8.0 \
	go build -trimpath -buildvcs=false -mod=readonly \
	-ldflags "-s -w -X main.version=$version -X main.commit=$commit -X main.committed=$committed" -o "$3" ./cmd/klamm
