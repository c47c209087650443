-- One of everything that a database can hold and that needs no extension, for a catalog to be read of. Versions 15 and on.
CREATE ROLE "Odd role" NOLOGIN NOINHERIT CREATEDB CONNECTION LIMIT 7 VALID UNTIL '2099-01-01 00:00:00+00';
CREATE ROLE reader LOGIN PASSWORD 'fake';
CREATE ROLE writer;
CREATE ROLE maker;
GRANT reader TO "Odd role";
GRANT writer TO reader WITH ADMIN OPTION;
ALTER ROLE reader SET work_mem = '8MB';
ALTER ROLE reader IN DATABASE plur SET search_path = app, public;
ALTER DATABASE plur SET timezone = 'UTC';
ALTER DATABASE plur SET app.jwt_secret = 'planted-secret';
REVOKE ALL ON DATABASE plur FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE plur TO reader;
COMMENT ON DATABASE plur IS 'a database';
COMMENT ON ROLE reader IS 'reads';
GRANT SET ON PARAMETER log_min_messages TO reader;

CREATE SCHEMA app AUTHORIZATION maker;
CREATE SCHEMA "Odd ""schema";
GRANT USAGE ON SCHEMA app TO reader, writer;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
COMMENT ON SCHEMA app IS 'it''s
of two lines';

ALTER DEFAULT PRIVILEGES FOR ROLE maker REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE maker IN SCHEMA app GRANT SELECT ON TABLES TO reader;
ALTER DEFAULT PRIVILEGES FOR ROLE maker GRANT USAGE ON SEQUENCES TO writer WITH GRANT OPTION;

CREATE EXTENSION citext WITH SCHEMA public;
REVOKE EXECUTE ON FUNCTION public.citext_cmp(public.citext, public.citext) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text) TO reader;
GRANT SELECT (rolname) ON pg_catalog.pg_authid TO reader;

CREATE TYPE app.status AS ENUM ('new', 'it''s', 'done');
ALTER TYPE app.status ADD VALUE 'second' AFTER 'new';
CREATE TYPE app.pair AS (a integer, b text COLLATE "C");
CREATE TYPE app.span AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE DOMAIN app.positive AS integer DEFAULT 1 NOT NULL CONSTRAINT is_positive CHECK (VALUE > 0);
ALTER DOMAIN app.positive ADD CONSTRAINT not_too_large CHECK (VALUE < 1000) NOT VALID;
CREATE COLLATION app.german (provider = libc, locale = 'C.UTF-8');
CREATE TYPE app.shell;
REVOKE USAGE ON TYPE app.pair FROM PUBLIC;

CREATE SEQUENCE app.counter AS integer START 5 INCREMENT -2 MINVALUE -100 MAXVALUE 10 CACHE 3 CYCLE;
GRANT USAGE ON SEQUENCE app.counter TO writer;

CREATE FUNCTION app.plus(a integer, b integer DEFAULT 1) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN a + b;
CREATE FUNCTION app.owner_only(app.status) RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER COST 7 ROWS 3
    SET search_path = pg_catalog AS $$
BEGIN
    RETURN NEXT 'it''s "quoted" \ and ''' || $1;
END
$$;
REVOKE ALL ON FUNCTION app.owner_only(app.status) FROM PUBLIC;
CREATE PROCEDURE app.work(IN a integer, INOUT b text) LANGUAGE plpgsql AS $$ BEGIN b := a; END $$;
CREATE FUNCTION app.fired() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE FUNCTION app.event() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE AGGREGATE app.total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0', PARALLEL = SAFE, COMBINEFUNC = int4pl);
CREATE FUNCTION app.same(app.pair, app.pair) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT ($1).a = ($2).a';
CREATE FUNCTION app.compare(app.pair, app.pair) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT ($1).a - ($2).a';
CREATE OPERATOR app.=== (LEFTARG = app.pair, RIGHTARG = app.pair, FUNCTION = app.same, COMMUTATOR = OPERATOR(app.===), RESTRICT = eqsel, JOIN = eqjoinsel, MERGES);
CREATE OPERATOR FAMILY app.pairs USING btree;
CREATE OPERATOR CLASS app.pair_ops FOR TYPE app.pair USING btree FAMILY app.pairs AS OPERATOR 3 app.===, FUNCTION 1 app.compare(app.pair, app.pair);
CREATE FUNCTION app.as_text(app.pair) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ($1).b';
CREATE CAST (app.pair AS text) WITH FUNCTION app.as_text(app.pair) AS ASSIGNMENT;
CREATE CONVERSION app.latin FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE TEXT SEARCH DICTIONARY app.simple (TEMPLATE = simple, stopwords = 'english');
CREATE TEXT SEARCH CONFIGURATION app.english (COPY = pg_catalog.english);
ALTER TEXT SEARCH CONFIGURATION app.english ALTER MAPPING FOR asciiword WITH app.simple, english_stem;
CREATE ACCESS METHOD other_heap TYPE TABLE HANDLER heap_tableam_handler;
CREATE EVENT TRIGGER watch ON ddl_command_end WHEN TAG IN ('DROP TABLE', 'CREATE TABLE') EXECUTE FUNCTION app.event();
ALTER EVENT TRIGGER watch ENABLE ALWAYS;

