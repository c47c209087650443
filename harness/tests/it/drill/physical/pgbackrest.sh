# A cluster that pushes its WAL to two repositories of pgBackRest, `repo` and the encrypted `secret`, with full, differential and incremental
# backups between its rows.
export PGUSER=postgres PGBACKREST_REPO2_CIPHER_PASS=correct-horse
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
tool() { pgbackrest --config="$folder/pgbackrest.conf" --stanza=main "$@"; }
cluster "pgbackrest --config=$1/pgbackrest.conf --stanza=main archive-push %p" --wal-segsize=1
start
tool stanza-create
mkdir space
sql "CREATE TABLESPACE space LOCATION '$1/space'"
sql 'CREATE TABLE orders (id int PRIMARY KEY)'
sql 'CREATE TABLE elsewhere (id int) TABLESPACE space; INSERT INTO elsewhere VALUES (1)'
sql 'INSERT INTO orders SELECT generate_series(1, 1000)'
tool --repo=1 --type=full backup
sql 'INSERT INTO orders VALUES (1001)'
tool --repo=1 --type=diff backup
moment() { sql "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"; }
# Backups are selected by whole seconds.
sleep 1.1
moment >early
sql 'SELECT pg_current_wal_insert_lsn()' >early_lsn
sql 'INSERT INTO orders VALUES (1002)'
tool --repo=1 --type=incr backup
tool --repo=2 --type=full backup
sql 'INSERT INTO orders VALUES (1003)'
moment >time
sleep 0.1
for id in 1004 1005 1006; do
    sql "INSERT INTO orders VALUES ($id)"
    sql 'SELECT pg_switch_wal()' >/dev/null
done
"$bin/pg_ctl" -D data -w -m fast stop >/dev/null
