#!/usr/bin/env bash
# All that must pass: formatting, lints, documentation, tests. Runs from a clean clone with nothing but a Rust toolchain
# and a C compiler; the tests speak to no machine but this one.
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

cargo fmt --check
cargo clippy --all-targets -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --no-deps
cargo test --no-fail-fast
