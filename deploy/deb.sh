#!/usr/bin/env bash
# deb.sh [ARCH] writes klamm's Debian package for amd64 or arm64 to build/deb; without an argument, for this machine's architecture.
# The same commit gives the same bytes.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."

export ARCH=${1:-$(go env GOARCH)}
export BINARY=$PWD/build/deb/klamm-$ARCH
# Whoever publishes packages says who they are.
export MAINTAINER=${MAINTAINER:-unknown <root@localhost>} HOMEPAGE=${HOMEPAGE:-}
SOURCE_DATE_EPOCH=$("$here/build.sh" time)
export SOURCE_DATE_EPOCH

# v1.2.3 is 1.2.3, v1.2.3-rc1 is 1.2.3~rc1, which is older, and v1.2.3-4-gCOMMIT, four commits later, is 1.2.3+4.gCOMMIT. Without a tag it is
# older than every release.
VERSION=$("$here/build.sh" version)
if [[ $VERSION =~ ^v([0-9][^-]*)(-(rc|alpha|beta)[^-]*)?(-.*)?$ ]]; then
	later=${BASH_REMATCH[4]//-/.} before=${BASH_REMATCH[2]#-}
	VERSION=${BASH_REMATCH[1]}${before:+\~$before}${later:++${later#.}}
else
	VERSION=0~$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S).${VERSION//-/.}
fi
export VERSION

"$here/build.sh" linux "$ARCH" "$BINARY"
"$here/licenses.sh" >build/deb/copyright
# The shells' completions do not depend on the architecture.
klamm=("$BINARY")
[ "$ARCH" = "$(go env GOHOSTARCH)" ] && [ "$(go env GOHOSTOS)" = linux ] || klamm=(env GOOS= GOARCH= go run ./cmd/klamm)
for shell in bash zsh fish; do
	"${klamm[@]}" completion "$shell" >"build/deb/completion.$shell"
done
out=$PWD/build/deb/klamm_${VERSION}_$ARCH.deb
mapfile -t scripts < <("$here/scripts.sh")
(cd "$here/deb" && go run . "$out" "${scripts[@]}")
printf '%s\n' "${out#"$PWD/"}"
