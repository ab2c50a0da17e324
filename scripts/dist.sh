#!/usr/bin/env bash
# Makes a release in dist/: static binaries for x86_64 and aarch64, completions, man pages, Debian packages, a software
# bill of materials (CycloneDX), and SHA256SUMS of all of them.
#
#   scripts/dist.sh
#
# Two runs on one commit make the same bytes (scripts/reproducible.sh compares the binaries): times are the commit's, not the clock's.
# cargo-deb and cargo-cyclonedx are taken from PATH, else built once from crates.io into target/tools.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

CARGO_DEB=3.8.0
CARGO_CYCLONEDX=0.5.9
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
# Files in packages are readable by all, whatever the umask.
umask 022

# Who has made the package: DEBFULLNAME and DEBEMAIL, as for Debian's own tools, else the commit's author.
maintainer() {
  echo "${DEBFULLNAME:-$(git log -1 --format=%an)} <${DEBEMAIL:-$(git log -1 --format=%ae)}>"
}

changelog() {
  printf 'kuberescue (%s-1) unstable; urgency=medium\n\n  * See /usr/share/doc/kuberescue/changelog.gz.\n\n -- %s  %s\n' \
    "$1" "$(maintainer)" "$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")"
}

need_packages gzip lintian qemu-user binutils
deb=$(cargo_tool cargo-deb $CARGO_DEB)
cyclonedx=$(cargo_tool cargo-cyclonedx $CARGO_CYCLONEDX)
scripts/build-static.sh x86_64
scripts/build-static.sh aarch64
rm -rf dist/completions dist/man dist/package dist/SHA256SUMS dist/kuberescue.cdx.json dist/*.deb
mkdir -p dist/completions dist/man dist/package

kuberescue=dist/kuberescue-$(uname -m)-linux
"$kuberescue" completions bash >dist/completions/kuberescue
"$kuberescue" completions zsh >dist/completions/_kuberescue
"$kuberescue" completions fish >dist/completions/kuberescue.fish
"$kuberescue" man --dir dist/man >/dev/null

# The packages, from the binaries above.
version=$(cargo metadata --locked --no-deps --format-version 1 |
  sed 's/.*"name":"kuberescue","version":"\([^"]*\)".*/\1/')
changelog "$version" >dist/package/changelog
for page in dist/man/*.1; do gzip -9 -n -c "$page" >"dist/package/$(basename "$page").gz"; done
gzip -9 -n -c CHANGELOG.md >dist/package/changelog.gz
for arch in x86_64 aarch64; do
  cp "dist/kuberescue-$arch-linux" dist/package/kuberescue
  "$deb" deb --quiet --no-build --no-strip --locked --target "$arch-unknown-linux-musl" \
    --maintainer "$(maintainer)" --output dist/
done

# What is in the binaries; tests and tools are not.
"$cyclonedx" cyclonedx --quiet --format json --spec-version 1.5 --target x86_64-unknown-linux-musl \
  --no-build-deps --override-filename kuberescue.cdx
mv kuberescue.cdx.json dist/
rm -f src/issue/primes/kuberescue.cdx.json scripts/testnode/standins/kuberescue.cdx.json
rm -rf dist/package

(cd dist && find . -type f ! -name SHA256SUMS ! -name '*.new' -printf '%P\n' | LC_ALL=C sort | xargs sha256sum >SHA256SUMS)
cat dist/SHA256SUMS
