# shellcheck shell=bash
# Sourced by the scripts of the test node: where things are, and what the machine must have.

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPOSITORY=$(cd "$HERE/../.." && pwd)
# shellcheck disable=SC2034 # for who sources this
# Built once, used by every node; bin/kubelet among it.
BUILT=${CARGO_TARGET_DIR:-$REPOSITORY/target}/testnode
# shellcheck disable=SC2034
# Nodes are directories below it. A real disk is best: overlayfs doesn't stack on overlayfs.
NODES=${TMPDIR:-/tmp}/kuberescue-testnode

die() {
  echo "error: $*" >&2
  exit 1
}

# Says all that is missing at once, and what to do.
need_machine() {
  local command missing=()
  [ "$(id -u)" = 0 ] || die "the test node needs root: it makes namespaces and runs containers"
  for command in containerd containerd-shim-runc-v2 ctr runc etcd etcdctl ip nsenter unshare openssl gcc strip flock; do
    command -v "$command" >/dev/null || missing+=("$command")
  done
  [ ${#missing[@]} = 0 ] || die "the test node needs ${missing[*]}: make deps"
  unshare --mount --pid --net --uts --fork true 2>/dev/null ||
    die "the test node needs its own mount, PID, network and UTS namespaces, and this machine gives none"
  grep -q '\scgroup2\?\s' /proc/mounts || die "the test node needs cgroups, and none are mounted"
}

# in_node DIR COMMAND…: runs it inside the node.
in_node() {
  local pid
  pid=$(cat "$1/pid")
  shift
  nsenter --target "$pid" --mount --pid --net --uts --wdns="$PWD" "$@"
}

# Takes a node down: its first process is killed, and with it everything that runs in it; then its cgroups and its
# directory are removed.
take_down() {
  local node=$1 pid directory
  if [ -s "$node/pid" ] && [ -s "$node/started" ]; then
    pid=$(cat "$node/pid")
    # The same process still, not another that got its number.
    if [ "$(process_start "$pid")" = "$(cat "$node/started")" ]; then
      kill -KILL "$pid" 2>/dev/null || true
    fi
  fi
  # The lock is free when the last process of the node is gone.
  flock --timeout 20 "$node/lock" true || die "$node: processes of this node are left"
  for directory in "/sys/fs/cgroup/testnode-${node##*/}" /sys/fs/cgroup/*/"testnode-${node##*/}"; do
    [ -d "$directory" ] || continue
    find "$directory" -depth -type d -exec rmdir {} + || echo "warning: $directory: not removed" >&2
  done
  [ "${2:-}" = keep ] || rm -rf --one-file-system "$node"
}

# When a process was started, in clock ticks since boot; nothing where there is none.
process_start() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  # The name in parentheses may hold anything.
  # shellcheck disable=SC2086 # to be split
  set -- ${stat##*) }
  echo "${20}"
}
