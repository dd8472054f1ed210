#!/usr/bin/env bash
# Puts Debian's Postfix, Exim and Dovecot into a folder of their own, which the tests in tests/servers enter by chroot.
# Nothing is installed: no service starts, no user is made, no file outside the folder changes. Needs root for the
# device nodes, and apt-get. Says nothing where the folder is there already; fails with one line where it cannot be made.
set -euo pipefail
. "$(dirname "$0")/../debian.sh"

house=$(realpath -m "${1:?the folder to fill}")
# What the folder is made of; another list or release makes it anew.
groups=("postfix" "exim4-daemon-light" "dovecot-core dovecot-submissiond")
stamp="1 ${groups[*]} $(. /etc/os-release 2>/dev/null && echo "${ID:-} ${VERSION_ID:-}")"

[ "$(cat "$house/stamp" 2>/dev/null)" = "$stamp" ] && exit 0
[ "$(id -u)" = 0 ] || refuse "not root"
need apt-get dpkg ldd chroot

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
download "${groups[@]}"

rm -rf "$house"
mkdir -p "$house"
for deb in "$work"/*.deb; do dpkg -x "$deb" "$house"; done

# The libraries that the system has already, each at the place where it is looked for.
libraries="$(find "$house" -type d \( -path '*/lib/*-linux-gnu' -o -path '*/lib/postfix' -o -path '*/lib/dovecot' \) -printf '%p:')"
find "$house/usr/sbin" "$house/usr/lib/postfix" "$house/usr/lib/dovecot" -type f \( -perm -100 -o -name '*.so*' \) -print0 |
    # What is no program of this kind, ldd says and goes on.
    { LD_LIBRARY_PATH=$libraries xargs -0 ldd 2>/dev/null || true; } |
    awk '/=> \// {print $3} /^\t\/lib/ {print $1}' | sort -u | while read -r library; do
    case $library in "$house"/*) continue ;; esac
    mkdir -p "$house$(dirname "$library")"
    cp -L "$library" "$house$library"
done

mkdir -p "$house"/{dev,tmp,run,etc,var/mail,var/empty,var/log}
chmod 1777 "$house/tmp"
mknod -m 666 "$house/dev/null" c 1 3 2>/dev/null || refuse "device nodes cannot be made"
mknod -m 666 "$house/dev/urandom" c 1 9
# A file system may be mounted without devices.
: 2>/dev/null >"$house/dev/null" || refuse "device nodes do not work below $house"

number=900
: >"$house/etc/passwd"
: >"$house/etc/group"
add() {
    echo "$1:x:$2:$2::/var/empty:/bin/false" >>"$house/etc/passwd"
    echo "$1:x:$2:" >>"$house/etc/group"
}
add root 0
add nobody 65534
for user in postfix postdrop Debian-exim dovecot dovenull vmail; do
    number=$((number + 1))
    add $user $number
done
printf 'passwd: files\ngroup: files\nhosts: files\nservices: files\n' >"$house/etc/nsswitch.conf"
echo '127.0.0.1 localhost' >"$house/etc/hosts"
: >"$house/etc/resolv.conf"
chroot "$house" /usr/sbin/dovecot --version >/dev/null 2>"$work/said" || refuse "chroot does not work: $(tail -n 1 "$work/said")"
echo "$stamp" >"$house/stamp"
