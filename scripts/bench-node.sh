#!/usr/bin/env bash
# What is measured on the test node: `recover` from its start to all probes green, beside the manual procedure as a script with
# openssl and ctr (scripts/testnode/manual-procedure.sh) to the same, both in three states of an expired node:
#
#   crash-looping   the kubelet keeps dying, no container was ever started
#   rebooted        the same, with the exited containers and sandboxes of an earlier boot
#   running         everything runs, with certificates that have expired
#
# A fresh node for every run. Of recover's time, what is its own work it says itself (its last lines): all but waiting for the
# kubelet, the containers and the node to be well.
#
#   scripts/bench-node.sh [BINARY]      (make bench-node builds the binary first; RUNS=N for another number of runs)
set -euo pipefail
cd "$(dirname "$0")/.."
BINARY=$(realpath "${1:-target/release/kuberescue}")
RUNS=${RUNS:-5}
NODE=''
OUT=$(mktemp -d)
trap '[ -z "$NODE" ] || scripts/testnode/down "$NODE"; rm -rf "$OUT"' EXIT
export KUBECONFIG=/etc/kubernetes/admin.conf PATH=$PWD/target/tools:$PATH TESTNODE_BUILT=1
scripts/testnode/build
[ -x target/tools/kubectl ] || { echo "error: kubectl is needed; hint: make deps" >&2; exit 1; }

up() {
  case $1 in
    crash-looping) NODE=$(scripts/testnode/up --background --binary "$BINARY" expired-all) ;;
    rebooted | running)
      NODE=$(scripts/testnode/up --background --binary "$BINARY" --ends-in 12 expired-all)
      # Until it was well once, and its certificates have expired.
      until expired; do sleep 0.2; done
      if [ "$1" = rebooted ]; then
        scripts/testnode/down --keep "$NODE"
        NODE=$(scripts/testnode/up --background --again "$NODE")
      fi
      ;;
  esac
  # The kubelet that can't start has to be seen to have failed.
  [ "$1" = running ] || sleep 1
}

expired() {
  ! openssl x509 -checkend 0 -noout -in "$NODE/root/etc/kubernetes/pki/apiserver.crt" >/dev/null
}

seconds() { awk -v ns="$1" 'BEGIN { printf "%.2f", ns / 1e9 }'; }

printf '%d runs each; seconds to all probes green: best, median, worst\n\n' "$RUNS"
printf '| state | recover | of it its own work | manual procedure | ratio of the medians |\n| --- | --- | --- | --- | --- |\n'
for state in crash-looping rebooted running; do
  : >"$OUT/recover"; : >"$OUT/own"; : >"$OUT/manual"
  for ((run = 0; run < RUNS; run++)); do
    up "$state"
    started=$(date +%s%N)
    scripts/testnode/exec "$NODE" "$BINARY" recover --yes >"$OUT/log" 2>&1 || { cat "$OUT/log" >&2; exit 1; }
    seconds $(($(date +%s%N) - started)) >>"$OUT/recover"; echo >>"$OUT/recover"
    sed -n 's/^RECOVERED in .*(\([0-9.]*\) s of work.*/\1/p' "$OUT/log" >>"$OUT/own"
    scripts/testnode/down "$NODE"; NODE=''

    up "$state"
    started=$(date +%s%N)
    scripts/testnode/exec "$NODE" scripts/testnode/manual-procedure.sh >"$OUT/log" 2>&1 || { cat "$OUT/log" >&2; exit 1; }
    seconds $(($(date +%s%N) - started)) >>"$OUT/manual"; echo >>"$OUT/manual"
    scripts/testnode/down "$NODE"; NODE=''
  done
  for name in recover own manual; do sort -n -o "$OUT/$name" "$OUT/$name"; done
  middle=$(((RUNS + 1) / 2))
  three() { printf '%s / %s / %s' "$(head -1 "$OUT/$1")" "$(sed -n "${middle}p" "$OUT/$1")" "$(tail -1 "$OUT/$1")"; }
  ratio=$(awk -v a="$(sed -n "${middle}p" "$OUT/manual")" -v b="$(sed -n "${middle}p" "$OUT/recover")" 'BEGIN { printf "%.1f", a / b }')
  printf '| %s | %s | %s | %s | %s |\n' "$state" "$(three recover)" "$(three own)" "$(three manual)" "$ratio"
done
