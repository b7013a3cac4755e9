#!/usr/bin/env bash
# licenses.sh prints the licence of klamm and of each module whose code is in its binary, and Go's own. Whoever passes the binary
# on has to pass these on with it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# show prints the licences and notices in a directory. A module without one must not be in the binary.
show() {
	local name=$1 dir=$2 file found=
	for file in "$dir"/{LICENSE,LICENCE,COPYING,NOTICE,PATENTS}*; do
		[ -f "$file" ] || continue
		found=1
		printf '\n======== %s: %s\n\n' "$name" "$(basename "$file")"
		cat "$file"
	done
	if [ -z "$found" ]; then
		printf 'licenses.sh: %s has no file with its licence\n' "$name" >&2
		exit 1
	fi
}

show klamm .
show "Go $(go env GOVERSION)" "$(go env GOROOT)"
# All systems of a release together: some modules are for one of them alone.
for os in linux darwin; do
	GOOS=$os GOFLAGS= go list -mod=readonly -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/klamm
done | sort -u | while read -r path version dir; do
	show "$path $version" "$dir"
done
