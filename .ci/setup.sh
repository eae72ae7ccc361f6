#!/bin/sh
# Installs what building, running and testing seriesctl needs, through the system's package manager.
# Asks nothing, changes nothing when all is there.
set -eu

# program:Debian package:Fedora package
need='git:git:git
gcc:gcc:gcc
make:make:make
flex:flex:flex
bison:bison:bison
bc:bc:bc
perl:perl:perl
xz:xz-utils:xz
qemu-system-x86_64:qemu-system-x86:qemu-system-x86-core
mkfs.gfs2:gfs2-utils:gfs2-utils
mkfs.ext4:e2fsprogs:e2fsprogs
bwrap:bubblewrap:bubblewrap
tmux:tmux:tmux
mandoc:mandoc:mandoc'

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
missing_deb='' missing_rpm='' missing=''
want() { # NAME DEB RPM
    missing="$missing $1" missing_deb="$missing_deb $2" missing_rpm="$missing_rpm $3"
}
for line in $need; do
    name=${line%%:*} rest=${line#*:}
    command -v "$name" >/dev/null 2>&1 || want "$name" "${rest%%:*}" "${rest#*:}"
done
# Headers and the static C library have no program to look for. (Not through a pipe: that would be a subshell, and forget.)
try() { # NAME DEB RPM HEADER [FLAG]
    name=$1 deb=$2 rpm=$3
    printf '#include <%s>\nint main(void) { return 0; }\n' "$4" >"$probe"
    shift 4
    command -v gcc >/dev/null 2>&1 && gcc -x c -o /dev/null "$probe" "$@" >/dev/null 2>&1 || want "$name" "$deb" "$rpm"
}
probe=$(mktemp)
try 'static libc' libc6-dev glibc-static stdio.h -static
try libelf.h libelf-dev elfutils-libelf-devel libelf.h
try openssl/evp.h libssl-dev openssl-devel openssl/evp.h
rm -f "$probe"

if ! command -v go >/dev/null 2>&1; then
    echo "setup: Go 1.26 or newer is missing: see https://go.dev/doc/install" >&2
    exit 1
fi
[ -n "$missing" ] || exit 0

root=''
[ "$(id -u)" = 0 ] || root=sudo
echo "setup: missing:$missing" >&2
if command -v apt-get >/dev/null 2>&1; then
    install="apt-get install -y --no-install-recommends$missing_deb"
elif command -v dnf >/dev/null 2>&1; then
    install="dnf install -y$missing_rpm"
else
    echo "setup: no apt-get or dnf here: install them by hand" >&2
    exit 1
fi
if [ -n "$root" ] && ! command -v sudo >/dev/null 2>&1; then
    echo "setup: as root: $install" >&2
    exit 1
fi
echo "setup: $root $install" >&2
if command -v apt-get >/dev/null 2>&1; then
    $root apt-get update -qq
    # shellcheck disable=SC2086
    $root env DEBIAN_FRONTEND=noninteractive $install -qq >/dev/null
else
    # shellcheck disable=SC2086
    $root $install
fi