CREATE TABLE app.orders (
    id integer GENERATED ALWAYS AS IDENTITY (START 100 INCREMENT 10) PRIMARY KEY,
    gone integer,
    state varchar(10) DEFAULT 'new' NOT NULL CONSTRAINT known_state CHECK (state IN ('new', 'done')),
    "Amount" numeric(10, 2) DEFAULT 0.5,
    doubled numeric GENERATED ALWAYS AS ("Amount" * 2) STORED,
    note text COLLATE "C",
    raw bytea,
    span app.span,
    status app.status DEFAULT 'new'::app.status,
    CONSTRAINT no_overlap EXCLUDE USING gist (span WITH &&),
    CONSTRAINT note_key UNIQUE NULLS NOT DISTINCT (note, id) DEFERRABLE INITIALLY DEFERRED
) WITH (fillfactor = 70, toast.autovacuum_enabled = false);
ALTER TABLE app.orders DROP COLUMN gone;
ALTER TABLE app.orders ALTER COLUMN note SET STORAGE external, ALTER COLUMN note SET STATISTICS 500,
    ALTER COLUMN raw SET COMPRESSION pglz, ALTER COLUMN state SET (n_distinct = 5);
ALTER TABLE app.orders ADD CONSTRAINT later CHECK (id > 0) NOT VALID;
ALTER TABLE app.orders REPLICA IDENTITY FULL;
ALTER TABLE app.orders CLUSTER ON orders_pkey;
CREATE INDEX orders_expression ON app.orders (lower(note), id DESC) INCLUDE (state) WHERE state IN ('new', 'done');
ALTER INDEX app.orders_expression ALTER COLUMN 1 SET STATISTICS 300;
CREATE STATISTICS app.together (dependencies, mcv) ON state, status FROM app.orders;
ALTER STATISTICS app.together SET STATISTICS 50;
CREATE TRIGGER fired BEFORE UPDATE OF note ON app.orders FOR EACH ROW WHEN (old.note IS DISTINCT FROM new.note) EXECUTE FUNCTION app.fired('it''s');
ALTER TABLE app.orders DISABLE TRIGGER fired;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON app.orders DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.fired();
CREATE RULE kept AS ON DELETE TO app.orders DO INSTEAD NOTHING;
ALTER TABLE app.orders DISABLE RULE kept;
ALTER TABLE app.orders ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY mine ON app.orders TO writer, reader USING (note = CURRENT_USER) WITH CHECK (id > 0);
CREATE POLICY never ON app.orders AS RESTRICTIVE FOR DELETE USING (false);
GRANT SELECT, UPDATE ON app.orders TO reader WITH GRANT OPTION;
GRANT SELECT ON app.orders TO PUBLIC;
GRANT INSERT (note), UPDATE (note) ON app.orders TO writer;
COMMENT ON TABLE app.orders IS 'orders';
COMMENT ON COLUMN app.orders.note IS 'a note';
COMMENT ON CONSTRAINT later ON app.orders IS 'later';
COMMENT ON INDEX app.orders_pkey IS 'the key';
COMMENT ON TRIGGER fired ON app.orders IS 'fires';
COMMENT ON POLICY mine ON app.orders IS 'mine';

