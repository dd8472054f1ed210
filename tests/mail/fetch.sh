#!/usr/bin/env bash
# Puts a python3 with dkimpy and PyNaCl (Debian's python3-dkim and python3-nacl) into a folder of its own, for the test that has
# another program check our signatures. Nothing is installed. Says nothing where it is there already; fails with one line where
# it cannot be had.
set -euo pipefail
. "$(dirname "$0")/../debian.sh"

folder=$(realpath -m "${1:?the folder to fill}")
[ -x "$folder/python3" ] && exit 0
mkdir -p "$folder"
asks='import dkim, nacl.signing'
if command -v python3 >/dev/null && python3 -c "$asks" 2>/dev/null; then
    ln -sf "$(command -v python3)" "$folder/python3"
    exit 0
fi
need apt-get dpkg

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
download "python3-dkim python3-nacl"
for deb in "$work"/*.deb; do dpkg -x "$deb" "$folder/house"; done
# The system's own python3 if it is Debian's, for whom these packages are made; else the one that came along.
program=/usr/bin/python3
[ -x "$program" ] || program=$(find "$folder/house/usr/bin" -name 'python3.*' -perm -100 | head -n 1)
libraries=$(find "$folder/house" -type d -path '*/lib/*-linux-gnu' -printf '%p:')
printf '#!/bin/sh\nLD_LIBRARY_PATH=%s PYTHONPATH=%s exec %s "$@"\n' \
    "$libraries" "$folder/house/usr/lib/python3/dist-packages" "$program" >"$work/python3"
chmod +x "$work/python3"
"$work/python3" -c "$asks" 2>"$work/said" || refuse "dkimpy does not start: $(tail -n 1 "$work/said")"
mv "$work/python3" "$folder/python3"
