# Databases in every encoding, with names and rows that are not ASCII. Reads lines `ENCODING KIND NAME`: the kind is
# `server` for an encoding of the database, `client` for one of the dump alone, `unnamed` for names in ASCII.
set -e
mkdir -p /tmp/dumps/{plain,custom,inserts,changed,changed-custom,unread}
cd /tmp/dumps
sql() { psql -qX -v ON_ERROR_STOP=1 "$@" >/dev/null; }
while read -r encoding kind name; do
    database=$(echo "$encoding" | tr A-Z_ a-z-)
    server=$encoding
    [ "$kind" = server ] || [ "$encoding" = SQL_ASCII ] || [ "$encoding" = EUC_TW ] || [ "$encoding" = EUC_JIS_2004 ] || server=UTF8
    table=$name
    [ "$kind" != unnamed ] || table=plain
    psql -qXc "CREATE DATABASE \"$database\" TEMPLATE template0 ENCODING '$server' LOCALE 'C'"
    export PGCLIENTENCODING=UTF8
    sql -d "$database" <<SQL
CREATE TABLE public."t $table" (id integer PRIMARY KEY, "$table" text DEFAULT '$name');
INSERT INTO public."t $table" SELECT i, 'it''s \\ ' || repeat('$name', i) || E'\\\\' FROM generate_series(1, 3) i;
INSERT INTO public."t $table" VALUES (4, '$name\\');
COMMENT ON TABLE public."t $table" IS '$name \\ $name';
CREATE SEQUENCE public."s $table" START 7;
SELECT nextval('public."s $table"');
SQL
    as=--encoding=$encoding
    unset PGCLIENTENCODING
    pg_dump $as "$database" >"plain/$database.sql"
    pg_dump $as --format=custom "$database" >"custom/$database.dump"
    pg_dump $as --inserts "$database" >"inserts/$database.sql"
    # An index whose function deletes a row of another table when it is built.
    PGCLIENTENCODING=UTF8 sql -d "$database" <<SQL
CREATE FUNCTION public.lose() RETURNS void LANGUAGE plpgsql AS \$\$ BEGIN DELETE FROM public."t $table" WHERE id = 4; END \$\$;
CREATE FUNCTION public.f(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN PERFORM public.lose(); RETURN 1; END \$\$;
CREATE TABLE public.zz (id integer);
INSERT INTO public.zz VALUES (1);
CREATE INDEX zz_f ON public.zz (public.f(id));
INSERT INTO public."t $table" VALUES (4, '$name\\');
SQL
    pg_dump $as "$database" >"changed/$database.sql"
    pg_dump $as --format=custom "$database" >"changed-custom/$database.dump"
    if [ "$kind" = unnamed ]; then
        PGCLIENTENCODING=UTF8 sql -d "$database" -c "CREATE TABLE public.\"u $name\" ()"
        pg_dump $as "$database" >"unread/$database.sql"
        pg_dump $as --format=custom "$database" >"unread/$database.dump"
    fi
done
# Bytes of no encoding, and the internal one, which cannot be converted to UTF-8.
psql -qXc "CREATE DATABASE bytes TEMPLATE template0 ENCODING SQL_ASCII LOCALE 'C'"
psql -qXc "CREATE DATABASE mule TEMPLATE template0 ENCODING MULE_INTERNAL LOCALE 'C'"
export PGCLIENTENCODING=LATIN1
for database in bytes mule; do
    printf 'CREATE TABLE public."gr\366\337e" (id integer); INSERT INTO public."gr\366\337e" VALUES (1);' | sql -d $database
    PGCLIENTENCODING= pg_dump $database >unread/$database.sql
    PGCLIENTENCODING= pg_dump --format=custom $database >unread/$database.dump
done
