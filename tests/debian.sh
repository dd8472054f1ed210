# Sourced by the scripts that fetch Debian's packages for tests: they are unpacked, not installed.

refuse() { echo "$1" >&2; exit 1; }

# Refuses where one of these commands is missing.
need() {
    local command
    for command in "$@"; do
        command -v "$command" >/dev/null || refuse "no $command"
    done
}

# Names the packages of each group, and of what they need those that the system lacks.
closure() {
    local group
    for group in "$@"; do
        tr ' ' '\n' <<<"$group"
        apt-get install --simulate --no-install-recommends $group 2>/dev/null | awk '/^Inst/ {print $2}'
    done | sort -u
}

# Downloads the packages of these groups into `$work`, which apt-get's own user can write, so that it is not done as root. The
# lists may be missing on a fresh machine, or be too old for what the archive still has.
download() {
    chmod 777 "$work"
    fetch() { (cd "$work" && rm -f ./*.deb && apt-get download -qq $(closure "$@")) >/dev/null 2>"$work/said"; }
    fetch "$@" || { apt-get update -qq >/dev/null 2>&1 && fetch "$@"; } || refuse "apt-get cannot download: $(tail -n 1 "$work/said")"
}
