#!/usr/bin/env bash
# The main job on a copy of a real kubeadm node whose certificates have all expired: before, the plan, the recovery, after.
# Works on a temporary directory; the machine it runs on is not touched.
#
#   scripts/demo.sh [BINARY]      (make demo builds one first)
set -euo pipefail
cd "$(dirname "$0")/.."
BINARY=$(realpath "${1:-target/release/kuberescue}")
TREE=$PWD/testdata/nodes/expired-all.tar.gz

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/node"
ln -s "$BINARY" "$work/bin/kuberescue"
export PATH="$work/bin:$PATH"
tar -xzf "$TREE" -C "$work/node"
cd "$work"

# Shows a command, runs it and insists on its exit code.
step() {
  local expected=$1 code=0
  shift
  printf '\n$ %s\n' "$*"
  "$@" || code=$?
  if [ "$code" != "$expected" ]; then
    printf 'error: the demo expected exit code %s, not %s\n' "$expected" "$code" >&2
    exit 1
  fi
}

# What kubeadm issues must be valid afterwards; anything else on the node may still have a finding.
check_recovered() {
  local code=0
  printf '\n$ kuberescue certs check-expiration --root node\n'
  kuberescue certs check-expiration --root node >after.txt || code=$?
  cat after.txt
  # kubeadm's tables are the first two; each ends with an empty line.
  if [ "$code" -gt 1 ] || awk 'NF == 0 { blank++ } blank < 2' after.txt | grep -q '<invalid>'; then
    echo "error: a certificate of kubeadm's is still expired (exit code $code)" >&2
    exit 1
  fi
}

echo "A control-plane node whose certificates expired on 2024-12-31, unpacked into node/."
step 1 kuberescue certs check-expiration --root node
echo
echo "The plan (nothing is written):"
step 0 kuberescue recover --root node --dry-run
echo
echo "The repair: archive, verify it, reissue, replace, check."
started=$(date +%s%N)
step 0 kuberescue recover --root node --yes
took=$((($(date +%s%N) - started) / 1000000))
check_recovered
echo
for name in apiserver etcd/server front-proxy-client; do
  case $name in etcd/*) ca=etcd/ca ;; front-proxy*) ca=front-proxy-ca ;; *) ca=ca ;; esac
  if command -v openssl >/dev/null; then
    openssl verify -CAfile "node/etc/kubernetes/pki/$ca.crt" "node/etc/kubernetes/pki/$name.crt"
  fi
done
printf '\nRecovered in %d ms. The old state is in node/var/lib/kuberescue/.\n' "$took"
