cat kselftest-list.txt
