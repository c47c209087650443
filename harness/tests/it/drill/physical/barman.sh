# A cluster that Barman backs up, and its archived WAL.
export PGUSER=postgres
cat >barman.conf <<END
[barman]
barman_user = $(id -un)
barman_home = $1/barman
barman_lock_directory = $1/lock
log_file = $1/barman.log
configuration_files_directory = $1/none
[main]
description = "shop"
conninfo = host=$1 user=postgres dbname=postgres
streaming_conninfo = host=$1 user=postgres
backup_method = postgres
backup_directory = $1/barman/main
archiver = on
path_prefix = $bin
END
mkdir barman lock none
barman() { command barman -q -c barman.conf "$@" >&2; }
mkdir -p barman/main/incoming
cluster "cp %p $1/barman/main/incoming/%f" --wal-segsize=1
start
sql 'CREATE TABLE orders (id int PRIMARY KEY)'
sql 'INSERT INTO orders SELECT generate_series(1, 1000)'
sql 'SELECT pg_switch_wal()' >/dev/null
barman archive-wal main
barman backup main --immediate-checkpoint
for id in 1001 1002 1003; do
    sql "INSERT INTO orders VALUES ($id)"
    sql 'SELECT pg_switch_wal()' >/dev/null
done
"$bin/pg_ctl" -D data -w -m fast stop >/dev/null
barman archive-wal main
