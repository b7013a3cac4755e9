#!/usr/bin/env bash
# image.sh [ARCH...] writes klamm's image for containers to build/image, for amd64 and arm64 or for one of them; without an argument, for this
# machine's architecture:
#
# image.sh fetch gets what the image needs and the repository does not have, and makes no image.
#
#   build/image/oci              an OCI layout, for skopeo, podman, crane and registries
#   build/image/klamm-ARCH.tar   the same for docker load
#
# It needs no daemon, no registry and no root. The shell and the small programs that the image has besides klamm are Debian's busybox-static
# and bash-static, of the release that this machine takes its packages from. apt-get checks them against Debian's signatures. debian-packages.txt, in the
# image too, names their versions: a version cannot be fixed here, since Debian's mirrors drop one when the next comes.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."
out=$PWD/build/image

# apt runs apt-get for an architecture with lists and a cache of its own, so that the machine's are not changed.
apt() {
	local arch=$1 dir=$out/apt-$1
	shift
	mkdir -p "$dir"/state/lists/partial "$dir"/cache/archives/partial
	apt-get -q -o Dir::State="$dir/state" -o Dir::State::status=/dev/null -o Dir::Cache="$dir/cache" -o APT::Architecture="$arch" -o APT::Architectures="$arch" \
		-o APT::Sandbox::User=root -o Acquire::Languages=none "$@"
}

# fetch gets the packages for an architecture, once a day. The lists are read anew where they are missing, or name what the mirror does not have any more.
fetch() {
	local arch=$1 log=$out/apt-$1.log
	if [ -n "$(find "$out/debs-$arch/.complete" -mmin -1440 2>/dev/null)" ]; then
		return
	fi
	rm -rf "$out/debs-$arch"
	mkdir -p "$out/debs-$arch"
	(
		cd "$out/debs-$arch"
		apt "$arch" download busybox-static bash-static ||
			{
				apt "$arch" update || true # other sources of this machine may be out of order; what counts is the download
				apt "$arch" download busybox-static bash-static
			}
	) >"$log" 2>&1 || {
		tail -n 20 "$log" >&2
		printf 'image.sh: apt-get does not get busybox-static and bash-static for %s; its output is in %s\n' "$arch" "$log" >&2
		exit 1
	}
	touch "$out/debs-$arch/.complete"
}

# built_using names what is in a static program besides its own source.
built_using() {
	local others
	others=$(dpkg-deb --field "$1" Built-Using | tr -d '\n')
	printf '%s' "${others:+, $others}"
}

# stage puts the files for an architecture together.
stage() {
	local arch=$1 to=$out/stage-$1 deb name
	rm -rf "$to" "$to.debs"
	mkdir -p "$to" "$to.debs"
	for deb in "$out/debs-$arch"/*.deb; do
		name=$(dpkg-deb --field "$deb" Package)
		dpkg-deb --extract "$deb" "$to.debs"
		cp "$to.debs/usr/share/doc/$name/copyright" "$to/$name.copyright"
		printf '%s %s, built from Debian'\''s source packages %s%s; sha256 %s\n' "$name" "$(dpkg-deb --field "$deb" Version)" \
			"$(dpkg-deb --showformat '${source:Package} ${source:Version}' --show "$deb")" "$(built_using "$deb")" "$(sha256sum <"$deb" | cut -d ' ' -f 1)"
	done >"$to/debian-packages.txt"
	printf 'Their sources: https://snapshot.debian.org/\n' >>"$to/debian-packages.txt"
	cp "$to.debs/bin/busybox" "$to/busybox"
	cp "$to.debs/bin/bash-static" "$to/bash"
	rm -rf "$to.debs"
	"$here/build.sh" linux "$arch" "$to/klamm"
	"$here/licenses.sh" >"$to/copyright"
}

mkdir -p "$out"
if [ "${1:-}" = fetch ]; then
	fetch "$(go env GOARCH)"
	exit
fi
[ $# -gt 0 ] || set -- "$(go env GOARCH)"
rm -f "$out"/klamm-*.tar # of architectures that are not asked for
stages=()
for arch in "$@"; do
	fetch "$arch"
	stage "$arch"
	stages+=("$arch=$out/stage-$arch")
done
(cd "$here/image" && go run . -out "$out" -version "$("$here/build.sh" version)" -commit "$(git rev-parse HEAD 2>/dev/null || true)" -time "$("$here/build.sh" time)" \
	-scripts "$("$here/scripts.sh" | tr '\n' ' ')" "${stages[@]}")
printf 'build/image/oci, build/image/klamm-{%s}.tar\n' "$(IFS=,; echo "$*")"
