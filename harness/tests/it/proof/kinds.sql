-- One of every kind of object that pg_dump writes, and names that look like what it writes around them.
CREATE SCHEMA app AUTHORIZATION kinds_owner;
CREATE SCHEMA "; Type: TABLE; Schema: x; Owner: y";
CREATE SCHEMA empty;
CREATE EXTENSION citext WITH SCHEMA public;
CREATE EXTENSION postgres_fdw WITH SCHEMA public;
CREATE SCHEMA side;
CREATE TABLE side.aside (id integer PRIMARY KEY, t text DEFAULT 'x');
INSERT INTO side.aside VALUES (1);
SET search_path = app, public;

CREATE TYPE app.mood AS ENUM ('sad', 'it''s ok', 'happy; Type: TABLE');
CREATE TYPE app.pair AS (a integer, b text COLLATE "C");
CREATE TYPE app.span AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE DOMAIN app.positive AS integer DEFAULT 1 NOT NULL CONSTRAINT is_positive CHECK (VALUE > 0);
ALTER DOMAIN app.positive ADD CONSTRAINT is_small CHECK (VALUE < 1000000) NOT VALID;
CREATE COLLATION app.german (provider = icu, locale = 'de-DE');

CREATE SEQUENCE app.loose INCREMENT BY 7 START 100 CYCLE MAXVALUE 10000;
CREATE TABLE app.customers (
    id bigint GENERATED ALWAYS AS IDENTITY (START WITH 10) PRIMARY KEY,
    email citext UNIQUE NOT NULL,
    feeling app.mood DEFAULT 'happy; Type: TABLE',
    note text COLLATE app.german DEFAULT E'two\nlines; -- Name: x; Type: TABLE; Schema: y; Owner: z',
    born date CHECK (born > '1900-01-01'),
    upper_email text GENERATED ALWAYS AS (upper(email::text)) STORED
);
CREATE TABLE app.serials (id serial, small smallserial, big bigserial, x app.positive, p app.pair, s app.span);
CREATE TABLE app."Quoted "" Name; Type: INDEX; Schema: -; Owner: -" ("a b" integer, "select" text);
CREATE TABLE app."two
lines" (id integer);
CREATE UNLOGGED TABLE app.unlogged (id integer) WITH (fillfactor = 70);
CREATE TABLE app.orders (
    id bigint NOT NULL,
    customer bigint NOT NULL REFERENCES app.customers DEFERRABLE INITIALLY DEFERRED,
    at timestamptz NOT NULL DEFAULT now(),
    amount numeric(12, 2) CONSTRAINT not_free CHECK (amount > 0),
    PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
CREATE TABLE app.orders_2025 PARTITION OF app.orders FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE app.orders_2026 PARTITION OF app.orders FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') PARTITION BY HASH (id);
CREATE TABLE app.orders_2026_0 PARTITION OF app.orders_2026 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE app.orders_2026_1 (amount numeric(12, 2) CONSTRAINT not_free CHECK (amount > 0), id bigint NOT NULL, customer bigint NOT NULL, at timestamptz NOT NULL DEFAULT now());
ALTER TABLE app.orders_2026 ATTACH PARTITION app.orders_2026_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE app.orders_rest PARTITION OF app.orders DEFAULT;
CREATE INDEX orders_amount ON app.orders (amount DESC NULLS LAST) INCLUDE (customer);
CREATE TABLE app.detached (LIKE app.orders INCLUDING ALL);
CREATE TABLE app.parent (a integer, b text DEFAULT 'p');
CREATE TABLE app.child (c integer) INHERITS (app.parent);
ALTER TABLE app.parent ADD COLUMN d integer;
ALTER TABLE app.child ALTER COLUMN b SET DEFAULT 'c';
CREATE TABLE app.rooms (id integer, during tstzrange, EXCLUDE USING gist (during WITH &&));
ALTER TABLE app.customers ADD CONSTRAINT email_has_at CHECK (email LIKE '%@%') NOT VALID;
ALTER TABLE app.serials ALTER COLUMN x SET STATISTICS 500, ALTER COLUMN x SET (n_distinct = 5);
ALTER TABLE app.customers ALTER COLUMN note SET STORAGE EXTERNAL;
ALTER TABLE app.customers REPLICA IDENTITY FULL;
CREATE TABLE app.dropped (a integer, gone integer, b integer);
ALTER TABLE app.dropped DROP COLUMN gone;
INSERT INTO app.customers (email) SELECT 'c' || i || '@example.com' FROM generate_series(1, 50) i;
INSERT INTO app.orders SELECT i, 10 + i % 50, timestamptz '2025-06-01' + i * interval '5 days', i + 1 FROM generate_series(1, 200) i;
INSERT INTO app.parent VALUES (1, 'x', 2);
SET CONSTRAINTS ALL IMMEDIATE;

CREATE INDEX customers_lower ON app.customers USING btree (lower(email::text) text_pattern_ops) WHERE feeling <> 'sad';
CREATE UNIQUE INDEX customers_born ON app.customers (born);
ALTER TABLE app.customers CLUSTER ON customers_born;
CREATE INDEX orders_brin ON app.orders_2025 USING brin (at) WITH (pages_per_range = 32);
CREATE STATISTICS app.stats (dependencies, ndistinct) ON amount, customer FROM app.orders_2025;

CREATE FUNCTION app.plain(a integer, b text DEFAULT 'x; -- Name: y') RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT a || b $$;
CREATE FUNCTION app.plain(a integer) RETURNS integer LANGUAGE sql RETURN a + 1;
CREATE FUNCTION app.body(a integer) RETURNS integer LANGUAGE sql BEGIN ATOMIC SELECT a; SELECT CASE WHEN a > 0 THEN 1 ELSE 2 END; END;
CREATE FUNCTION app.tricky() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = app, pg_temp SET work_mem = '64MB' AS $fn$
BEGIN
    -- Name: fake; Type: TABLE; Schema: app; Owner: nobody
    RAISE NOTICE 'it''s $$ quoted; %', E'\'';

--
-- Name: another; Type: VIEW; Schema: app; Owner: nobody
--
END
$fn$;
CREATE PROCEDURE app.work(INOUT a integer) LANGUAGE plpgsql AS $$ BEGIN a := a + 1; COMMIT; END $$;
CREATE FUNCTION app.add(numeric, numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 + $2';
CREATE AGGREGATE app.total(numeric) (SFUNC = app.add, STYPE = numeric, INITCOND = '0');
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE FUNCTION app.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
CREATE OPERATOR app.<+> (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = app.add, COMMUTATOR = OPERATOR(app.<+>));
CREATE FUNCTION app.add(text, text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1 || $2';
CREATE OPERATOR app.<+> (LEFTARG = text, RIGHTARG = text, FUNCTION = app.add);
CREATE OPERATOR FAMILY app.family USING btree;
CREATE OPERATOR CLASS app.class FOR TYPE integer USING btree FAMILY app.family AS OPERATOR 1 <, OPERATOR 3 =, FUNCTION 1 btint4cmp(integer, integer);
CREATE FUNCTION app.to_mood(integer) RETURNS app.mood LANGUAGE sql IMMUTABLE AS $$ SELECT 'sad'::app.mood $$;
CREATE CAST (integer AS app.mood) WITH FUNCTION app.to_mood(integer) AS ASSIGNMENT;
CREATE CONVERSION app.latin FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE TEXT SEARCH DICTIONARY app.words (TEMPLATE = simple, STOPWORDS = 'english');
CREATE TEXT SEARCH CONFIGURATION app.search (COPY = pg_catalog.english);
CREATE ACCESS METHOD other_heap TYPE TABLE HANDLER heap_tableam_handler;
CREATE TABLE app.by_other (id integer) USING other_heap;

CREATE VIEW app.simple AS SELECT id, email FROM app.customers WHERE feeling = 'it''s ok' WITH LOCAL CHECK OPTION;
CREATE VIEW app.secure WITH (security_barrier = true, security_invoker = true) AS SELECT c.id, count(o.id) AS n FROM app.customers c LEFT JOIN app.orders o ON o.customer = c.id GROUP BY c.id;
CREATE VIEW app.grouped AS SELECT c.id, c.email, c.note FROM app.customers c JOIN app.orders o ON o.customer = c.id GROUP BY c.id;
CREATE RECURSIVE VIEW app.numbers (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < 10;
CREATE MATERIALIZED VIEW app.summary AS SELECT feeling, count(*) AS n FROM app.customers GROUP BY feeling;
CREATE UNIQUE INDEX summary_feeling ON app.summary (feeling);
CREATE MATERIALIZED VIEW app.unfilled AS SELECT 1 AS one WITH NO DATA;
CREATE RULE no_delete AS ON DELETE TO app.serials DO INSTEAD NOTHING;
CREATE TRIGGER touch BEFORE INSERT OR UPDATE OF email ON app.customers FOR EACH ROW WHEN (NEW.email IS NOT NULL) EXECUTE FUNCTION app.touch('a''b', '; Type: TABLE');
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON app.customers DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.touch();
CREATE TRIGGER off AFTER DELETE ON app.customers FOR EACH STATEMENT EXECUTE FUNCTION app.touch();
ALTER TABLE app.customers DISABLE TRIGGER off;
CREATE TRIGGER parted BEFORE INSERT ON app.orders FOR EACH ROW EXECUTE FUNCTION app.touch();
ALTER TABLE app.orders_2025 DISABLE TRIGGER parted;
CREATE TRIGGER "; Type: TRIGGER; Schema: app" AFTER INSERT ON app.parent REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION app.touch();
CREATE EVENT TRIGGER watch ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION app.on_ddl();
ALTER EVENT TRIGGER watch DISABLE;

ALTER TABLE app.customers ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.orders FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON app.customers TO kinds_app USING (id = current_setting('app.tenant', true)::bigint);
CREATE POLICY only_positive ON app.orders AS RESTRICTIVE FOR SELECT TO PUBLIC USING (amount > 0);
CREATE POLICY "it's; Type: POLICY" ON app.orders FOR INSERT TO kinds_app, kinds_reader WITH CHECK (customer IS NOT NULL);

CREATE FOREIGN DATA WRAPPER nothing OPTIONS (debug 'true');
CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '192.0.2.1', dbname 'x; y');
CREATE USER MAPPING FOR kinds_app SERVER elsewhere OPTIONS (user 'u', password 'planted');
CREATE FOREIGN TABLE app.far (id integer OPTIONS (column_name 'i d'), t text) SERVER elsewhere OPTIONS (schema_name 's');
CREATE PUBLICATION a_few FOR TABLE app.customers, app.parent WITH (publish = 'insert, update');
CREATE PUBLICATION everything FOR ALL TABLES;
CREATE PUBLICATION of_schema FOR TABLES IN SCHEMA app;
CREATE SUBSCRIPTION sub CONNECTION 'host=192.0.2.1 dbname=x password=planted' PUBLICATION p WITH (connect = false, enabled = false);

ALTER DEFAULT PRIVILEGES FOR ROLE kinds_owner IN SCHEMA app GRANT SELECT ON TABLES TO kinds_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE kinds_owner GRANT USAGE ON SEQUENCES TO kinds_app;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
GRANT USAGE ON SCHEMA app TO kinds_app, kinds_reader;
GRANT SELECT, INSERT ON app.customers TO kinds_app WITH GRANT OPTION;
SET SESSION AUTHORIZATION kinds_app;
GRANT SELECT ON app.customers TO kinds_reader;
RESET SESSION AUTHORIZATION;
GRANT UPDATE (note), SELECT (email) ON app.customers TO kinds_reader;
GRANT ALL ON app.orders, app.loose TO kinds_app;
REVOKE ALL ON app.parent FROM postgres;
GRANT SELECT ON app.parent TO postgres, kinds_reader;
REVOKE EXECUTE ON FUNCTION app.tricky() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.tricky() TO kinds_app;
GRANT USAGE ON TYPE app.mood TO kinds_reader;
REVOKE USAGE ON TYPE app.positive FROM PUBLIC;
GRANT USAGE ON FOREIGN SERVER elsewhere TO kinds_app;
GRANT USAGE ON FOREIGN DATA WRAPPER nothing TO kinds_app;
GRANT USAGE ON LANGUAGE plpgsql TO kinds_app;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) TO kinds_app;
ALTER TABLE app.orders OWNER TO kinds_owner;
ALTER TABLE app.orders_2025 OWNER TO kinds_owner;
ALTER FUNCTION app.plain(integer) OWNER TO kinds_owner;
ALTER VIEW app.simple OWNER TO kinds_owner;
ALTER TYPE app.pair OWNER TO kinds_owner;

COMMENT ON SCHEMA app IS 'a comment; Type: TABLE
-- Name: fake; Type: TABLE; Schema: app; Owner: nobody
';
COMMENT ON TABLE app.customers IS 'it''s';
COMMENT ON COLUMN app.customers.note IS 'column';
COMMENT ON FUNCTION app.plain(integer) IS 'function';
COMMENT ON CONSTRAINT not_free ON app.orders IS 'constraint';
COMMENT ON TRIGGER touch ON app.customers IS 'trigger';
COMMENT ON POLICY tenant ON app.customers IS 'policy';
COMMENT ON INDEX app.customers_lower IS 'index';
COMMENT ON TYPE app.mood IS 'type';
COMMENT ON EVENT TRIGGER watch IS 'event trigger';
COMMENT ON EXTENSION citext IS 'changed';
COMMENT ON PUBLICATION a_few IS 'publication';
COMMENT ON OPERATOR app.<+> (text, text) IS 'operator';
COMMENT ON CAST (integer AS app.mood) IS 'cast';
SELECT lo_from_bytea(4711, 'a large object');
COMMENT ON LARGE OBJECT 4711 IS 'large';
GRANT SELECT ON LARGE OBJECT 4711 TO kinds_reader;
