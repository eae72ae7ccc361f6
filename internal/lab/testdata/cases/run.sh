#!/bin/bash
# bash and not just a shell, and coreutils, on the case's file system.
set -euo pipefail
[[ $PWD == /mnt ]]
dd if=/dev/urandom of=one bs=4096 count="$1" status=none
cp one two
cmp one two
[ "$(stat -c %s two)" -eq $(($1 * 4096)) ]
mapfile -t names < <(ls -1 | grep -v lost+found | sort -r)
[ "${names[*]}" = "two one" ]
# A process that goes on must not keep the file system busy.
sleep 1000 &
