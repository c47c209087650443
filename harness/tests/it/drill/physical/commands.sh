# A shop with archived WAL and its base backup, which was taken before its last rows; then restore points: `good`, `prepared` with a
# prepared transaction, and a release that breaks whatever a check of any kind is about.
export PGUSER=boss
cluster "cp %p $1/wal/%f" --locale=C.UTF-8
mkdir wal space
echo 'max_prepared_transactions = 5' >>data/postgresql.conf
start
"$bin/psql" -qAtX -v ON_ERROR_STOP=1 -f shop.sql >/dev/null
sql "CREATE TABLESPACE space LOCATION '$1/space'"
sql 'ALTER TABLE shop.imports SET TABLESPACE space; ALTER ROLE shop_owner LOGIN'
sql 'CREATE UNLOGGED TABLE shop.scratch AS SELECT 1 AS id'
"$bin/pg_basebackup" -D base -F t -z -X stream -c fast
sql "INSERT INTO shop.imports VALUES ('after the base backup')"
sleep 0.1
sql "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')" >time
sql "SELECT pg_create_restore_point('good')" >/dev/null
sql "BEGIN; INSERT INTO shop.coupons VALUES ('left'); PREPARE TRANSACTION 'left'"
sql "SELECT pg_create_restore_point('prepared')" >/dev/null
sql "ROLLBACK PREPARED 'left'"
sql 'DROP TABLE shop.imports; DROP VIEW shop.order_totals'
sql 'ALTER TABLE shop.payments DISABLE ROW LEVEL SECURITY'
sql 'DROP POLICY by_org ON shop.orders; CREATE POLICY by_org ON shop.orders USING (true)'
sql 'DROP TRIGGER audit_is_not_emptied ON shop.audit'
sql 'ALTER TABLE shop.orders DISABLE TRIGGER orders_are_audited'
sql 'ALTER FUNCTION shop.audit_orders() RESET search_path'
sql 'ALTER ROLE shop_support CREATEDB'
sql 'DROP INDEX shop.customers_name_trgm'
sql 'ALTER TABLE shop.events DETACH PARTITION shop.events_default'
sql "DELETE FROM shop.events WHERE at > now() - interval '20 days'"
sql "SELECT setval('shop.orders_id_seq', 10)" >/dev/null
sql 'ALTER TABLE shop.orders DROP CONSTRAINT orders_customer_id_fkey'
sql 'UPDATE shop.orders SET customer_id = 0, total = 0 WHERE id = 5'
sql 'DELETE FROM drizzle.__drizzle_migrations WHERE id = 7'
sql "INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('x', 1760000009000)"
sql 'DROP EXTENSION pgcrypto'
sql 'SELECT pg_switch_wal()' >/dev/null
"$bin/pg_ctl" -D data -w -m fast stop >/dev/null
