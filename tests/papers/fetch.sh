#!/usr/bin/env bash
# Puts Debian's poppler-utils (pdftoppm, pdftotext) into a folder of their own, for the tests that look at papers with another
# program. Nothing is installed. Says nothing where the programs are there already; fails with one line where they cannot be had.
set -euo pipefail

folder=$(realpath -m "${1:?the folder to fill}")
[ -x "$folder/pdftoppm" ] && exit 0
refuse() { echo "$1" >&2; exit 1; }
mkdir -p "$folder"
if command -v pdftoppm >/dev/null && command -v pdftotext >/dev/null; then
    for program in pdftotext pdftoppm; do ln -sf "$(command -v "$program")" "$folder/$program"; done
    exit 0
fi
for command in apt-get dpkg; do
    command -v "$command" >/dev/null || refuse "no $command"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 777 "$work"
closure() {
    { echo poppler-utils; apt-get install --simulate --no-install-recommends poppler-utils 2>/dev/null | awk '/^Inst/ {print $2}'; } | sort -u
}
# The lists may be missing on a fresh machine, or be too old for what the archive still has.
fetch() { (cd "$work" && rm -f ./*.deb && apt-get download -qq $(closure)) >/dev/null 2>"$work/said"; }
fetch || { apt-get update -qq >/dev/null 2>&1 && fetch; } || refuse "apt-get cannot download: $(tail -n 1 "$work/said")"
for deb in "$work"/*.deb; do dpkg -x "$deb" "$folder/house"; done
libraries=$(find "$folder/house" -type d -path '*/lib/*-linux-gnu' -printf '%p:')
for program in pdftotext pdftoppm; do
    printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$libraries" "$folder/house/usr/bin/$program" >"$folder/$program"
    chmod +x "$folder/$program"
done
