# A cluster whose bootstrap superuser is `boss`, with checksums and archived WAL, its base backup, and moments that a recovery can have as
# its target.
export PGUSER=boss
cluster "cp %p $1/wal/%f"
mkdir wal
cat >>data/postgresql.conf <<END
shared_preload_libraries = 'pg_stat_statements'
max_prepared_transactions = 5
END
echo "cron.database_name = 'shop'" >>data/postgresql.auto.conf
start
mkdir space
sql "CREATE TABLESPACE space LOCATION '$1/space'"
sql 'CREATE TABLE orders (id int PRIMARY KEY, note text)'
sql "INSERT INTO orders SELECT n, repeat('x', 200) FROM generate_series(1, 3000) n"
sql 'CREATE TABLE elsewhere (id int) TABLESPACE space; INSERT INTO elsewhere VALUES (1)'
sql 'CREATE UNLOGGED TABLE scratch AS SELECT 1 AS id'
sql 'CREATE INDEX ON orders USING hash (id)'
sql "SELECT lo_from_bytea(0, decode(repeat('ab', 5000), 'hex'))" >/dev/null
sql 'CREATE TABLE redrill_canary (at timestamptz NOT NULL DEFAULT clock_timestamp(), lsn pg_lsn NOT NULL DEFAULT pg_current_wal_insert_lsn())'
sql 'CREATE ROLE app LOGIN; GRANT SELECT ON orders TO app'
sql 'VACUUM orders'
# Functions of amcheck that find nothing, in an extension with which the table would be dropped.
sql 'CREATE EXTENSION amcheck; ALTER EXTENSION amcheck ADD TABLE orders'
sql "UPDATE pg_proc SET probin = NULL, prolang = (SELECT oid FROM pg_language WHERE lanname = 'sql'),
       prosrc = CASE WHEN proretset THEN 'SELECT NULL::bigint, NULL::int, NULL::int, NULL::text WHERE false' ELSE 'SELECT' END
     WHERE oid IN (SELECT objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
                   WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass AND e.extname = 'amcheck')"
# A database that nobody may connect to.
PGDATABASE=postgres sql 'CREATE DATABASE closed'
PGDATABASE=closed sql 'CREATE TABLE kept (id int PRIMARY KEY); INSERT INTO kept VALUES (1)'
PGDATABASE=postgres sql 'ALTER DATABASE closed ALLOW_CONNECTIONS false'
"$bin/pg_basebackup" -D base -F t -z -X stream -c fast
# One of a standby.
"$bin/pg_basebackup" -D standby -R -X stream -c fast -T "$1/space=$1/space_of_standby"
cat >>standby/postgresql.auto.conf <<END
port = 5433
archive_mode = off
END
"$bin/pg_ctl" -D standby -w -l standby.log start >/dev/null
PGPORT=5433 "$bin/pg_basebackup" -D of_standby -F t -z -X stream -c fast
"$bin/pg_ctl" -D standby -w -m fast stop >/dev/null
step() { sql "INSERT INTO orders VALUES ($1, 'after the base backup')"; sql 'INSERT INTO redrill_canary DEFAULT VALUES'; }
step 4001
sql "SELECT pg_create_restore_point('before_release')" >/dev/null
step 4002
sql "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')" >time
sleep 0.1
sql "INSERT INTO orders VALUES (4003, '') RETURNING xmin" >transaction
sql 'SELECT pg_current_wal_insert_lsn()' >lsn
sql 'INSERT INTO redrill_canary DEFAULT VALUES'
sql 'BEGIN; INSERT INTO elsewhere VALUES (2); PREPARE TRANSACTION $$left$$'
sql 'SELECT pg_switch_wal()' >/dev/null
sql 'DELETE FROM orders WHERE id > 100'
sql 'CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN END$$; REVOKE ALL ON FUNCTION watch() FROM PUBLIC'
sql 'CREATE EVENT TRIGGER watch ON ddl_command_start EXECUTE FUNCTION watch(); ALTER EVENT TRIGGER watch ENABLE ALWAYS'
sql "SELECT pg_create_restore_point('watched')" >/dev/null
sql 'DROP EVENT TRIGGER watch; DROP FUNCTION watch()'
# A moment at which nobody can read a table.
sql 'BEGIN; LOCK TABLE orders; INSERT INTO orders VALUES (5000); PREPARE TRANSACTION $$locks$$'
PGDATABASE=postgres sql 'ALTER DATABASE closed ALLOW_CONNECTIONS true'
PGDATABASE=closed sql 'BEGIN; LOCK TABLE kept; INSERT INTO kept VALUES (2); PREPARE TRANSACTION $$closed$$'
PGDATABASE=postgres sql 'ALTER DATABASE closed ALLOW_CONNECTIONS false'
sql "SELECT pg_create_restore_point('locked')" >/dev/null
sql 'ROLLBACK PREPARED $$locks$$'
PGDATABASE=postgres sql 'ALTER DATABASE closed ALLOW_CONNECTIONS true'
PGDATABASE=closed sql 'ROLLBACK PREPARED $$closed$$'
PGDATABASE=postgres sql 'ALTER DATABASE closed ALLOW_CONNECTIONS false'
sql 'SELECT pg_switch_wal()' >/dev/null
"$bin/pg_ctl" -D data -w -m fast stop >/dev/null
