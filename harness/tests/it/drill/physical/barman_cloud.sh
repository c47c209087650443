# A cluster whose backup and WAL barman-cloud puts into the bucket `drills` of the server of S3 at $ENDPOINT.
export PGUSER=postgres AWS_ACCESS_KEY_ID=test-key AWS_SECRET_ACCESS_KEY=test-s3cret AWS_DEFAULT_REGION=us-east-1
cluster "barman-cloud-wal-archive --endpoint-url $ENDPOINT s3://drills main %p" --wal-segsize=1
start
mkdir space
sql "CREATE TABLESPACE space LOCATION '$1/space'"
sql 'CREATE TABLE elsewhere (id int) TABLESPACE space; INSERT INTO elsewhere VALUES (1)'
sql 'CREATE TABLE orders (id int PRIMARY KEY)'
sql 'INSERT INTO orders SELECT generate_series(1, 1000)'
barman-cloud-backup --endpoint-url "$ENDPOINT" -h "$1" -U postgres --immediate-checkpoint s3://drills main >&2
for id in 1001 1002; do
    sql "INSERT INTO orders VALUES ($id)"
    sql 'SELECT pg_switch_wal()' >/dev/null
done
"$bin/pg_ctl" -D data -w -m fast stop >/dev/null
barman-cloud-backup-list --endpoint-url "$ENDPOINT" s3://drills main | awk '$1 ~ /^20/ { print $1 }' >id
