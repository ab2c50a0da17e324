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
  local output
  if ! output=$(DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends --no-remove \
    "${missing[@]}" </dev/null 2>&1); then
    printf '%s\nerror: could not install %s\n' "$output" "${missing[*]}" >&2
    return 1
  fi
}
