-- Names that hold the words, dots, quotes and line breaks of which identities are made.
CREATE ROLE "The ""Boss""";
CREATE ROLE app LOGIN;
CREATE SCHEMA app AUTHORIZATION "The ""Boss""";
CREATE SCHEMA "my.app";

CREATE TABLE app."a index b" (id integer, CONSTRAINT "c rule d" CHECK (id > 0));
CREATE TABLE app."x rule y" ("a column b" integer, CONSTRAINT checked CHECK ("a column b" > 0));
CREATE TABLE app."two
lines" (id integer, CONSTRAINT checked CHECK (id > 0));
CREATE TABLE app." ends with a space " (" " integer DEFAULT 1);
CREATE TABLE app."server" ("timestamp" timestamptz, "values" text, "position" integer);
CREATE TABLE app."it ""says"" trigger t" (id integer);
CREATE INDEX "i"" column j" ON app."it ""says"" trigger t" (id);
ALTER TABLE app."a index b" OWNER TO "The ""Boss""";

CREATE TABLE "my.app"."t.x" (id integer, kind text) PARTITION BY LIST (kind);
CREATE TABLE "my.app"."t.x_a" PARTITION OF "my.app"."t.x" FOR VALUES IN ('a');
CREATE TABLE "my.app"."t.x_b" PARTITION OF "my.app"."t.x" FOR VALUES IN ('b');
CREATE INDEX "t.id" ON "my.app"."t.x" (id);

CREATE TYPE app."odd) type" AS (a integer);
CREATE FUNCTION app."f(x)"(app."odd) type", integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE ACCESS METHOD "odd method" TYPE INDEX HANDLER bthandler;
CREATE OPERATOR FAMILY app.family USING "odd method";
