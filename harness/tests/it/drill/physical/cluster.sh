# What the fixtures of this folder begin with. $1: an empty folder of the user that runs this, for everything. Prints nothing.
set -e
cd "$1"
folder=$1
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
export PGHOST=$1 PGDATABASE=shop
sql() { "$bin/psql" -qAtX -v ON_ERROR_STOP=1 -c "$1"; }
# Makes a cluster with checksums in `data`, of the superuser PGUSER: `cluster ARCHIVE_COMMAND [OPTION OF INITDB…]`.
cluster() {
    "$bin/initdb" -D data -k -U "$PGUSER" -A trust --no-sync "${@:2}" >/dev/null
    cat >>data/postgresql.conf <<END
archive_mode = on
archive_command = '$1'
listen_addresses = ''
unix_socket_directories = '$folder'
log_timezone = 'UTC'
fsync = off
END
}
# Starts it, with the database `shop`.
start() {
    "$bin/pg_ctl" -D data -w -l log start >/dev/null
    PGDATABASE=postgres sql 'CREATE DATABASE shop'
}
