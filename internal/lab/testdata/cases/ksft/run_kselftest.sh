#!/bin/sh
# In the manner of the kernel's: it runs the tests of a collection, each with a time limit, and puts "# " before what they print.
cd "$(dirname "$(readlink -f "$0")")" || exit 1
[ "$1" = -c ] || exit 1
tests=$(grep "^$2:" kselftest-list.txt | cut -d: -f2)
set -- "$2" $tests
echo "TAP version 13"
echo "1..$(($# - 1))"
n=0
for t in $tests; do
	n=$((n + 1))
	echo "# selftests: $1: $t"
	if [ ! -x "$1/$t" ]; then
		echo "not ok $n selftests: $1: $t # Warning: file $t is not executable"
		continue
	fi
	timeout 10 "$1/$t" > /tmp/out 2>&1
	status=$?
	sed "s/^/# /" /tmp/out
	case $status in
	0) echo "ok $n selftests: $1: $t" ;;
	4) echo "ok $n selftests: $1: $t # SKIP" ;;
	*) echo "not ok $n selftests: $1: $t # exit=$status" ;;
	esac
done
