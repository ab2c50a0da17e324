#!/usr/bin/env bash
# Builds the fuzz targets and runs each of them, or the named ones, for some seconds:
#   scripts/fuzz.sh SECONDS [TARGET...]
# One line of figures for each; the exit code is not 0 when one has crashed, hung or used too much memory. What it did
# that with lies in fuzz/artifacts then. It needs stable Rust and a C++ compiler; the flags are those of
# `cargo fuzz run -s none`, which works as well.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:?usage: scripts/fuzz.sh SECONDS [TARGET...]}
shift
if [ $# -gt 0 ]; then
  targets=("$@")
else
  mapfile -t targets < <(basename -s .rs -a fuzz/fuzz_targets/*.rs)
fi

triple=$(rustc -vV | sed -n 's/^host: //p')
# With a target named, these flags are not those of build scripts and macros.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares"
# A run of seconds is there to show that a target works: its build takes longer than what better code would gain.
quick=()
if [ "$seconds" -lt 30 ]; then
  export CARGO_PROFILE_RELEASE_OPT_LEVEL=1
  quick=(--config profile.release.package.kuberescue.opt-level=0)
fi
bins=()
for target in "${targets[@]}"; do bins+=(--bin "$target"); done
(cd fuzz && cargo build --locked --quiet --release --target "$triple" --target-dir target \
  ${quick[@]+"${quick[@]}"} "${bins[@]}")

scripts/fuzz-seeds.sh fuzz/corpus

printf '%-16s %10s %9s %7s %8s %6s %s\n' target executions exec/s edges features MiB seconds
failed=0
for target in "${targets[@]}"; do
  artifacts=fuzz/artifacts/$target
  corpus=fuzz/corpus/$target
  mkdir -p "$artifacts" "$corpus"
  case $target in
    # A whole node is read for each input.
    inventory) length=65536 ;;
    archive | archive_written | etcd_database) length=65536 ;;
    *) length=16384 ;;
  esac
  log=$(mktemp)
  code=0
  begun=$SECONDS
  "fuzz/target/$triple/release/$target" "$corpus" \
    -max_total_time="$seconds" -rss_limit_mb=512 -malloc_limit_mb=128 -timeout=10 -max_len="$length" \
    -artifact_prefix="$artifacts/" -print_final_stats=1 >"$log" 2>&1 || code=$?
  took=$((SECONDS - begun))
  stat() { sed -n "s/^stat::$1: *//p" "$log" | tail -1; }
  seen() { grep -o " $1: [0-9]*" "$log" | tail -1 | grep -o '[0-9]*$' || true; }
  printf '%-16s %10s %9s %7s %8s %6s %s%s\n' "$target" "$(stat number_of_executed_units)" \
    "$(stat average_exec_per_sec)" "$(seen cov)" "$(seen ft)" "$(stat peak_rss_mb)" "$took" \
    "$([ "$code" = 0 ] || echo "  FAILED (exit $code)")"
  if [ "$code" != 0 ]; then
    failed=1
    tail -n 40 "$log" >&2
  fi
  rm -f "$log"
  rm -rf /dev/shm/kuberescue-fuzz-*
done
exit $failed
