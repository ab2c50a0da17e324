# shellcheck shell=bash
# Sourced by the scripts of the real Kubernetes: what they share with the test node, and what they have of their own.

# shellcheck source=scripts/testnode/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../testnode/lib.sh"
# shellcheck disable=SC2034 # for who sources this
KUBERNETES=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034
NODES=${TMPDIR:-/tmp}/kuberescue-kubernetes
# In a network of its own: the same for every node.
# shellcheck disable=SC2034
ADDRESS=10.113.0.10
