#!/usr/bin/env bash
# Makes a release of the commit that is checked out, in target/dist/:
#
#     redrill-VERSION-TARGET.tar.gz     the program, completions, manual pages, licence
#     redrill-VERSION-image.tar.gz      a container image with PostgreSQL and the program, where an engine answers
#     redrill-VERSION.cdx.json          what it is linked with (CycloneDX)
#     SHA256SUMS
#
#     ci/release.sh                     static with musl where Rust has that target, otherwise for the glibc of this machine
#     ci/release.sh v0.1.0              also requires that this is the version
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. ci/setup.sh

need_cargo
version=$(cargo metadata --no-deps --format-version 1 --locked | sed -n 's/.*"name":"redrill","version":"\([^"]*\)".*/\1/p')
[ -n "$version" ] || die "cargo metadata names no version of redrill"
if [ $# -gt 0 ] && [ "$1" != "v$version" ]; then
    die "the tag is $1, and Cargo.toml has version $version: change one of them"
fi
machine=$(uname -m)
target=$machine-unknown-linux-musl
libraries=$(rustc --print target-libdir --target "$target" 2>/dev/null || true)
if [ -d "$libraries" ]; then
    command -v musl-gcc >/dev/null || install_packages musl-tools
    # The C of the compressors and of the cryptography.
    export "CC_${target//-/_}=musl-gcc"
else
    target=$machine-unknown-linux-gnu
    say "no static program: \`rustup target add $machine-unknown-linux-musl\` makes it possible; this one needs $(ldd --version 2>&1 | sed -n 1p)"
fi

built=$(realpath -m "${CARGO_TARGET_DIR:-target}")
dist=$built/dist
name=redrill-$version-$target
rm -rf "$dist"
mkdir -p "$dist/$name"

say "building for $target"
cargo build --package redrill --bin redrill --release --locked --quiet --target "$target"
program=$built/$target/release/redrill
if [[ $target == *-musl ]] && readelf --program-headers "$program" | grep -q INTERP; then
    die "$program is not static"
fi
[ "$("$program" --version)" = "redrill $version" ] || die "$program is not version $version"
cp "$program" LICENSE README.md CHANGELOG.md "$dist/$name/"
cp -r ci/release/completions ci/release/man "$dist/$name/"
# The same content gives the same archive.
tar --create --directory "$dist" --sort=name --owner=0 --group=0 --numeric-owner \
    --mtime="@$(git log -1 --format=%ct)" "$name" | gzip --no-name > "$dist/$name.tar.gz"
rm -rf "${dist:?}/$name"

need_cyclonedx() {
    local cyclonedx=0.5.9
    command -v cargo-cyclonedx >/dev/null ||
        cargo install --quiet --locked --version "$cyclonedx" cargo-cyclonedx ||
        die "cargo-cyclonedx could not be installed: cargo install --locked --version $cyclonedx cargo-cyclonedx"
}
say "listing what it is linked with"
need_cyclonedx
cargo cyclonedx --quiet --manifest-path harness/Cargo.toml --format json --target "$target" \
    --override-filename "redrill-$version.cdx"
mv "harness/redrill-$version.cdx.json" "$dist/"
# A list of nothing would be valid, too.
grep -q '"bomFormat": *"CycloneDX"' "$dist/redrill-$version.cdx.json" &&
    grep -q '"name": *"tokio"' "$dist/redrill-$version.cdx.json" ||
    die "redrill-$version.cdx.json is not the list of what redrill is linked with"
# It writes one for each member of the workspace.
git ls-files --others --exclude-standard -z -- "*redrill-$version.cdx.json" | xargs --null --no-run-if-empty rm

# A drill in the image, of a backup of three rows, as a pod runs it: as postgres, without a network.
drill_in_image() {
    mkdir "$context/drill"
    printf '%s\n' '--' '-- PostgreSQL database dump' '--' '' '-- Dumped from database version 17.6' '' \
        'CREATE SCHEMA shop;' 'CREATE TABLE shop.orders (id integer);' 'COPY shop.orders (id) FROM stdin;' 1 2 3 '\.' '' \
        '--' '-- PostgreSQL database dump complete' '--' > "$context/drill/orders.sql"
    printf '%s\n' 'schema = 1' 'name = "orders"' '[backup]' 'path = "orders.sql"' '[server.local]' 'trusted-backup = true' \
        '[[check.row-count]]' 'table = "shop.orders"' 'exact = 3' > "$context/drill/orders.toml"
    chmod -R a+rX "$context"
    docker run --rm --network none --user 999:999 --volume "$context/drill:/drills:ro" "redrill:$version" \
        redrill run /drills/orders.toml --server local --no-state --reports /tmp/reports --work-dir /tmp >"$context/log" 2>&1
}

if has_engine; then
    say "making the image"
    ci/image.sh 17
    context=$(mktemp -d)
    bare=
    trap 'rm -rf "$context"; [ -z "$bare" ] || docker image rm "$bare" >/dev/null' EXIT
    cp ci/pipelines/Dockerfile "$program" "$context/"
    docker build --quiet --build-arg POSTGRES=redrill/postgres:17 --tag "redrill:$version" "$context" >/dev/null
    [ "$(docker run --rm --network none "redrill:$version" redrill --version)" = "redrill $version" ] ||
        die "the program does not run in the image"
    drill_in_image || die "a drill in the image ended with $?: $(cat "$context/log")"
    if [[ $target == *-musl ]]; then
        # Nothing else is in this one, not even a C library.
        bare=$(tar --create --directory "$(dirname "$program")" redrill | docker import -)
        [ "$(docker run --rm --network none "$bare" /redrill --version)" = "redrill $version" ] ||
            die "the program needs something that is not in it"
    fi
    docker save "redrill:$version" | gzip --no-name > "$dist/redrill-$version-image.tar.gz"
else
    say "no container engine answers: no image"
fi

(cd "$dist" && sha256sum -- * > SHA256SUMS.new && mv SHA256SUMS.new SHA256SUMS && sha256sum --check --quiet SHA256SUMS)
cat "$dist/SHA256SUMS"
