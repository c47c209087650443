# A base backup without a manifest, of a table of more than 1 GB, which is more than one file.
export PGUSER=postgres
cluster true
echo 'max_wal_size = 4GB' >>data/postgresql.conf
start
sql 'CREATE TABLE orders (id int PRIMARY KEY, note text); ALTER TABLE orders ALTER note SET STORAGE PLAIN'
sql "INSERT INTO orders SELECT n, repeat('x', 7000) FROM generate_series(1, 140000) n"
"$bin/pg_basebackup" -D base -X stream -c fast --no-manifest
sql "SELECT pg_relation_filepath('orders')" >path
"$bin/pg_ctl" -D data -w -m fast stop >/dev/null
rm -r data
