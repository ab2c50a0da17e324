#!/usr/bin/env bash
# What is measured: `archive verify DIR` of 1,000 archives, copies of one of each tree in testdata/nodes (a control-plane node
# with all its files; two thirds of them have expired certificates): CPU time (user + system) and peak memory, as a table and
# as JSON, best and worst of three runs each.
#
#   scripts/bench-archives.sh [BINARY]
set -euo pipefail
cd "$(dirname "$0")/.."
BINARY=$(realpath "${1:-target/release/kuberescue}")
AT=2026-11-24

command -v /usr/bin/time >/dev/null || { echo "error: /usr/bin/time is needed for the benchmark" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/made" "$work/backups" "$work/empty"
for tree in testdata/nodes/*.tar.gz; do
  name=$(basename "$tree" .tar.gz)
  mkdir "$work/root"
  tar -xzf "$tree" -C "$work/root"
  mv "$("$BINARY" archive create --root "$work/root" --archive-dir "$work/made" 2>/dev/null)" "$work/made/$name.tar.gz"
  rm -rf "$work/root"
done
archives=("$work"/made/*)
for ((index = 0; index < 1000; index++)); do
  cp "${archives[index % ${#archives[@]}]}" "$work/backups/$index.tar.gz"
done

"$BINARY" archive verify "$work/backups" --root "$work/empty" --at "$AT" | tail -n 1 || true
for format in table json; do
  for _ in 1 2 3; do
    # Exit 1: not every one is READY.
    /usr/bin/time -o "$work/used" -f "%U %S %M" "$BINARY" archive verify "$work/backups" --root "$work/empty" --at "$AT" -o "$format" >/dev/null 2>&1 || [ $? = 1 ]
    grep -v 'exited with' "$work/used"
  done | awk -v format="$format" '{ cpu = $1 + $2; if (!best || cpu < best) best = cpu; if (cpu > worst) worst = cpu; if ($3 > peak) peak = $3 }
    END { printf "%s: %.2f to %.2f s of CPU, %.1f MiB (aims: 10 s, 32 MiB)\n", format, best, worst, peak / 1024 }'
done
