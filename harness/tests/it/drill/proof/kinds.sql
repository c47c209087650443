-- Everything whose values may be written in several ways, or that is dumped in a way of its own.
CREATE EXTENSION IF NOT EXISTS vector;
CREATE TYPE public.mood AS ENUM ('sad', 'it''s ok', 'happy');
CREATE TYPE public.pair AS (at timestamptz, note text);
CREATE DOMAIN public.moment AS timestamptz;
CREATE DOMAIN public.price AS numeric(10,2) NOT NULL;
CREATE TABLE public.times (id int PRIMARY KEY, plain timestamp, zoned timestamptz, many timestamptz[], span tstzrange, made public.pair, moment public.moment, day date, clock time, zclock timetz, iv interval);
INSERT INTO public.times SELECT i, '2026-01-01'::timestamp + i * '37 hours'::interval, '2026-01-01 00:00+00'::timestamptz + i * '37 hours'::interval,
  ARRAY['2026-03-29 01:30+00'::timestamptz, '2026-10-25 00:30+00', '2026-10-25 01:30+00', NULL], tstzrange('2026-01-01 00:00+00', '2026-07-01 00:00+00'), ROW('2026-07-01 10:00+00'::timestamptz, 'a,"b"')::public.pair,
  '2026-05-05 05:05:05.123456+00', '2026-01-01'::date + i, '10:00', '10:00+02', i * '1 day 3 hours'::interval FROM generate_series(1, 500) i;
INSERT INTO public.times (id, zoned) VALUES (1000, 'infinity'), (1001, '-infinity'), (1002, '0044-03-15 BC'), (1003, '1890-01-01 12:00:00+00'), (1004, NULL);
CREATE TABLE public.floats (r real, d double precision, n numeric, m money, ds double precision[]);
INSERT INTO public.floats SELECT random(), random() * 1e10, i / 7.0, i * 1.5, ARRAY[1e-300, 0.1, i/3.0] FROM generate_series(1, 300) i;
INSERT INTO public.floats VALUES ('NaN', 'Infinity', 'NaN', 0, '{-Infinity,NaN}'), (-0.0, 1e-310, 0.00, -1.5, '{}');
CREATE TABLE public.texts (id int, t text, c char(10), v varchar(50), j json, jb jsonb, x xml, b bytea, bi bit(5), vb varbit, bo boolean, u uuid, i inet, mo public.mood, a text[], h int[][], tv tsvector, o oid, na name, p public.price);
INSERT INTO public.texts VALUES (1, E'tab\there\nnewline\\backslash''quote"dq', 'pad', '', '{"a" : 1}', '{"b":[1,2]}', '<a>b</a>', '\x00deadbeef5c', B'10101', B'1', true, '00000000-0000-0000-0000-000000000001', '10.0.0.1/8', 'it''s ok', ARRAY['a,b', NULL, '"q"', '', 'NULL'], '{{1,2},{3,4}}', 'a fat cat', 4294967295, 'n', 12.30),
 (2, '\.', NULL, NULL, NULL, NULL, NULL, '', B'00000', B'', false, NULL, NULL, NULL, '{}', NULL, NULL, NULL, NULL, 0),
 (3, E'\r\n\b\f\v\x01', '', E'\\N', '[]', '{}', NULL, '\x', NULL, NULL, NULL, NULL, '::1', 'sad', NULL, NULL, '', 0, '', -1.5),
 (4, 'naïve 漢字 🦀 É', 'é', 'ü', '"ü"', '"ü"', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1);
INSERT INTO public.texts (id, t, p) SELECT 10 + i, repeat(md5(i::text), i * 5000), 1 FROM generate_series(1, 6) i;
CREATE TABLE public."Mixed ""Case"" (x)" ("Id ""," int, "a,b" text, "user" text DEFAULT 'x', "Plain" int);
INSERT INTO public."Mixed ""Case"" (x)" VALUES (1, 'one', 'u', 1), (2, NULL, NULL, 2);
CREATE TABLE public.nothing ();
INSERT INTO public.nothing DEFAULT VALUES; INSERT INTO public.nothing DEFAULT VALUES;
CREATE TABLE public.empty (id int, t text);
CREATE TABLE public.generated (a int, g int GENERATED ALWAYS AS (a * 2) STORED, b text, i int GENERATED ALWAYS AS IDENTITY);
INSERT INTO public.generated (a, b) SELECT i, 'b' || i FROM generate_series(1, 20) i;
CREATE TABLE public.dropped (a int, b int, c text); ALTER TABLE public.dropped DROP COLUMN b; INSERT INTO public.dropped VALUES (1, 'x'), (2, 'y');
CREATE TABLE public.parent (id int, t text); CREATE TABLE public.child (extra int) INHERITS (public.parent);
INSERT INTO public.parent VALUES (1, 'p'); INSERT INTO public.child VALUES (2, 'c', 3), (3, 'd', 4);
CREATE TABLE public.part (id int NOT NULL, at timestamptz, v text) PARTITION BY RANGE (id);
CREATE TABLE public.part_1 PARTITION OF public.part FOR VALUES FROM (1) TO (100);
CREATE TABLE public.part_2 (v text, id int NOT NULL, at timestamptz); ALTER TABLE public.part ATTACH PARTITION public.part_2 FOR VALUES FROM (100) TO (200);
CREATE TABLE public.part_3 PARTITION OF public.part FOR VALUES FROM (200) TO (300) PARTITION BY RANGE (id);
CREATE TABLE public.part_3a PARTITION OF public.part_3 FOR VALUES FROM (200) TO (250);
CREATE TABLE public.part_d PARTITION OF public.part DEFAULT;
INSERT INTO public.part SELECT i, '2026-06-01 12:00+00', 'v' || i FROM generate_series(1, 249) i; INSERT INTO public.part VALUES (1000, NULL, NULL);
CREATE TABLE public.gone PARTITION OF public.part FOR VALUES FROM (300) TO (400); INSERT INTO public.part VALUES (301, now(), 'g'); ALTER TABLE public.part DETACH PARTITION public.gone;
CREATE UNLOGGED TABLE public.unlogged (id int); INSERT INTO public.unlogged VALUES (1);
CREATE TABLE public.vectors (id int, v vector(3)); INSERT INTO public.vectors SELECT i, ARRAY[random(), random(), random()]::vector(3) FROM generate_series(1, 100) i;
CREATE TABLE public.oids (r regclass, p regprocedure, t regtype); INSERT INTO public.oids VALUES ('public.times', 'now()', 'int');
CREATE MATERIALIZED VIEW public.filled AS SELECT count(*) FROM public.times; CREATE MATERIALIZED VIEW public.unfilled AS SELECT 1 AS one WITH NO DATA;
CREATE SEQUENCE public.used; SELECT nextval('public.used'), nextval('public.used'); CREATE SEQUENCE public.fresh START 7; CREATE SEQUENCE public."It's ""Q""" INCREMENT -1;
SELECT lo_from_bytea(4711, 'a large object'), lo_from_bytea(4712, ''), lo_from_bytea(4000000000, decode(repeat('00ff5c27', 20000), 'hex'));
CREATE TABLE public.secret (id int); INSERT INTO public.secret VALUES (1), (2);
CREATE TABLE public.wide (id int); DO $$ BEGIN FOR i IN 1..600 LOOP EXECUTE format('ALTER TABLE public.wide ADD COLUMN a_rather_long_name_of_column_%s int', i); END LOOP; END $$; INSERT INTO public.wide (id, a_rather_long_name_of_column_600) VALUES (1, 2);
