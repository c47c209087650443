--
-- PostgreSQL database dump
--

\restrict jvvmbuvNul0WA7m3WoerWS6L5y1XOLSZUzkz7uXUxwK7EjoTj7pofEQqACorYJJ

-- Dumped from database version 15.20 (Debian 15.20-0+deb12u1)
-- Dumped by pg_dump version 15.20 (Debian 15.20-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: app; Type: SCHEMA; Schema: -; Owner: app
--

CREATE SCHEMA app;


ALTER SCHEMA app OWNER TO app;

--
-- Name: pg_cron; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS pg_cron WITH SCHEMA public;


--
-- Name: EXTENSION pg_cron; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION pg_cron IS 'Job scheduler for PostgreSQL';


--
-- Name: plan(); Type: FUNCTION; Schema: app; Owner: postgres
--

CREATE FUNCTION app.plan() RETURNS bigint
    LANGUAGE plpgsql
    AS $$ begin return cron.schedule('0 3 * * *', 'select app.prune()'); end $$;


ALTER FUNCTION app.plan() OWNER TO postgres;

--
-- Name: prune(); Type: FUNCTION; Schema: app; Owner: postgres
--

CREATE FUNCTION app.prune() RETURNS void
    LANGUAGE sql
    AS $$delete from app.events where at < now() - interval '90 days'$$;


ALTER FUNCTION app.prune() OWNER TO postgres;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: events; Type: TABLE; Schema: app; Owner: postgres
--

CREATE TABLE app.events (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    what text NOT NULL
);


ALTER TABLE app.events OWNER TO postgres;

--
-- Name: events_id_seq; Type: SEQUENCE; Schema: app; Owner: postgres
--

ALTER TABLE app.events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME app.events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Data for Name: events; Type: TABLE DATA; Schema: app; Owner: postgres
--

COPY app.events (id, at, what) FROM stdin;
1	2026-01-01 01:00:00+00	e1
2	2026-01-01 02:00:00+00	e2
3	2026-01-01 03:00:00+00	e3
4	2026-01-01 04:00:00+00	e4
5	2026-01-01 05:00:00+00	e5
6	2026-01-01 06:00:00+00	e6
7	2026-01-01 07:00:00+00	e7
8	2026-01-01 08:00:00+00	e8
9	2026-01-01 09:00:00+00	e9
10	2026-01-01 10:00:00+00	e10
11	2026-01-01 11:00:00+00	e11
12	2026-01-01 12:00:00+00	e12
13	2026-01-01 13:00:00+00	e13
14	2026-01-01 14:00:00+00	e14
15	2026-01-01 15:00:00+00	e15
16	2026-01-01 16:00:00+00	e16
17	2026-01-01 17:00:00+00	e17
18	2026-01-01 18:00:00+00	e18
19	2026-01-01 19:00:00+00	e19
20	2026-01-01 20:00:00+00	e20
\.


--
-- Data for Name: job; Type: TABLE DATA; Schema: cron; Owner: postgres
--

COPY cron.job (jobid, schedule, command, nodename, nodeport, database, username, active, jobname) FROM stdin;
1	0 3 * * *	select app.prune()	localhost	5432	plur	postgres	t	prune
2	0 4 * * *	vacuum app.events	localhost	5432	plur	postgres	t	\N
\.


--
-- Data for Name: job_run_details; Type: TABLE DATA; Schema: cron; Owner: postgres
--

COPY cron.job_run_details (jobid, runid, job_pid, database, username, command, status, return_message, start_time, end_time) FROM stdin;
1	1	\N	\N	\N	select app.prune()	succeeded	\N	\N	\N
\.


--
-- Name: events_id_seq; Type: SEQUENCE SET; Schema: app; Owner: postgres
--

SELECT pg_catalog.setval('app.events_id_seq', 20, true);


--
-- Name: jobid_seq; Type: SEQUENCE SET; Schema: cron; Owner: postgres
--

SELECT pg_catalog.setval('cron.jobid_seq', 2, true);


--
-- Name: runid_seq; Type: SEQUENCE SET; Schema: cron; Owner: postgres
--

SELECT pg_catalog.setval('cron.runid_seq', 1, false);


--
-- Name: events events_pkey; Type: CONSTRAINT; Schema: app; Owner: postgres
--

ALTER TABLE ONLY app.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (id);


--
-- Name: SCHEMA cron; Type: ACL; Schema: -; Owner: postgres
--

GRANT USAGE ON SCHEMA cron TO app;


--
-- Name: FUNCTION schedule(schedule text, command text); Type: ACL; Schema: cron; Owner: postgres
--

GRANT ALL ON FUNCTION cron.schedule(schedule text, command text) TO app;


--
-- Name: TABLE job; Type: ACL; Schema: cron; Owner: postgres
--

GRANT SELECT ON TABLE cron.job TO app;


--
-- PostgreSQL database dump complete
--

\unrestrict jvvmbuvNul0WA7m3WoerWS6L5y1XOLSZUzkz7uXUxwK7EjoTj7pofEQqACorYJJ

