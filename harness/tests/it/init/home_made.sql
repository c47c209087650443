--
-- PostgreSQL database dump
--

-- Dumped from database version 17.6
-- Dumped by pg_dump version 17.6

SET client_encoding = 'UTF8';

CREATE SCHEMA app;
ALTER SCHEMA app OWNER TO app_owner;
GRANT USAGE ON SCHEMA app TO web;
GRANT USAGE ON SCHEMA app TO auditor;

CREATE TABLE app.schema_migrations (version text NOT NULL, name text NOT NULL, dirty boolean NOT NULL, applied_at timestamp with time zone NOT NULL);
ALTER TABLE app.schema_migrations OWNER TO app_owner;
CREATE TABLE app.orders (id bigint NOT NULL, org text NOT NULL);
ALTER TABLE app.orders OWNER TO app_owner;
CREATE SEQUENCE app.orders_id_seq;
ALTER SEQUENCE app.orders_id_seq OWNER TO app_owner;
ALTER SEQUENCE app.orders_id_seq OWNED BY app.orders.id;
CREATE TABLE app.notes (id bigint NOT NULL, org text NOT NULL);
ALTER TABLE app.notes OWNER TO app_owner;
CREATE SEQUENCE app.notes_id_seq;
ALTER SEQUENCE app.notes_id_seq OWNER TO app_owner;
ALTER SEQUENCE app.notes_id_seq OWNED BY app.notes.id;
CREATE TABLE app.posts (id bigint NOT NULL, org text NOT NULL, is_public boolean NOT NULL);
ALTER TABLE app.posts OWNER TO app_owner;
CREATE TABLE app.receipts (id integer NOT NULL, amount integer);
ALTER TABLE app.receipts OWNER TO app_owner;
CREATE TABLE app.events (id integer NOT NULL);
ALTER TABLE app.events OWNER TO app_owner;
CREATE TABLE app.events_old () INHERITS (app.events);
ALTER TABLE app.events_old OWNER TO app_owner;
CREATE MATERIALIZED VIEW app.totals AS SELECT count(*) AS count FROM app.orders WITH NO DATA;
ALTER MATERIALIZED VIEW app.totals OWNER TO app_owner;
ALTER TABLE ONLY app.orders ALTER COLUMN id SET DEFAULT nextval('app.orders_id_seq'::regclass);
ALTER TABLE ONLY app.notes ALTER COLUMN id SET DEFAULT nextval('app.notes_id_seq'::regclass);

COPY app.schema_migrations (version, name, dirty, applied_at) FROM stdin;
001	first	f	2026-01-01 00:00:00+00
002	second	f	2026-01-02 00:00:00+00
003	third	f	2026-01-03 00:00:00+00
\.
COPY app.orders (id, org) FROM stdin;
1	acme
2	acme
3	borealis
\.
COPY app.notes (id, org) FROM stdin;
1	acme
2	borealis
3	borealis
\.
COPY app.posts (id, org, is_public) FROM stdin;
1	acme	f
2	borealis	t
\.
COPY app.receipts (id, amount) FROM stdin;
1	5
\.
COPY app.events (id) FROM stdin;
\.
COPY app.events_old (id) FROM stdin;
1
2
\.
SELECT pg_catalog.setval('app.orders_id_seq', 3, true);
SELECT pg_catalog.setval('app.notes_id_seq', 1, true);
ALTER TABLE ONLY app.orders ADD CONSTRAINT orders_pkey PRIMARY KEY (id);
ALTER TABLE app.orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY by_org ON app.orders TO web USING ((org = current_setting('app.org'::text, true)));
CREATE POLICY all_rows ON app.orders FOR SELECT TO auditor USING (true);
ALTER TABLE app.posts ENABLE ROW LEVEL SECURITY;
CREATE POLICY by_org ON app.posts TO web USING ((org = current_setting('app.org'::text, true)));
CREATE POLICY shared ON app.posts FOR SELECT TO web USING (is_public);
GRANT SELECT, INSERT, UPDATE ON TABLE app.orders TO web;
GRANT SELECT, INSERT, UPDATE ON TABLE app.posts TO web;
GRANT SELECT, INSERT, UPDATE ON TABLE app.notes TO web;
GRANT SELECT ON TABLE app.orders TO auditor;
GRANT SELECT, INSERT ON TABLE app.receipts TO web;

--
-- PostgreSQL database dump complete
--
