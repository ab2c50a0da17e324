#!/usr/bin/env bash
# Builds the static binary that is copied onto a node: dist/kuberescue-ARCH-linux (musl, stripped, no interpreter).
#
#   scripts/build-static.sh [x86_64|aarch64]
#
# Two ways, the first that is there:
#  1. the Rust toolchain in use has the musl target (`rustup target add x86_64-unknown-linux-musl`, done by you);
#  2. Debian 12's own packages: rustc-web and cargo-web as the compiler, std built from rust-web-src, musl-dev's
#     libc and start files, gcc's unwinder (see dl_find_object.c).
# No toolchain is ever downloaded by this script; missing Debian packages are installed when it runs as root.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh
export RUSTUP_AUTO_INSTALL=0

ARCH=${1:-x86_64}
HOST=$(uname -m)
case $ARCH in
  x86_64 | aarch64) ;;
  *) echo "usage: $0 [x86_64|aarch64]" >&2; exit 2 ;;
esac
TARGET=$ARCH-unknown-linux-musl
TARGET_ENV=${TARGET//-/_}
# Another compiler version than the native build may use: its own target directory, so that neither undoes the other's. One for
# each architecture: cargo lets one build at a time into a directory.
BUILD=${CARGO_TARGET_DIR:-$PWD/target}/static
export CARGO_TARGET_DIR=$BUILD/$ARCH
SYSROOT=$BUILD/musl-sysroot/$ARCH
OUT=dist/kuberescue-$ARCH-linux
SECONDS=0

toolchain_has_target() {
  local rustc lib
  rustc=$(command -v "${RUSTC:-rustc}") || return 1
  if command -v rustup >/dev/null && [ -z "${RUSTC:-}" ]; then
    rustup target list --installed 2>/dev/null | grep -qx "$TARGET" && return 0
  fi
  lib=$("$rustc" --print target-libdir --target "$TARGET" 2>/dev/null) && compgen -G "$lib/libstd-*.rlib" >/dev/null
}

# Way 1. ring's C and assembly want a musl compiler; the linker and the start files are Rust's own.
use_installed_target() {
  echo "static: the installed $TARGET target" >&2
  CARGO=(cargo)
  STD=()
  FLAGS="-C target-feature=+crt-static -C link-self-contained=yes"
  if [ "$ARCH" = "$HOST" ]; then
    TCC=musl-gcc
    command -v musl-gcc >/dev/null || need_packages musl-tools gcc
  else
    TCC=$ARCH-linux-musl-gcc
    if ! command -v "$TCC" >/dev/null; then
      TCC=$ARCH-linux-gnu-gcc
      command -v "$TCC" >/dev/null || need_packages "gcc-${ARCH/_/-}-linux-gnu"
    fi
    export "CARGO_TARGET_${TARGET_ENV^^}_LINKER=$TCC"
  fi
}

# Way 2.
use_debian_packages() {
  echo "static: the Rust in use has no $TARGET target; building std with Debian's packages" >&2
  echo "hint: quicker, where the network allows it: rustup target add $TARGET" >&2
  need_packages rustc-web cargo-web rust-web-src musl-dev musl-tools gcc binutils libc6-dev
  CARGO=(/usr/bin/cargo)
  # -Zbuild-std is not yet stable; the variable lets Debian's stable compiler take it.
  export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1
  # Without the code for backtraces, which a stripped binary doesn't have, and with smaller sorts. Built for speed it is no larger
  # than for size, as what is in line is seen through.
  STD=("-Zbuild-std=std,panic_abort" "-Zbuild-std-features=optimize_for_size")
  local crate
  for crate in core alloc std; do STD+=(--config "profile.release.package.$crate.opt-level=2"); done
  mkdir -p "$SYSROOT"
  if [ "$ARCH" = "$HOST" ]; then
    GCC=gcc
    TCC=musl-gcc
    MUSL=/usr/lib/$ARCH-linux-musl
  elif [ "$ARCH" = aarch64 ]; then
    GCC=aarch64-linux-gnu-gcc
    need_packages gcc-aarch64-linux-gnu libc6-dev-arm64-cross
    fetch_musl_arm64
    TCC=$SYSROOT/musl-gcc
  else
    echo "error: $ARCH from $HOST is not supported; build it on a $ARCH machine" >&2
    exit 1
  fi

  # What the linker takes as the target's own files: musl's start files and libc, gcc's crtbegin and libgcc.
  local file gccdir
  gccdir=$(dirname "$("$GCC" -print-libgcc-file-name)")
  for file in crt1.o rcrt1.o crti.o crtn.o libc.a libm.a libpthread.a libdl.a librt.a libutil.a libresolv.a; do
    ln -sf "$MUSL/$file" "$SYSROOT/$file"
  done
  for file in crtbegin.o crtbeginS.o crtend.o crtendS.o libgcc.a libgcc_eh.a; do
    ln -sf "$gccdir/$file" "$SYSROOT/$file"
  done
  "$TCC" -O2 -fPIC -c scripts/dl_find_object.c -o "$SYSROOT/dl_find_object.o"
  rm -f "$SYSROOT/libunwind.a"
  cp -L "$gccdir/libgcc_eh.a" "$SYSROOT/libunwind.a"
  chmod u+w "$SYSROOT/libunwind.a"
  ar qs "$SYSROOT/libunwind.a" "$SYSROOT/dl_find_object.o"

  # link-self-contained picks rcrt1.o (static-pie) from the sysroot; musl-gcc as the linker would pick Scrt1.o.
  FLAGS="-C target-feature=+crt-static -C link-self-contained=yes -L native=$SYSROOT -C link-arg=-lgcc"
  export "CARGO_TARGET_${TARGET_ENV^^}_LINKER=$GCC"
}

# musl-dev:arm64 unpacked beside the build, without `dpkg --add-architecture` on the whole machine.
fetch_musl_arm64() {
  local apt=$BUILD/musl-sysroot/apt root=$BUILD/musl-sysroot/apt/root options
  MUSL=$root/usr/lib/aarch64-linux-musl
  if [ ! -e "$MUSL/libc.a" ]; then
    mkdir -p "$apt"/lists/partial "$apt"/cache/archives/partial
    options=(-o APT::Architectures::=amd64 -o APT::Architectures::=arm64
      -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root)
    apt-get "${options[@]}" update -qq >&2
    (cd "$apt" && apt-get "${options[@]}" download -qq musl-dev:arm64 >&2 && dpkg -x musl-dev_*_arm64.deb root)
  fi
  sed -e "s#/usr/lib/aarch64-linux-musl#$MUSL#g" \
    -e "s#/usr/include/aarch64-linux-musl#$root/usr/include/aarch64-linux-musl#g" \
    "$MUSL/musl-gcc.specs" >"$SYSROOT/musl.specs"
  printf '#!/bin/sh\nexec aarch64-linux-gnu-gcc "$@" -specs "%s"\n' "$SYSROOT/musl.specs" >"$SYSROOT/musl-gcc"
  chmod +x "$SYSROOT/musl-gcc"
}

# A static binary asks for no interpreter and needs no library; anything else would not start on a bare node.
assert_static() {
  local headers dynamic
  need_packages binutils
  headers=$(readelf -lW "$1")
  dynamic=$(readelf -dW "$1")
  if grep -q INTERP <<<"$headers" || grep -q NEEDED <<<"$dynamic"; then
    echo "error: $1 is not static:" >&2
    grep -E 'INTERP|interpreter|NEEDED' <<<"$headers$dynamic" >&2
    return 1
  fi
  if readelf -SW "$1" | grep -qE '\.(symtab|debug_info)'; then
    echo "error: $1 is not stripped" >&2
    return 1
  fi
}

if toolchain_has_target; then use_installed_target; else use_debian_packages; fi
export "CC_$TARGET_ENV=$TCC" "AR_$TARGET_ENV=ar"
# Nothing unwinds where a panic aborts, and a stripped binary has no backtrace: without the tables it is 0.8 MiB smaller.
FLAGS="$FLAGS -C force-unwind-tables=no"
# No path of the machine that builds goes into the binary.
export RUSTFLAGS="$FLAGS --remap-path-prefix=$PWD=. --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
"${CARGO[@]}" build --locked --release --bin kuberescue --target "$TARGET" ${STD[@]+"${STD[@]}"}

BUILT=$CARGO_TARGET_DIR/$TARGET/release/kuberescue
assert_static "$BUILT"
mkdir -p dist
# Renamed into place: a test that runs the old one keeps it.
install -m 755 "$BUILT" "$OUT.new"
mv -f "$OUT.new" "$OUT"
if command -v file >/dev/null; then file "$OUT"; fi
bytes=$(stat -c %s "$OUT")
printf '%s: %d bytes (%d.%02d MiB), built in %d s\n' "$OUT" "$bytes" $((bytes / 1048576)) $((bytes % 1048576 * 100 / 1048576)) "$SECONDS"
