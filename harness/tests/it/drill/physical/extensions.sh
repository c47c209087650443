# A cluster with a graph of Apache AGE and vectors, in the image of the server. After its base backup: the restore point `good`, then a release
# that breaks both.
export PGUSER=postgres
mkdir wal
cluster "cp %p $1/wal/%f" --locale=C.UTF-8
start
sql 'CREATE EXTENSION vector; CREATE EXTENSION age'
graph() { sql "LOAD 'age'; SET search_path = ag_catalog, public; SELECT $1" >/dev/null; }
cypher() { graph "count(*) FROM cypher('people', \$q\$ $1 \$q\$) AS (result agtype)"; }
graph "create_graph('people')"
cypher "UNWIND range(1, 20) AS n CREATE (:User {name: 'user ' + toString(n)})"
sql 'CREATE TABLE documents (id int PRIMARY KEY, embedding vector(8) NOT NULL)'
documents() {
    sql "SELECT setseed(0.5); INSERT INTO documents
         SELECT id, ARRAY(SELECT random() FROM generate_series(1, 8) WHERE id > 0)::vector FROM generate_series($1, $2) id" >/dev/null
}
documents 1 500
sql 'CREATE INDEX ON documents USING hnsw (embedding vector_cosine_ops)'
"$bin/pg_basebackup" -D base -F t -z -X stream -c fast
documents 501 600
cypher "MATCH (a:User {name: 'user 1'}), (b:User {name: 'user 2'}) CREATE (a)-[:KNOWS]->(b)"
sql "SELECT pg_create_restore_point('good')" >/dev/null
cypher "MATCH (:User)-[r:KNOWS]->(:User) DELETE r"
sql "UPDATE documents SET embedding = array_fill(0, ARRAY[8])::vector WHERE id = 7"
sql 'SELECT pg_switch_wal()' >/dev/null
"$bin/pg_ctl" -D data -w -m fast stop >/dev/null
