#!/usr/bin/env bash
# Builds the static binary of the last commit in two different folders and compares the bytes: twice the time of
# `make static`.
#
#   scripts/reproducible.sh [x86_64|aarch64]
set -euo pipefail
cd "$(dirname "$0")/.."
ARCH=${1:-x86_64}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for folder in one two/and/deeper; do
  mkdir -p "$work/$folder"
  git clone -q . "$work/$folder"
  (cd "$work/$folder" && env -u CARGO_TARGET_DIR scripts/build-static.sh "$ARCH")
done
name=dist/kuberescue-$ARCH-linux
cmp "$work/one/$name" "$work/two/and/deeper/$name" || { echo "error: two builds of one commit differ" >&2; exit 1; }
sha256sum "$work/one/$name" | sed "s#$work/one/dist/#the same bytes in both folders: #"
