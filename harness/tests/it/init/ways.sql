--
-- PostgreSQL database dump
--

-- Dumped from database version 17.6
-- Dumped by pg_dump version 17.6

SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SET check_function_bodies = false;

CREATE SCHEMA app;
ALTER SCHEMA app OWNER TO app_owner;

CREATE TABLE app.orders (id integer NOT NULL, org text NOT NULL, total integer);
ALTER TABLE app.orders OWNER TO app_owner;
CREATE TABLE app.items (id integer NOT NULL, order_id integer NOT NULL, sku text);
ALTER TABLE app.items OWNER TO app_owner;
CREATE TABLE app.audit (id integer NOT NULL, at timestamp with time zone DEFAULT now() NOT NULL, what text);
ALTER TABLE app.audit OWNER TO app_owner;
CREATE TABLE app.members (id integer NOT NULL, org text NOT NULL, name text);
ALTER TABLE app.members OWNER TO app_owner;

CREATE FUNCTION app.purge(older interval) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    AS $$ DELETE FROM app.audit WHERE at < now() - older $$;
ALTER FUNCTION app.purge(older interval) OWNER TO app_owner;
CREATE FUNCTION app.record() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    AS $$ BEGIN INSERT INTO app.audit (id, what) VALUES (NEW.id, 'order'); RETURN NULL; END $$;
ALTER FUNCTION app.record() OWNER TO app_owner;
CREATE FUNCTION app.is_member(of text) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    AS $$ SELECT EXISTS (SELECT FROM app.members WHERE org = of) $$;
ALTER FUNCTION app.is_member(of text) OWNER TO app_owner;
CREATE VIEW app.member_names AS SELECT name FROM app.members;
ALTER VIEW app.member_names OWNER TO app_owner;

CREATE TABLE app.orgs (org text NOT NULL);
ALTER TABLE app.orgs OWNER TO app_owner;
CREATE SCHEMA org_a;
ALTER SCHEMA org_a OWNER TO app_owner;
CREATE SCHEMA org_b;
ALTER SCHEMA org_b OWNER TO app_owner;
CREATE TABLE org_a.notes (id integer, note text);
ALTER TABLE org_a.notes OWNER TO app_owner;
CREATE TABLE org_b.notes (id integer, note text);
ALTER TABLE org_b.notes OWNER TO app_owner;
CREATE FUNCTION org_a.count_notes() RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    AS $$ SELECT count(*) FROM notes $$;
ALTER FUNCTION org_a.count_notes() OWNER TO app_owner;

COPY app.orgs (org) FROM stdin;
a
b
\.
COPY org_a.notes (id, note) FROM stdin;
1	x
\.
COPY org_b.notes (id, note) FROM stdin;
1	y
\.
COPY app.orders (id, org, total) FROM stdin;
1	a	5
2	b	6
\.
COPY app.items (id, order_id, sku) FROM stdin;
1	1	x
2	2	y
\.
COPY app.audit (id, at, what) FROM stdin;
1	2026-01-01 00:00:00+00	order
\.
COPY app.members (id, org, name) FROM stdin;
1	a	Ada
2	b	Bea
3	a	Ann
\.

ALTER TABLE ONLY app.orders ADD CONSTRAINT orders_pkey PRIMARY KEY (id);
ALTER TABLE ONLY app.items ADD CONSTRAINT items_pkey PRIMARY KEY (id);
ALTER TABLE ONLY app.audit ADD CONSTRAINT audit_pkey PRIMARY KEY (id);
ALTER TABLE ONLY app.members ADD CONSTRAINT members_pkey PRIMARY KEY (id);
ALTER TABLE ONLY app.orgs ADD CONSTRAINT orgs_pkey PRIMARY KEY (org);
CREATE TRIGGER orders_are_recorded AFTER UPDATE ON app.orders FOR EACH ROW EXECUTE FUNCTION app.record();
ALTER TABLE ONLY app.items ADD CONSTRAINT items_of_order FOREIGN KEY (order_id) REFERENCES app.orders(id) ON DELETE CASCADE;
ALTER TABLE ONLY app.members ADD CONSTRAINT members_of_org FOREIGN KEY (org) REFERENCES app.orgs(org) ON DELETE CASCADE;
CREATE POLICY by_org ON app.members USING ((org = current_setting('app.org'::text, true)));
ALTER TABLE app.members ENABLE ROW LEVEL SECURITY;

GRANT USAGE ON SCHEMA app TO web;
GRANT USAGE ON SCHEMA app TO clerk;
GRANT SELECT,INSERT,UPDATE,DELETE ON TABLE app.orders TO web;
GRANT SELECT ON TABLE app.items TO web;
GRANT SELECT,INSERT ON TABLE app.audit TO web;
GRANT SELECT ON TABLE app.audit TO clerk;
GRANT SELECT,UPDATE ON TABLE app.orders TO clerk;
GRANT SELECT ON TABLE app.members TO web;
GRANT SELECT ON TABLE app.member_names TO web;
GRANT SELECT,DELETE ON TABLE app.orgs TO web;
GRANT USAGE ON SCHEMA org_a TO web_org_a;
GRANT USAGE ON SCHEMA org_b TO web_org_b;
GRANT SELECT,INSERT ON TABLE org_a.notes TO web_org_a;
GRANT SELECT,INSERT ON TABLE org_b.notes TO web_org_b;

--
-- PostgreSQL database dump complete
--
