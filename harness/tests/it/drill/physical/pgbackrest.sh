# A cluster with checksums that pushes its WAL to two repositories of pgBackRest, `repo` and the encrypted `secret`, with full, differential
# and incremental backups between its rows. $1: an empty folder of the user that runs this. Prints nothing.
set -e
cd "$1"
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
export PGHOST=$1 PGUSER=postgres PGDATABASE=shop PGBACKREST_REPO2_CIPHER_PASS=correct-horse
cat >pgbackrest.conf <<END
[global]
repo1-path=$1/repo
repo1-retention-full=9
repo2-path=$1/secret
repo2-retention-full=9
repo2-cipher-type=aes-256-cbc
lock-path=$1/lock
log-level-console=error
log-level-file=off
compress-type=lz4
start-fast=y
[main]
pg1-path=$1/data
pg1-socket-path=$1
pg1-user=postgres
END
tool() { pgbackrest --config="$1/pgbackrest.conf" --stanza=main "${@:2}"; }
sql() { "$bin/psql" -qAtX -v ON_ERROR_STOP=1 -c "$1"; }
"$bin/initdb" -D data -k -U postgres -A trust --no-sync --wal-segsize=1 >/dev/null
cat >>data/postgresql.conf <<END
archive_mode = on
archive_command = 'pgbackrest --config=$1/pgbackrest.conf --stanza=main archive-push %p'
listen_addresses = ''
unix_socket_directories = '$1'
log_timezone = 'UTC'
fsync = off
END
"$bin/pg_ctl" -D data -w -l log start >/dev/null
tool "$1" stanza-create
PGDATABASE=postgres sql 'CREATE DATABASE shop'
mkdir space
sql "CREATE TABLESPACE space LOCATION '$1/space'"
sql 'CREATE TABLE orders (id int PRIMARY KEY)'
sql 'CREATE TABLE elsewhere (id int) TABLESPACE space; INSERT INTO elsewhere VALUES (1)'
sql 'INSERT INTO orders SELECT generate_series(1, 1000)'
tool "$1" --repo=1 --type=full backup
sql 'INSERT INTO orders VALUES (1001)'
tool "$1" --repo=1 --type=diff backup
sql 'INSERT INTO orders VALUES (1002)'
tool "$1" --repo=1 --type=incr backup
tool "$1" --repo=2 --type=full backup
sql 'INSERT INTO orders VALUES (1003)'
sql "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')" >time
sleep 0.1
for id in 1004 1005 1006; do
    sql "INSERT INTO orders VALUES ($id)"
    sql 'SELECT pg_switch_wal()' >/dev/null
done
"$bin/pg_ctl" -D data -w -m fast stop >/dev/null
