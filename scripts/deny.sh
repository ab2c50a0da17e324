#!/usr/bin/env bash
# Checks the dependencies against deny.toml: licences, bans and sources always; known vulnerabilities where the
# advisory database can be fetched, and says so loudly where it cannot.
# cargo-deny is taken from PATH, else built once from crates.io into target/tools.
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck source=scripts/packages.sh
. scripts/packages.sh

DENY=$(cargo_tool cargo-deny 0.20.2)

"$DENY" --locked check --hide-inclusion-graph bans licenses sources

if GIT_TERMINAL_PROMPT=0 timeout "${ADVISORY_TIMEOUT:-60}" "$DENY" fetch db >/dev/null 2>&1; then
  "$DENY" --locked check --hide-inclusion-graph advisories
else
  echo "**********************************************************************" >&2
  echo "ADVISORIES NOT CHECKED: the advisory database cannot be reached from here." >&2
  echo "Run scripts/deny.sh once where it can, before a release." >&2
  echo "**********************************************************************" >&2
fi
