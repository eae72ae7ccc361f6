#!/bin/sh
echo "KTAP version 1"
echo "1..2"
for suite in one two; do
	echo "  KTAP version 1"
	echo "  # Subtest: $suite"
	seq 1 3 | sed "s/.*/  ok & number-&/"
	echo "  1..3"
	[ $suite = one ] && echo "ok 1 $suite"
done
echo "ok 2 two"
