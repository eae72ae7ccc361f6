#!/bin/sh
# screenshots.sh SERIESCTL WORKSPACE DIR: the pictures of the documentation, of a workspace where the RFC was run on 5.10
# (make test leaves one). Each is what tmux shows of the real program after some keys.
set -eu
bin=$1 workspace=$2 dir=$3
socket=seriesctl-screens
picture=$(mktemp -d)/screenshot
go build -o "$picture" ./internal/screenshot
mkdir -p "$dir"
tmux -L $socket new-session -d -s keep # or the server ends with each picture's session
trap 'tmux -L $socket kill-server 2>/dev/null || true; rm -rf "$(dirname "$picture")"' EXIT

# take NAME COLUMNS ROWS TEXT KEY...: the screen once TEXT is on it, after the keys. A key "~" waits a second.
take() {
    name=$1 columns=$2 rows=$3 text=$4
    shift 4
    tmux -L $socket new-session -d -s "$name" -x "$columns" -y "$rows" "TERM=xterm-256color $bin --workspace $workspace --color always"
    sleep 2
    for key in "$@"; do
        case $key in
        '~') sleep 1 ;;
        *) tmux -L $socket send-keys -t "$name" "$key" ;;
        esac
        sleep 0.2
    done
    for _ in $(seq 50); do
        ! tmux -L $socket capture-pane -t "$name" -p | grep -qF "$text" || break
        sleep 0.2
    done
    tmux -L $socket capture-pane -t "$name" -p | grep -qF "$text" || {
        echo "screenshots.sh: $name: \"$text\" does not come; the screen is:" >&2
        tmux -L $socket capture-pane -t "$name" -p >&2
        exit 1
    }
    tmux -L $socket capture-pane -t "$name" -epN | "$picture" >"$dir/$name.svg"
    tmux -L $socket kill-session -t "$name"
}

take matrix 120 26 'changes the symptom' j j j j l
take cell 120 44 'deadlock' / c r o s s - r e a d Enter Enter '~'
take patch 180 40 'Andreas' j j j j l p '~'
take subset 110 30 'apply to the base' j j j j t '~' '~'
take bisect 110 18 'bisect' l l l b '~'
take series 100 12 'cells run' W '~'
# The last, as it runs something: each time there is one run more of these cells.
take jobs 110 16 'gfs2/cross-write' ":run --prefixes 3-4 --cases 'gfs2/cross-*' --more 1" Enter '~' q w j j
