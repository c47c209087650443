#!/bin/bash
# A small migration tool on psql: runs each file of `up` that the history lacks, in a transaction with its line of the history, or
# without one where the first line of the file is `-- no transaction`.
#
#     migrate.sh          reads the history as it is
#     migrate.sh locked   repeats its request for a lock until it has it, and reads the history then
#     migrate.sh waits    waits for the lock, and reads the history then
#     migrate.sh always   has no history
#     migrate.sh down     runs each file of `down`
set -eu
cd "$(dirname "$0")"
PATH=$(ls -d /usr/lib/postgresql/*/bin | tail -1):$PATH

script() {
    echo "SET lock_timeout = '20s';"
    if [ "$1" = down ]; then
        cat down/*.sql
        echo "DELETE FROM app.migration WHERE version <> '000';"
        return
    fi
    case $1 in
        waits) echo "SELECT pg_advisory_lock(7);" ;;
        locked)
            echo "\\set got false"
            for _ in {1..600}; do
                printf '%s\n' '\if :got' '\else' 'SELECT pg_try_advisory_lock(7) AS got FROM pg_sleep(0.1) \gset' '\endif'
            done
            ;;
    esac
    local file version
    for file in up/*.sql; do
        [ -e "$file" ] || continue
        version=$(basename "$file" .sql)
        if [ "$1" = always ]; then
            cat "$file"
            continue
        fi
        echo "SELECT NOT EXISTS (SELECT FROM app.migration WHERE version = '$version') AS pending \\gset"
        echo "\\if :pending"
        if head -1 "$file" | grep -qx -- '-- no transaction'; then
            cat "$file"
            echo
            echo "INSERT INTO app.migration (version) VALUES ('$version');"
        else
            echo "BEGIN;"
            cat "$file"
            echo
            echo "INSERT INTO app.migration (version) VALUES ('$version');"
            echo "COMMIT;"
        fi
        echo "\\endif"
    done
}

script "${1:-up}" | psql --no-psqlrc --quiet --tuples-only --set=ON_ERROR_STOP=1 --file=-
