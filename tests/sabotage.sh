#!/usr/bin/env bash
# The kill matrix is worth something only if it catches a program that breaks its promise. Each patch in tests/sabotage breaks
# one; the matrix must find disagreements in every one of these builds. Takes the seeds to play, 1..121 if none are given.
set -euo pipefail
cd "$(dirname "$0")/.."

seeds="${1:-1..121}"
tree="$(mktemp -d)"
trap 'rm -rf "$tree"' EXIT
# Of its own, so that no sabotaged program is left where the right one is looked for.
export CARGO_TARGET_DIR="$PWD/target/sabotage"
uncaught=0
for patch in "$PWD"/tests/sabotage/*.patch; do
    name="$(basename "$patch" .patch)"
    rm -rf "$tree/dunlin" && mkdir "$tree/dunlin"
    git ls-files -z --cached --others --exclude-standard | xargs -0 cp -a --parents -t "$tree/dunlin"
    (cd "$tree/dunlin" && patch --quiet -p1 <"$patch")
    (cd "$tree/dunlin" && cargo test --quiet --test matrix --no-run)
    if (cd "$tree/dunlin" && DUNLIN_MATRIX="$seeds" cargo test --quiet --test matrix whatever) >"$tree/$name.log" 2>&1; then
        echo "$name: NOT CAUGHT with the seeds $seeds" >&2
        uncaught=1
    elif grep -q "end in disagreement" "$tree/$name.log"; then
        echo "$name: caught; $(grep -h "end in disagreement" "$tree/$name.log" | head -1)"
        grep -hE -A1 "^seed [0-9]+ " "$tree/$name.log" | grep -vE "^(seed|--)" | sed -E 's/[0-9a-f]{32}/KEY/g; s/^ +/    /' | sort | uniq -c | sort -rn | head -4
    else
        echo "$name: the matrix failed for another reason" >&2
        tail -30 "$tree/$name.log" >&2
        uncaught=1
    fi
done
exit "$uncaught"
