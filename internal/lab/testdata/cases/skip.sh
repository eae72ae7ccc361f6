echo no such device >&2
exit 77
