# shellcheck shell=bash
# Sourced by the other scripts: need_packages NAME… makes sure that Debian packages are installed.
# Nothing is asked of the network when all are there; nothing installed is ever removed for them.

need_packages() {
  local name missing=()
  if ! command -v dpkg-query >/dev/null; then
    echo "error: this script knows only Debian's packages, and there is no dpkg here" >&2
    echo "hint: install what stands behind these names by hand: $*" >&2
    return 1
  fi
  for name in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ]; then
    echo "error: missing packages: ${missing[*]}" >&2
    echo "hint: run this as root, once: apt-get install --no-install-recommends ${missing[*]}" >&2
    return 1
  fi
  echo "installing ${missing[*]}" >&2
  # The lists may be absent or old: update first, and go on with the old ones if that fails.
  apt-get update -qq >&2 || echo "warning: apt-get update failed; trying with the lists that are here" >&2
  # Debian's packages start what they install. A daemon that nobody asked for would be in the way of the test node's
  # users, and of the machine's: policy-rc.d is Debian's way to say no, for as long as this takes.
  local output policy=/usr/sbin/policy-rc.d
  if ! output=$(
    if [ ! -e "$policy" ]; then
      trap 'rm -f "$policy"' EXIT
      printf '#!/bin/sh\nexit 101\n' >"$policy"
      chmod 755 "$policy"
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o DPkg::Lock::Timeout=300 --no-install-recommends --no-remove \
      "${missing[@]}" </dev/null 2>&1
  ); then
    printf '%s\nerror: could not install %s\n' "$output" "${missing[*]}" >&2
    return 1
  fi
  # Nor at the next boot.
  for name in "${missing[@]}"; do
    case $name in
      etcd-server) systemctl disable --quiet etcd.service 2>/dev/null || true ;;
      containerd) systemctl disable --quiet containerd.service 2>/dev/null || true ;;
      openssh-server) systemctl disable --quiet ssh.service ssh.socket 2>/dev/null || true ;;
    esac
  done
}

# cargo_tool NAME VERSION prints the path of a cargo subcommand: from PATH, else built once from crates.io into
# target/tools. Unoptimised: quicker to build, and it runs for seconds.
cargo_tool() {
  local name=$1 version=$2 tools=$PWD/target/tools
  PATH=$PATH:$tools/bin command -v "$name" && return 0
  echo "building $name $version (once)" >&2
  CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --root "$tools" --version "$version" "$name" >&2
  echo "$tools/bin/$name"
}
