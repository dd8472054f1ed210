#!/usr/bin/env bash
# Puts Debian's poppler-utils (pdftoppm, pdftotext) into a folder of their own, for the tests that look at papers with another
# program. Nothing is installed. Says nothing where the programs are there already; fails with one line where they cannot be had.
set -euo pipefail
. "$(dirname "$0")/../debian.sh"

folder=$(realpath -m "${1:?the folder to fill}")
[ -x "$folder/pdftoppm" ] && exit 0
mkdir -p "$folder"
if command -v pdftoppm >/dev/null && command -v pdftotext >/dev/null; then
    for program in pdftotext pdftoppm; do ln -sf "$(command -v "$program")" "$folder/$program"; done
    exit 0
fi
need apt-get dpkg

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
download poppler-utils
for deb in "$work"/*.deb; do dpkg -x "$deb" "$folder/house"; done
libraries=$(find "$folder/house" -type d -path '*/lib/*-linux-gnu' -printf '%p:')
for program in pdftotext pdftoppm; do
    printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$libraries" "$folder/house/usr/bin/$program" >"$folder/$program"
    chmod +x "$folder/$program"
done