CREATE UNLOGGED TABLE app.lines (
    order_id integer REFERENCES app.orders ON DELETE CASCADE,
    pair app.pair,
    size app.positive,
    id bigserial UNIQUE,
    CONSTRAINT not_both CHECK (order_id > 0) NO INHERIT
);
ALTER TABLE app.lines OWNER TO maker;
REVOKE TRUNCATE ON app.lines FROM maker;
CREATE TABLE app.typed OF app.pair (a PRIMARY KEY);
CREATE TABLE app.child (extra text) INHERITS (app.lines);

CREATE TABLE app.events (at date NOT NULL, id integer, kind text, note text, order_id integer REFERENCES app.orders, PRIMARY KEY (at, id, kind))
    PARTITION BY RANGE (at);
CREATE TABLE app.events_1 PARTITION OF app.events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01') PARTITION BY LIST (kind);
CREATE TABLE app.events_1_a PARTITION OF app.events_1 FOR VALUES IN ('a');
CREATE TABLE app.events_1_rest PARTITION OF app.events_1 DEFAULT;
CREATE TABLE app.events_2 (note text, id integer NOT NULL, kind text NOT NULL, dropped integer, order_id integer, at date NOT NULL,
    CONSTRAINT named_here FOREIGN KEY (order_id) REFERENCES app.orders);
ALTER TABLE app.events_2 DROP COLUMN dropped;
ALTER TABLE app.events ATTACH PARTITION app.events_2 FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE INDEX events_note ON app.events (note);
CREATE TRIGGER fired AFTER INSERT ON app.events FOR EACH ROW EXECUTE FUNCTION app.fired();
ALTER TABLE app.events_1_a DISABLE TRIGGER fired;
ALTER TABLE app.events_2 ENABLE REPLICA TRIGGER fired;
CREATE TABLE app.about_events (at date, id integer, kind text, FOREIGN KEY (at, id, kind) REFERENCES app.events);
CREATE TABLE app.self (id integer PRIMARY KEY, up integer REFERENCES app.self DEFERRABLE);

CREATE VIEW app.seen WITH (security_barrier = true, security_invoker = true) AS
    SELECT id, upper(note) AS note FROM app.orders WHERE state = ANY (ARRAY['new', 'done']) WITH LOCAL CHECK OPTION;
ALTER VIEW app.seen ALTER COLUMN note SET DEFAULT 'none';
CREATE VIEW app.changed AS SELECT * FROM app.lines;
CREATE FUNCTION app.instead() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER instead INSTEAD OF INSERT ON app.changed FOR EACH ROW EXECUTE FUNCTION app.instead();
GRANT SELECT ON app.seen TO reader;
CREATE MATERIALIZED VIEW app.filled AS SELECT id FROM app.orders;
CREATE UNIQUE INDEX filled_id ON app.filled (id);
CREATE MATERIALIZED VIEW app.empty AS SELECT id FROM app.orders WITH NO DATA;
CREATE TABLE "Odd ""schema"."Odd.table ' column" ("Odd "" column" integer CHECK ("Odd "" column" > 0), "select" text);
CREATE INDEX "Odd index" ON "Odd ""schema"."Odd.table ' column" ("select");

CREATE FOREIGN DATA WRAPPER nothing OPTIONS (a 'b');
CREATE SERVER elsewhere TYPE 'x' VERSION '1' FOREIGN DATA WRAPPER nothing OPTIONS (host 'h', password 'planted-password');
CREATE USER MAPPING FOR reader SERVER elsewhere OPTIONS (user 'them', password 'planted-password');
CREATE FOREIGN TABLE app.far (id integer OPTIONS (name 'x') NOT NULL, b text DEFAULT 'c') SERVER elsewhere OPTIONS (table_name 't');
GRANT USAGE ON FOREIGN SERVER elsewhere TO reader;

CREATE PUBLICATION a_part FOR TABLE app.orders (id, note) WHERE (id > 0), TABLE app.self WITH (publish = 'insert, delete');
CREATE PUBLICATION of_schema FOR TABLES IN SCHEMA app WITH (publish_via_partition_root);
CREATE PUBLICATION of_all FOR ALL TABLES;
SELECT lo_create(4711), lo_create(4712);
GRANT SELECT ON LARGE OBJECT 4711 TO reader;
INSERT INTO app.orders (state, note) VALUES ('new', 'a'), ('done', 'b');
