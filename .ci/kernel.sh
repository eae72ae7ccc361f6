#!/bin/sh
# kernel.sh SERIES[=VERSION] DIR: unpacks Debian's linux-source-SERIES into DIR, unless it is there.
#
# The package comes through apt, from the mirror the machine's own apt configuration names; the suites it
# needs are configured in a directory of their own beside DIR, so the system's configuration stays as it is.
set -eu

series=${1%%=*} dir=$2
version=''
case $1 in *=*) version=${1#*=} ;; esac
[ ! -e "$dir/Makefile" ] || exit 0
case $series in
5.10) codename=bullseye ;;
6.1) codename=bookworm ;;
*)
    echo "kernel.sh: no Debian release known for linux-source-$series" >&2
    exit 2
    ;;
esac
command -v apt-get >/dev/null 2>&1 || {
    echo "kernel.sh: no apt here: unpack a linux-$series source into $dir by hand" >&2
    exit 1
}

mkdir -p "$(dirname "$dir")"
top=$(cd "$(dirname "$dir")" && pwd)
apt=$top/apt-$codename
mkdir -p "$apt/lists/partial" "$apt/archives/partial"
here=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")

# The machine's own entries for this release, with the suites' names changed: both formats of apt's sources.
sources() {
    for f in /etc/apt/sources.list.d/*.sources; do
        [ -e "$f" ] || continue
        awk -v here="$here" -v want="$codename" '
            function flush(   i, n, s) {
                n = split(suites, s, " ")
                for (i = 1; i <= n; i++)
                    if (s[i] == here || s[i] == here "-security") {
                        sub(here, want, s[i])
                        print "deb " (key ? "[signed-by=" key "] " : "") uri " " s[i] " main"
                    }
                uri = suites = key = ""
            }
            /^URIs:/ { uri = $2 }
            /^Suites:/ { suites = substr($0, 8) }
            /^Signed-By:/ { key = $2 }
            /^[ \t]*$/ { flush() }
            END { flush() }' "$f"
    done
    for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -e "$f" ] || continue
        awk -v here="$here" -v want="$codename" '
            $1 == "deb" {
                options = ""; i = 2
                if ($2 ~ /^\[/) { while ($i !~ /\]$/) { options = options $i " "; i++ }; options = options $i " "; i++ }
                suite = $(i + 1)
                if (suite == here || suite == here "-security") { sub(here, want, suite); print "deb " options $i " " suite " main" }
            }' "$f"
    done
}
sources | sort -u >"$apt/sources.list"
[ -s "$apt/sources.list" ] || {
    echo "kernel.sh: the apt configuration here names no Debian mirror: unpack a linux-$series source into $dir by hand" >&2
    exit 1
}
run() {
    cmd=$1 sub=$2
    shift 2
    "$cmd" "$sub" -qq -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt" -o APT::Sandbox::User=root "$@"
}
package=linux-source-$series${version:+=$version}
echo "kernel.sh: fetching $package" >&2
(
    cd "$apt"
    rm -f ./*.deb
    run apt-get update
    run apt-get download "$package"
)
rm -rf "$dir.new"
mkdir "$dir.new"
echo "kernel.sh: unpacking into $dir" >&2
dpkg-deb --fsys-tarfile "$apt"/linux-source-*.deb | tar -xO "./usr/src/linux-source-$series.tar.xz" |
    xz -dc -T0 | tar -x -C "$dir.new" --strip-components=1
rm -rf "$dir" "$apt"
mv "$dir.new" "$dir"
