#!/bin/sh
# demo.sh SERIESCTL SOURCE DIR: the main job on the example series, with a workspace in DIR.
set -eu
bin=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
source=$(cd "$2" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$3"
dir=$(cd "$3" && pwd)
cd "$dir"

times=''
step() { # NAME COMMAND…: runs it and notes how long it took; status 1 is a finding, not a failure
    name=$1
    shift
    echo >&2
    echo "\$ seriesctl $*" >&2
    begin=$(date +%s.%N)
    status=0
    "$bin" "$@" || status=$?
    end=$(date +%s.%N)
    times="$times$(awk -v n="$name" -v b="$begin" -v e="$end" 'BEGIN { printf "  %-28s %7.1f s", n, e - b }')
"
    [ "$status" -le 1 ] || exit "$status"
}

step 'load the series' load "$here/gfs2-read-write-cleanup.mbox"
step 'apply it' apply --source "$source"
step 'build, boot and run all' run --source "$source" --plan "$here/testplan.yaml"

cat <<EOF

How long it took:
$times
Next:
  cd $dir
  $bin                              the matrix as a TUI: j/k/h/l move, Enter opens a cell, ? helps
  $bin log 2 gfs2/read-self         console and stacks of one cell
  $bin show 2                       the patch that is to blame, and its replies
  $bin report --format markdown     for the answer to the list
EOF
