# A cluster whose WAL is summarized and archived; a chain of data folders (`full`, `first`, `second`) with what pg_combinebackup makes of it
# (`combined`); a chain of tar files with a tablespace of its own (`tars/full`, `tars/first`); and rows after each.
export PGUSER=postgres
cluster "cp %p $1/wal/%f" --wal-segsize=1
mkdir wal tars space
cat >>data/postgresql.conf <<END
summarize_wal = on
allow_in_place_tablespaces = on
autovacuum = off
END
start
base() { "$bin/pg_basebackup" -X stream -c fast "$@"; }
fill() { sql "INSERT INTO $1 SELECT n, repeat('x', 200) FROM generate_series($2, $3) n"; }
table() { sql "CREATE TABLE $1 (id int PRIMARY KEY, note text) $2"; fill "$1" 1 3000; }
table orders
table unchanged
table shrunk
table emptied
table dropped
sql "CREATE TABLESPACE inside LOCATION ''"
table within 'TABLESPACE inside'
base -D full
fill orders 3001 3010
sql 'DELETE FROM shrunk WHERE id > 100; DROP TABLE dropped'
sql 'VACUUM shrunk'
table created
sql "UPDATE within SET note = 'first' WHERE id = 1"
base -D first --incremental=full/backup_manifest
sql "UPDATE within SET note = 'second' WHERE id = 2000"
fill shrunk 3001 3010
sql 'TRUNCATE emptied; DELETE FROM created WHERE id > 10'
sql 'VACUUM created'
fill emptied 1 7
base -D second --incremental=first/backup_manifest
"$bin/pg_combinebackup" full first second -o combined
sql "INSERT INTO orders VALUES (4001, 'after the chain')"
sql "SELECT pg_create_restore_point('after_the_chain')" >/dev/null
sql "CREATE TABLESPACE outside LOCATION '$1/space'"
table without 'TABLESPACE outside'
base -D tars/full -F t -z
sql "UPDATE without SET note = 'first' WHERE id = 1"
base -D tars/first -F t -z --incremental=tars/full/backup_manifest
sql "INSERT INTO orders VALUES (4002, 'after both chains')"
sql 'SELECT pg_switch_wal()' >/dev/null
"$bin/pg_ctl" -D data -w -m fast stop >/dev/null
