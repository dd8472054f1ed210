#!/usr/bin/env bash
# Makes the pictures of the shipped mails: docs/pictures/mails-*.png for docs/templates.md, mail.png for the README. Needs cargo,
# chromium and a font that stands for Arial (Debian: fonts-liberation).
#
# The mails are those of the tests (tests/mail), in four languages: wide and narrow, light and dark.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
DUNLIN_HTML="$work" cargo test -q --test mail shipped > /dev/null

# One page as a picture: file, size of the window, name of the picture.
shoot() {
    chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
        --disable-component-update --disable-sync --hide-scrollbars --user-data-dir="$work/browser" --allow-file-access-from-files \
        --window-size="$2" --screenshot="$PWD/docs/pictures/$3.png" "file://$work/$1" 2> /dev/null
}

# One mail in an iframe: file, width, height, `light` or `dark`.
frame() {
    local width=$2 height=$3 scheme=$4
    printf '<div style="width:%dpx;height:%dpx"><iframe src="%s" width="%d" height="%d" style="color-scheme:%s"></iframe></div>\n' \
        $((width / 2)) $((height / 2)) "$1" "$width" "$height" "$scheme"
}

# One picture: template, height of the mails.
sheet() {
    local name=$1 height=$2
    {
        echo '<!doctype html><meta charset="utf-8"><style>body{margin:0;display:flex;gap:8px;padding:8px;background:#888}'
        echo 'div{overflow:hidden;flex:none}iframe{border:0;transform:scale(.5);transform-origin:0 0}</style>'
        frame "$name.en.html" 640 "$height" light
        frame "$name.de.html" 360 "$height" light
        frame "$name.fr.html" 640 "$height" dark
        frame "$name.es.html" 360 "$height" dark
    } > "$work/$name.sheet.html"
    shoot "$name.sheet.html" "1040,$((height / 2 + 16))" "mails-$name"
}

sheet upcoming 1080
sheet first 1440
sheet second 1440
sheet final 1540
sheet statement 1500
sheet invoice 1080
sheet receipt 760
sheet portal 800
shoot second.en.html 700,1180 mail
