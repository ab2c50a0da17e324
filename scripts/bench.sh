#!/usr/bin/env bash
# What kuberescue takes, beside the tools that do the same, each command as a whole process, in turn: wall time (best, median,
# worst), CPU time and peak memory. docs/performance.md has the results.
#
#   scripts/bench.sh [BINARY] [PART…]     parts: renew archives etcd logs curves; all without one
#   RUNS=N                                 runs of each command (15; at most 3 of those that take seconds)
set -euo pipefail
cd "$(dirname "$0")/.."
BINARY=$(realpath "${1:-target/release/kuberescue}")
export BINARY
shift || true

for tool in openssl python3 tar gzip sha256sum grep etcd etcdctl "$BINARY"; do
  command -v "$tool" >/dev/null || { echo "error: $tool is needed for the benchmark" >&2; exit 1; }
done

printf '%s cores (%s), load %s\n' "$(nproc)" "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(cut -d' ' -f1 /proc/loadavg)"
printf '%s, %d KiB; %s\n' "$("$BINARY" --version)" "$(($(stat -c %s "$BINARY") / 1024))" "$(openssl version | cut -d'(' -f1)"
for part in "${@:-renew archives etcd logs curves}"; do
  for one in $part; do python3 -B "scripts/bench/$one.py"; done
done
