#!/usr/bin/env bash
# All that must pass: formatting, lints, documentation, tests. Runs from a clean clone with nothing but a Rust toolchain
# and a C compiler; the tests speak to no machine but this one.
#
# The tests against real mail servers need Debian's packages of them, which are put into target/mail-servers and are not
# installed (tests/servers/fetch.sh); those that look at papers need poppler, in the same way (tests/papers/fetch.sh), and the
# one that has another program check our signatures needs dkimpy (tests/mail/fetch.sh).
# DUNLIN_TEST_INSTALL=no forbids all three; the closing lines then say what was not run.
set -euo pipefail
cd "$(dirname "$0")"

for component in rustfmt clippy; do
    command="cargo ${component/rustfmt/fmt}"
    if ! $command --version >/dev/null 2>&1; then
        if command -v rustup >/dev/null; then
            echo "$component is missing; installing it with rustup" >&2
            rustup component add "$component"
        else
            echo "error: \`$command\` is missing" >&2
            echo "hint: install $component with the package manager your Rust came from (with rustup: rustup component add $component)" >&2
            exit 1
        fi
    fi
done

servers=${CARGO_TARGET_DIR:-target}/mail-servers
not_run=""
if [ "${DUNLIN_TEST_INSTALL:-yes}" = no ] && [ ! -e "$servers/house/stamp" ]; then
    not_run="DUNLIN_TEST_INSTALL=no"
else
    mkdir -p "$servers"
    # Beside the build, which takes longer.
    tests/servers/fetch.sh "$servers/house" 2>"$servers/said" &
    fetching=$!
fi

poppler=${CARGO_TARGET_DIR:-target}/poppler
pictures_not_run=""
if [ "${DUNLIN_TEST_INSTALL:-yes}" = no ] && ! command -v pdftoppm >/dev/null && [ ! -x "$poppler/pdftoppm" ]; then
    pictures_not_run="DUNLIN_TEST_INSTALL=no"
elif ! pictures_said=$(tests/papers/fetch.sh "$poppler" 2>&1); then
    pictures_not_run=$(tail -n 1 <<<"$pictures_said")
fi

dkimpy=${CARGO_TARGET_DIR:-target}/dkimpy
signatures_not_run=""
if [ "${DUNLIN_TEST_INSTALL:-yes}" = no ] && [ ! -x "$dkimpy/python3" ]; then
    signatures_not_run="DUNLIN_TEST_INSTALL=no"
elif ! signatures_said=$(tests/mail/fetch.sh "$dkimpy" 2>&1); then
    signatures_not_run=$(tail -n 1 <<<"$signatures_said")
fi

cargo fmt --check
cargo clippy --all-targets -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --no-deps
cargo test --no-fail-fast
if [ -z "$not_run" ] && ! wait "$fetching"; then
    not_run=$(tail -n 1 "$servers/said")
fi
if [ -z "$not_run" ]; then
    cargo test --test servers -- --ignored
else
    echo "NOT RUN: the tests against real mail servers (Postfix, Exim, Dovecot): $not_run" >&2
fi
if [ -z "$pictures_not_run" ]; then
    PATH="$(realpath "$poppler"):$PATH" cargo test --test papers -- --ignored
else
    echo "NOT RUN: the tests that look at papers with poppler: $pictures_not_run" >&2
fi
if [ -z "$signatures_not_run" ]; then
    PATH="$(realpath "$dkimpy"):$PATH" cargo test --test mail -- --ignored
else
    echo "NOT RUN: the test that has dkimpy check our signatures: $signatures_not_run" >&2
fi
