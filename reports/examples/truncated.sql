--
-- PostgreSQL database dump
--

\restrict DJ3XrkVO27GBCjmDrHbCnGJsmTSet4qtXJKfDbFcwbKtof8mdMGb6chrH76tzPJ

-- Dumped from database version 17.12 (Debian 17.12-0+deb13u1)
-- Dumped by pg_dump version 17.12 (Debian 17.12-0+deb13u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: public; Type: SCHEMA; Schema: -; Owner: powernode
--

-- *not* creating schema, since initdb creates it


ALTER SCHEMA public OWNER TO powernode;

--
-- Name: pgcrypto; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS pgcrypto WITH SCHEMA public;


--
-- Name: EXTENSION pgcrypto; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION pgcrypto IS 'cryptographic functions';


--
-- Name: vector; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;


--
-- Name: EXTENSION vector; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION vector IS 'vector data type and ivfflat and hnsw access methods';


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: accounts; Type: TABLE; Schema: public; Owner: powernode
--

CREATE TABLE public.accounts (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    name character varying NOT NULL,
    subdomain character varying NOT NULL,
    status character varying DEFAULT 'active'::character varying NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);


ALTER TABLE public.accounts OWNER TO powernode;

--
-- Name: ai_agent_executions; Type: TABLE; Schema: public; Owner: powernode
--

CREATE TABLE public.ai_agent_executions (
    id bigint NOT NULL,
    ai_agent_id uuid NOT NULL,
    status character varying NOT NULL,
    started_at timestamp(6) without time zone,
    finished_at timestamp(6) without time zone,
    CONSTRAINT ai_agent_executions_status_check CHECK (((status)::text = ANY ((ARRAY['queued'::character varying, 'running'::character varying, 'done'::character varying, 'failed'::character varying])::text[])))
);


ALTER TABLE public.ai_agent_executions OWNER TO powernode;

--
-- Name: ai_agent_executions_id_seq; Type: SEQUENCE; Schema: public; Owner: powernode
--

CREATE SEQUENCE public.ai_agent_executions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


ALTER SEQUENCE public.ai_agent_executions_id_seq OWNER TO powernode;

--
-- Name: ai_agent_executions_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: powernode
--

ALTER SEQUENCE public.ai_agent_executions_id_seq OWNED BY public.ai_agent_executions.id;


--
-- Name: ai_agents; Type: TABLE; Schema: public; Owner: powernode
--

CREATE TABLE public.ai_agents (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    account_id uuid NOT NULL,
    creator_id uuid,
    name character varying NOT NULL,
    configuration jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);


ALTER TABLE public.ai_agents OWNER TO powernode;

--
-- Name: ai_knowledge_graph_nodes; Type: TABLE; Schema: public; Owner: powernode
--

CREATE TABLE public.ai_knowledge_graph_nodes (
    id bigint NOT NULL,
    account_id uuid NOT NULL,
    label character varying NOT NULL,
    embedding public.vector(1536),
    created_at timestamp(6) without time zone NOT NULL
);


ALTER TABLE public.ai_knowledge_graph_nodes OWNER TO powernode;

--
-- Name: ai_knowledge_graph_nodes_id_seq; Type: SEQUENCE; Schema: public; Owner: powernode
--

CREATE SEQUENCE public.ai_knowledge_graph_nodes_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


ALTER SEQUENCE public.ai_knowledge_graph_nodes_id_seq OWNER TO powernode;

--
-- Name: ai_knowledge_graph_nodes_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: powernode
--

ALTER SEQUENCE public.ai_knowledge_graph_nodes_id_seq OWNED BY public.ai_knowledge_graph_nodes.id;


--
-- Name: ai_shared_knowledges; Type: TABLE; Schema: public; Owner: powernode
--

CREATE TABLE public.ai_shared_knowledges (
    id bigint NOT NULL,
    account_id uuid NOT NULL,
    title character varying NOT NULL,
    content text NOT NULL,
    embedding public.vector(768),
    created_at timestamp(6) without time zone NOT NULL
);


ALTER TABLE public.ai_shared_knowledges OWNER TO powernode;

--
-- Name: ai_shared_knowledges_id_seq; Type: SEQUENCE; Schema: public; Owner: powernode
--

CREATE SEQUENCE public.ai_shared_knowledges_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


ALTER SEQUENCE public.ai_shared_knowledges_id_seq OWNER TO powernode;

--
-- Name: ai_shared_knowledges_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: powernode
--

ALTER SEQUENCE public.ai_shared_knowledges_id_seq OWNED BY public.ai_shared_knowledges.id;


--
-- Name: ar_internal_metadata; Type: TABLE; Schema: public; Owner: powernode
--

CREATE TABLE public.ar_internal_metadata (
    key character varying NOT NULL,
    value character varying,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);


ALTER TABLE public.ar_internal_metadata OWNER TO powernode;

--
-- Name: audit_logs; Type: TABLE; Schema: public; Owner: powernode
--

CREATE TABLE public.audit_logs (
    id bigint NOT NULL,
    account_id uuid NOT NULL,
    user_id uuid,
    action character varying NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp(6) without time zone NOT NULL
);


ALTER TABLE public.audit_logs OWNER TO powernode;

--
-- Name: audit_logs_id_seq; Type: SEQUENCE; Schema: public; Owner: powernode
--

CREATE SEQUENCE public.audit_logs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


ALTER SEQUENCE public.audit_logs_id_seq OWNER TO powernode;

--
-- Name: audit_logs_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: powernode
--

ALTER SEQUENCE public.audit_logs_id_seq OWNED BY public.audit_logs.id;


--
-- Name: conversations; Type: TABLE; Schema: public; Owner: powernode
--

CREATE TABLE public.conversations (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id uuid NOT NULL,
    ai_agent_id uuid NOT NULL,
    title character varying,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);


ALTER TABLE public.conversations OWNER TO powernode;

--
-- Name: messages; Type: TABLE; Schema: public; Owner: powernode
--

CREATE TABLE public.messages (
    id bigint NOT NULL,
    conversation_id uuid NOT NULL,
    role character varying NOT NULL,
    content text NOT NULL,
    created_at timestamp(6) without time zone NOT NULL
);


ALTER TABLE public.messages OWNER TO powernode;

--
-- Name: messages_id_seq; Type: SEQUENCE; Schema: public; Owner: powernode
--

CREATE SEQUENCE public.messages_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


ALTER SEQUENCE public.messages_id_seq OWNER TO powernode;

--
-- Name: messages_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: powernode
--

ALTER SEQUENCE public.messages_id_seq OWNED BY public.messages.id;


--
-- Name: schema_migrations; Type: TABLE; Schema: public; Owner: powernode
--

CREATE TABLE public.schema_migrations (
    version character varying NOT NULL
);


ALTER TABLE public.schema_migrations OWNER TO powernode;

--
-- Name: users; Type: TABLE; Schema: public; Owner: powernode
--

CREATE TABLE public.users (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    account_id uuid NOT NULL,
    email character varying NOT NULL,
    password_digest character varying NOT NULL,
    name character varying NOT NULL,
    locked_at timestamp(6) without time zone,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);


ALTER TABLE public.users OWNER TO powernode;

--
-- Name: ai_agent_executions id; Type: DEFAULT; Schema: public; Owner: powernode
--

ALTER TABLE ONLY public.ai_agent_executions ALTER COLUMN id SET DEFAULT nextval('public.ai_agent_executions_id_seq'::regclass);


--
-- Name: ai_knowledge_graph_nodes id; Type: DEFAULT; Schema: public; Owner: powernode
--

ALTER TABLE ONLY public.ai_knowledge_graph_nodes ALTER COLUMN id SET DEFAULT nextval('public.ai_knowledge_graph_nodes_id_seq'::regclass);


--
-- Name: ai_shared_knowledges id; Type: DEFAULT; Schema: public; Owner: powernode
--

ALTER TABLE ONLY public.ai_shared_knowledges ALTER COLUMN id SET DEFAULT nextval('public.ai_shared_knowledges_id_seq'::regclass);


--
-- Name: audit_logs id; Type: DEFAULT; Schema: public; Owner: powernode
--

ALTER TABLE ONLY public.audit_logs ALTER COLUMN id SET DEFAULT nextval('public.audit_logs_id_seq'::regclass);


--
-- Name: messages id; Type: DEFAULT; Schema: public; Owner: powernode
--

ALTER TABLE ONLY public.messages ALTER COLUMN id SET DEFAULT nextval('public.messages_id_seq'::regclass);


--
-- Data for Name: accounts; Type: TABLE DATA; Schema: public; Owner: powernode
--

COPY public.accounts (id, name, subdomain, status, created_at, updated_at) FROM stdin;
809d7aea-9eac-f339-b2e3-5e3c8ae0a57c	Account 1	account-1	active	2026-05-16 08:00:00	2026-05-16 08:00:00
93189e2c-4c7b-1a2c-7b16-a24d5daa98a9	Account 2	account-2	active	2026-05-16 08:00:00	2026-05-16 08:00:00
fbcd0ff0-529a-3dd9-b733-884b30941297	Account 3	account-3	active	2026-05-16 08:00:00	2026-05-16 08:00:00
201e9991-afe9-0c65-e13b-08b53fb695de	Account 4	account-4	active	2026-05-16 08:00:00	2026-05-16 08:00:00
7ea4950f-63c9-8336-0c86-3bd5d1608944	Account 5	account-5	suspended	2026-05-17 08:00:00	2026-05-17 08:00:00
1cdbb994-54d8-6b60-323f-5d77f6a65c9b	Account 6	account-6	active	2026-05-17 08:00:00	2026-05-17 08:00:00
dcca285d-f857-47fe-608b-9dd8416a376f	Account 7	account-7	active	2026-05-17 08:00:00	2026-05-17 08:00:00
1f503043-085b-329a-5eb2-0753ebb7c1bf	Account 8	account-8	active	2026-05-17 08:00:00	2026-05-17 08:00:00
6d25c53f-7d5a-b5bf-7ea8-dae2638c5d44	Account 9	account-9	active	2026-05-18 08:00:00	2026-05-18 08:00:00
fe3754ab-dd35-6619-9952-da378d7dbf4f	Account 10	account-10	suspended	2026-05-18 08:00:00	2026-05-18 08:00:00
c16442d0-1921-2ece-c3ac-3a169153c71f	Account 11	account-11	active	2026-05-18 08:00:00	2026-05-18 08:00:00
2cc2857e-152c-bb96-96fa-4108e67bccd6	Account 12	account-12	active	2026-05-18 08:00:00	2026-05-18 08:00:00
\.


--
-- Data for Name: ai_agent_executions; Type: TABLE DATA; Schema: public; Owner: powernode
--

COPY public.ai_agent_executions (id, ai_agent_id, status, started_at, finished_at) FROM stdin;
1	b1a4a6b0-1cc2-97d4-677c-4ca6656e14d7	failed	2026-05-16 08:01:00	2026-05-16 08:02:00
2	6f097a44-7415-dd50-30d5-79a9051165f0	done	2026-05-16 08:02:00	2026-05-16 08:04:00
3	0d7745d5-7a8a-e3fc-acdd-9fe6e54cac8a	running	2026-05-16 08:03:00	\N
4	4954764b-2e2b-f297-bbec-4d8fbc9a46a7	done	2026-05-16 08:04:00	2026-05-16 08:08:00
5	a7d38aa5-8663-21a4-d592-144c8444e1d8	failed	2026-05-16 08:05:00	2026-05-16 08:10:00
6	565a88fa-bb53-3be6-0c21-0f1caaa99518	done	2026-05-16 08:06:00	2026-05-16 08:12:00
7	069303f3-35b7-1aac-51cb-5fa32a4344d7	running	2026-05-16 08:07:00	\N
8	cd6a742b-492e-1527-18d3-bb007e7e2bba	done	2026-05-16 08:08:00	2026-05-16 08:16:00
9	9ca7a239-2000-2083-d215-3241c8b6ce7c	failed	2026-05-16 08:09:00	2026-05-16 08:18:00
10	d3b9b1bd-73de-94cd-4d23-1423d4b3c406	done	2026-05-16 08:10:00	2026-05-16 08:20:00
11	0ca6a595-70a3-f786-3a84-622cf2e91174	running	2026-05-16 08:11:00	\N
12	83a87fd7-56ab-5719-9c0b-b6d5e11168cb	done	2026-05-16 08:12:00	2026-05-16 08:24:00
13	b1a4a6b0-1cc2-97d4-677c-4ca6656e14d7	failed	2026-05-16 08:13:00	2026-05-16 08:26:00
14	6f097a44-7415-dd50-30d5-79a9051165f0	done	2026-05-16 08:14:00	2026-05-16 08:28:00
15	0d7745d5-7a8a-e3fc-acdd-9fe6e54cac8a	running	2026-05-16 08:15:00	\N
16	4954764b-2e2b-f297-bbec-4d8fbc9a46a7	done	2026-05-16 08:16:00	2026-05-16 08:32:00
17	a7d38aa5-8663-21a4-d592-144c8444e1d8	failed	2026-05-16 08:17:00	2026-05-16 08:34:00
18	565a88fa-bb53-3be6-0c21-0f1caaa99518	done	2026-05-16 08:18:00	2026-05-16 08:36:00
19	069303f3-35b7-1aac-51cb-5fa32a4344d7	running	2026-05-16 08:19:00	\N
20	cd6a742b-492e-1527-18d3-bb007e7e2bba	done	2026-05-16 08:20:00	2026-05-16 08:40:00
21	9ca7a239-2000-2083-d215-3241c8b6ce7c	failed	2026-05-16 08:21:00	2026-05-16 08:42:00
22	d3b9b1bd-73de-94cd-4d23-1423d4b3c406	done	2026-05-16 08:22:00	2026-05-16 08:44:00
23	0ca6a595-70a3-f786-3a84-622cf2e91174	running	2026-05-16 08:23:00	\N
24	83a87fd7-56ab-5719-9c0b-b6d5e11168cb	done	2026-05-16 08:24:00	2026-05-16 08:48:00
25	b1a4a6b0-1cc2-97d4-677c-4ca6656e14d7	failed	2026-05-16 08:25:00	2026-05-16 08:50:00
26	6f097a44-7415-dd50-30d5-79a9051165f0	done	2026-05-16 08:26:00	2026-05-16 08:52:00
27	0d7745d5-7a8a-e3fc-acdd-9fe6e54cac8a	running	2026-05-16 08:27:00	\N
28	4954764b-2e2b-f297-bbec-4d8fbc9a46a7	done	2026-05-16 08:28:00	2026-05-16 08:56:00
29	a7d38aa5-8663-21a4-d592-144c8444e1d8	failed	2026-05-16 08:29:00	2026-05-16 08:58:00
30	565a88fa-bb53-3be6-0c21-0f1caaa99518	done	2026-05-16 08:30:00	2026-05-16 09:00:00
31	069303f3-35b7-1aac-51cb-5fa32a4344d7	running	2026-05-16 08:31:00	\N
32	cd6a742b-492e-1527-18d3-bb007e7e2bba	done	2026-05-16 08:32:00	2026-05-16 09:04:00
33	9ca7a239-2000-2083-d215-3241c8b6ce7c	failed	2026-05-16 08:33:00	2026-05-16 09:06:00
34	d3b9b1bd-73de-94cd-4d23-1423d4b3c406	done	2026-05-16 08:34:00	2026-05-16 09:08:00
35	0ca6a595-70a3-f786-3a84-622cf2e91174	running	2026-05-16 08:35:00	\N
36	83a87fd7-56ab-5719-9c0b-b6d5e11168cb	done	2026-05-16 08:36:00	2026-05-16 09:12:00
37	b1a4a6b0-1cc2-97d4-677c-4ca6656e14d7	failed	2026-05-16 08:37:00	2026-05-16 09:14:00
38	6f097a44-7415-dd50-30d5-79a9051165f0	done	2026-05-16 08:38:00	2026-05-16 09:16:00
39	0d7745d5-7a8a-e3fc-acdd-9fe6e54cac8a	running	2026-05-16 08:39:00	\N
40	4954764b-2e2b-f297-bbec-4d8fbc9a46a7	done	2026-05-16 08:40:00	2026-05-16 09:20:00
41	b1a4a6b0-1cc2-97d4-677c-4ca6656e14d7	failed	2026-05-17 08:01:00	2026-05-17 08:02:00
42	6f097a44-7415-dd50-30d5-79a9051165f0	done	2026-05-17 08:02:00	2026-05-17 08:04:00
43	0d7745d5-7a8a-e3fc-acdd-9fe6e54cac8a	running	2026-05-17 08:03:00	\N
44	4954764b-2e2b-f297-bbec-4d8fbc9a46a7	done	2026-05-17 08:04:00	2026-05-17 08:08:00
45	a7d38aa5-8663-21a4-d592-144c8444e1d8	failed	2026-05-17 08:05:00	2026-05-17 08:10:00
46	565a88fa-bb53-3be6-0c21-0f1caaa99518	done	2026-05-17 08:06:00	2026-05-17 08:12:00
47	069303f3-35b7-1aac-51cb-5fa32a4344d7	running	2026-05-17 08:07:00	\N
48	cd6a742b-492e-1527-18d3-bb007e7e2bba	done	2026-05-17 08:08:00	2026-05-17 08:16:00
49	9ca7a239-2000-2083-d215-3241c8b6ce7c	failed	2026-05-17 08:09:00	2026-05-17 08:18:00
50	d3b9b1bd-73de-94cd-4d23-1423d4b3c406	done	2026-05-17 08:10:00	2026-05-17 08:20:00
51	0ca6a595-70a3-f786-3a84-622cf2e91174	running	2026-05-17 08:11:00	\N
52	53c6ec14-04ae-6d26-e71a-2927cbe3bb01	done	2026-05-17 08:12:00	2026-05-17 08:24:00
53	f0b41254-65de-1697-d00a-5c930ad2a3c1	failed	2026-05-17 08:13:00	2026-05-17 08:26:00
54	eed4047e-fbb8-466a-1559-0377aaa8ec97	done	2026-05-17 08:14:00	2026-05-17 08:28:00
55	a40c87b8-1af3-7f0a-5b12-9d1665b23e49	running	2026-05-17 08:15:00	\N
56	280c16f8-2e20-e651-245c-6cb07915833b	done	2026-05-17 08:16:00	2026-05-17 08:32:00
57	2bfbb6fa-02f7-2ab1-bbdc-199a0ed9044b	failed	2026-05-17 08:17:00	2026-05-17 08:34:00
58	1052de85-df15-3310-2a68-86d6ae6f5af5	done	2026-05-17 08:18:00	2026-05-17 08:36:00
59	a05af4ba-68c3-cc44-8abb-6afb588f9af7	running	2026-05-17 08:19:00	\N
60	16e21ff0-470e-0836-165c-083db5251f15	done	2026-05-17 08:20:00	2026-05-17 08:40:00
61	79152801-4b76-c207-7daf-171f20ebec8d	failed	2026-05-17 08:21:00	2026-05-17 08:42:00
62	1a70aa9f-b6a3-361d-ebff-6fd49e9e30f9	done	2026-05-17 08:22:00	2026-05-17 08:44:00
63	50aae316-291a-7a0a-0637-3a0944a2b0f9	running	2026-05-17 08:23:00	\N
64	83a87fd7-56ab-5719-9c0b-b6d5e11168cb	done	2026-05-17 08:24:00	2026-05-17 08:48:00
65	b1a4a6b0-1cc2-97d4-677c-4ca6656e14d7	failed	2026-05-17 08:25:00	2026-05-17 08:50:00
66	6f097a44-7415-dd50-30d5-79a9051165f0	done	2026-05-17 08:26:00	2026-05-17 08:52:00
67	0d7745d5-7a8a-e3fc-acdd-9fe6e54cac8a	running	2026-05-17 08:27:00	\N
68	4954764b-2e2b-f297-bbec-4d8fbc9a46a7	done	2026-05-17 08:28:00	2026-05-17 08:56:00
69	a7d38aa5-8663-21a4-d592-144c8444e1d8	failed	2026-05-17 08:29:00	2026-05-17 08:58:00
70	565a88fa-bb53-3be6-0c21-0f1caaa99518	done	2026-05-17 08:30:00	2026-05-17 09:00:00
71	069303f3-35b7-1aac-51cb-5fa32a4344d7	running	2026-05-17 08:31:00	\N
72	cd6a742b-492e-1527-18d3-bb007e7e2bba	done	2026-05-17 08:32:00	2026-05-17 09:04:00
73	9ca7a239-2000-2083-d215-3241c8b6ce7c	failed	2026-05-17 08:33:00	2026-05-17 09:06:00
74	d3b9b1bd-73de-94cd-4d23-1423d4b3c406	done	2026-05-17 08:34:00	2026-05-17 09:08:00
75	0ca6a595-70a3-f786-3a84-622cf2e91174	running	2026-05-17 08:35:00	\N
76	53c6ec14-04ae-6d26-e71a-2927cbe3bb01	done	2026-05-17 08:36:00	2026-05-17 09:12:00
77	f0b41254-65de-1697-d00a-5c930ad2a3c1	failed	2026-05-17 08:37:00	2026-05-17 09:14:00
78	eed4047e-fbb8-466a-1559-0377aaa8ec97	done	2026-05-17 08:38:00	2026-05-17 09:16:00
79	a40c87b8-1af3-7f0a-5b12-9d1665b23e49	running	2026-05-17 08:39:00	\N
80	280c16f8-2e20-e651-245c-6cb07915833b	done	2026-05-17 08:40:00	2026-05-17 09:20:00
81	b1a4a6b0-1cc2-97d4-677c-4ca6656e14d7	failed	2026-05-18 08:01:00	2026-05-18 08:02:00
82	6f097a44-7415-dd50-30d5-79a9051165f0	done	2026-05-18 08:02:00	2026-05-18 08:04:00
83	0d7745d5-7a8a-e3fc-acdd-9fe6e54cac8a	running	2026-05-18 08:03:00	\N
84	4954764b-2e2b-f297-bbec-4d8fbc9a46a7	done	2026-05-18 08:04:00	2026-05-18 08:08:00
85	a7d38aa5-8663-21a4-d592-144c8444e1d8	failed	2026-05-18 08:05:00	2026-05-18 08:10:00
86	565a88fa-bb53-3be6-0c21-0f1caaa99518	done	2026-05-18 08:06:00	2026-05-18 08:12:00
87	069303f3-35b7-1aac-51cb-5fa32a4344d7	running	2026-05-18 08:07:00	\N
88	cd6a742b-492e-1527-18d3-bb007e7e2bba	done	2026-05-18 08:08:00	2026-05-18 08:16:00
89	9ca7a239-2000-2083-d215-3241c8b6ce7c	failed	2026-05-18 08:09:00	2026-05-18 08:18:00
90	d3b9b1bd-73de-94cd-4d23-1423d4b3c406	done	2026-05-18 08:10:00	2026-05-18 08:20:00
91	0ca6a595-70a3-f786-3a84-622cf2e91174	running	2026-05-18 08:11:00	\N
92	53c6ec14-04ae-6d26-e71a-2927cbe3bb01	done	2026-05-18 08:12:00	2026-05-18 08:24:00
93	f0b41254-65de-1697-d00a-5c930ad2a3c1	failed	2026-05-18 08:13:00	2026-05-18 08:26:00
94	eed4047e-fbb8-466a-1559-0377aaa8ec97	done	2026-05-18 08:14:00	2026-05-18 08:28:00
95	a40c87b8-1af3-7f0a-5b12-9d1665b23e49	running	2026-05-18 08:15:00	\N
96	280c16f8-2e20-e651-245c-6cb07915833b	done	2026-05-18 08:16:00	2026-05-18 08:32:00
97	2bfbb6fa-02f7-2ab1-bbdc-199a0ed9044b	failed	2026-05-18 08:17:00	2026-05-18 08:34:00
98	1052de85-df15-3310-2a68-86d6ae6f5af5	done	2026-05-18 08:18:00	2026-05-18 08:36:00
99	a05af4ba-68c3-cc44-8abb-6afb588f9af7	running	2026-05-18 08:19:00	\N
100	16e21ff0-470e-0836-165c-083db5251f15	done	2026-05-18 08:20:00	2026-05-18 08:40:00
101	79152801-4b76-c207-7daf-171f20ebec8d	failed	2026-05-18 08:21:00	2026-05-18 08:42:00
102	1a70aa9f-b6a3-361d-ebff-6fd49e9e30f9	done	2026-05-18 08:22:00	2026-05-18 08:44:00
103	50aae316-291a-7a0a-0637-3a0944a2b0f9	running	2026-05-18 08:23:00	\N
104	2584f182-83f1-2223-5aa9-35f6e54bacb8	done	2026-05-18 08:24:00	2026-05-18 08:48:00
105	c4f82139-03c9-189b-e503-860b9565062f	failed	2026-05-18 08:25:00	2026-05-18 08:50:00
106	b638379f-1152-d8db-89ba-9c9515cf8f4c	done	2026-05-18 08:26:00	2026-05-18 08:52:00
107	4fb481ee-4b77-da83-7511-45b7c8f32867	running	2026-05-18 08:27:00	\N
108	d20ade7b-346d-a821-94ea-583608e32a2e	done	2026-05-18 08:28:00	2026-05-18 08:56:00
109	f5b45187-3407-2d11-5727-68cfb57dd7f6	failed	2026-05-18 08:29:00	2026-05-18 08:58:00
110	0f670938-ae40-8853-1a4e-df4a3ca08c3b	done	2026-05-18 08:30:00	2026-05-18 09:00:00
111	2e5c0f52-c022-2cf9-b226-9307b1b8aa93	running	2026-05-18 08:31:00	\N
112	5f6af2b2-7fab-e69f-53f4-758d066001f4	done	2026-05-18 08:32:00	2026-05-18 09:04:00
113	9b30c55e-9be4-fd30-3cce-e585103e08db	failed	2026-05-18 08:33:00	2026-05-18 09:06:00
114	ed78ecae-1eef-2746-b38e-89f450f7da0c	done	2026-05-18 08:34:00	2026-05-18 09:08:00
115	e11b7c1f-9c6f-f06f-0096-4a33c14b09dd	running	2026-05-18 08:35:00	\N
116	83a87fd7-56ab-5719-9c0b-b6d5e11168cb	done	2026-05-18 08:36:00	2026-05-18 09:12:00
117	b1a4a6b0-1cc2-97d4-677c-4ca6656e14d7	failed	2026-05-18 08:37:00	2026-05-18 09:14:00
118	6f097a44-7415-dd50-30d5-79a9051165f0	done	2026-05-18 08:38:00	2026-05-18 09:16:00
119	0d7745d5-7a8a-e3fc-acdd-9fe6e54cac8a	running	2026-05-18 08:39:00	\N
120	4954764b-2e2b-f297-bbec-4d8fbc9a46a7	done	2026-05-18 08:40:00	2026-05-18 09:20:00
\.


--
-- Data for Name: ai_agents; Type: TABLE DATA; Schema: public; Owner: powernode
--

COPY public.ai_agents (id, account_id, creator_id, name, configuration, created_at, updated_at) FROM stdin;
83a87fd7-56ab-5719-9c0b-b6d5e11168cb	93189e2c-4c7b-1a2c-7b16-a24d5daa98a9	7e58d63b-6019-7ceb-55a1-c487989a3720	Agent 1	{"tools": ["search", "mail"], "temperature": 0.10000000000000000000}	2026-05-16 08:00:00	2026-05-16 08:00:00
b1a4a6b0-1cc2-97d4-677c-4ca6656e14d7	fbcd0ff0-529a-3dd9-b733-884b30941297	92877af7-0a45-fd6a-2ed7-fe81e1236b78	Agent 2	{"tools": ["search", "mail"], "temperature": 0.20000000000000000000}	2026-05-16 08:00:00	2026-05-16 08:00:00
6f097a44-7415-dd50-30d5-79a9051165f0	201e9991-afe9-0c65-e13b-08b53fb695de	3f02ebe3-d792-9b09-1e3d-8ccfde2f3bc6	Agent 3	{"tools": ["search", "mail"], "temperature": 0.30000000000000000000}	2026-05-16 08:00:00	2026-05-16 08:00:00
0d7745d5-7a8a-e3fc-acdd-9fe6e54cac8a	809d7aea-9eac-f339-b2e3-5e3c8ae0a57c	0a791842-f52a-0acf-bb3a-783378c066b8	Agent 4	{"tools": ["search", "mail"], "temperature": 0.40000000000000000000}	2026-05-16 08:00:00	2026-05-16 08:00:00
4954764b-2e2b-f297-bbec-4d8fbc9a46a7	93189e2c-4c7b-1a2c-7b16-a24d5daa98a9	affec3b6-4cf9-0492-377a-8114c86fc093	Agent 5	{"tools": ["search", "mail"], "temperature": 0.50000000000000000000}	2026-05-16 08:00:00	2026-05-16 08:00:00
a7d38aa5-8663-21a4-d592-144c8444e1d8	fbcd0ff0-529a-3dd9-b733-884b30941297	3e0469fb-1349-91f8-f75a-2760e409c6ed	Agent 6	{"tools": ["search", "mail"], "temperature": 0.60000000000000000000}	2026-05-16 08:00:00	2026-05-16 08:00:00
565a88fa-bb53-3be6-0c21-0f1caaa99518	201e9991-afe9-0c65-e13b-08b53fb695de	7668f673-d566-9995-175e-f91b5d171945	Agent 7	{"tools": ["search", "mail"], "temperature": 0.70000000000000000000}	2026-05-16 08:00:00	2026-05-16 08:00:00
069303f3-35b7-1aac-51cb-5fa32a4344d7	809d7aea-9eac-f339-b2e3-5e3c8ae0a57c	8808a13b-854c-2563-da1a-5f6cb2130868	Agent 8	{"tools": ["search", "mail"], "temperature": 0.80000000000000000000}	2026-05-16 08:00:00	2026-05-16 08:00:00
cd6a742b-492e-1527-18d3-bb007e7e2bba	93189e2c-4c7b-1a2c-7b16-a24d5daa98a9	990d67a9-f946-96b1-abe2-dccf06900322	Agent 9	{"tools": ["search", "mail"], "temperature": 0.90000000000000000000}	2026-05-16 08:00:00	2026-05-16 08:00:00
9ca7a239-2000-2083-d215-3241c8b6ce7c	fbcd0ff0-529a-3dd9-b733-884b30941297	03aa1a0b-0375-b046-1c1b-8f35b234e67a	Agent 10	{"tools": ["search", "mail"], "temperature": 0.00000000000000000000}	2026-05-16 08:00:00	2026-05-16 08:00:00
d3b9b1bd-73de-94cd-4d23-1423d4b3c406	201e9991-afe9-0c65-e13b-08b53fb695de	d781eaae-8248-db6c-e1a7-b82e58e60435	Agent 11	{"tools": ["search", "mail"], "temperature": 0.10000000000000000000}	2026-05-16 08:00:00	2026-05-16 08:00:00
0ca6a595-70a3-f786-3a84-622cf2e91174	809d7aea-9eac-f339-b2e3-5e3c8ae0a57c	d09979d7-94a6-ee60-d836-f884739f7196	Agent 12	{"tools": ["search", "mail"], "temperature": 0.20000000000000000000}	2026-05-16 08:00:00	2026-05-16 08:00:00
53c6ec14-04ae-6d26-e71a-2927cbe3bb01	1cdbb994-54d8-6b60-323f-5d77f6a65c9b	ef06d5cb-f353-86ff-2203-d186eeff7923	Agent 13	{"tools": ["search", "mail"], "temperature": 0.30000000000000000000}	2026-05-17 08:00:00	2026-05-17 08:00:00
f0b41254-65de-1697-d00a-5c930ad2a3c1	dcca285d-f857-47fe-608b-9dd8416a376f	726dedc0-d678-8b05-f486-730edcc0e871	Agent 14	{"tools": ["search", "mail"], "temperature": 0.40000000000000000000}	2026-05-17 08:00:00	2026-05-17 08:00:00
eed4047e-fbb8-466a-1559-0377aaa8ec97	1f503043-085b-329a-5eb2-0753ebb7c1bf	8a62f0be-aa5a-e938-956f-5ea290321336	Agent 15	{"tools": ["search", "mail"], "temperature": 0.50000000000000000000}	2026-05-17 08:00:00	2026-05-17 08:00:00
a40c87b8-1af3-7f0a-5b12-9d1665b23e49	809d7aea-9eac-f339-b2e3-5e3c8ae0a57c	2b4233eb-ec7a-45e1-fb8d-dd1aab794f7b	Agent 16	{"tools": ["search", "mail"], "temperature": 0.60000000000000000000}	2026-05-17 08:00:00	2026-05-17 08:00:00
280c16f8-2e20-e651-245c-6cb07915833b	93189e2c-4c7b-1a2c-7b16-a24d5daa98a9	7ac18a18-93e1-d2bd-5b46-958ce1d2a8d0	Agent 17	{"tools": ["search", "mail"], "temperature": 0.70000000000000000000}	2026-05-17 08:00:00	2026-05-17 08:00:00
2bfbb6fa-02f7-2ab1-bbdc-199a0ed9044b	fbcd0ff0-529a-3dd9-b733-884b30941297	2baab43f-784b-5b53-0b53-47a50490bb0a	Agent 18	{"tools": ["search", "mail"], "temperature": 0.80000000000000000000}	2026-05-17 08:00:00	2026-05-17 08:00:00
1052de85-df15-3310-2a68-86d6ae6f5af5	201e9991-afe9-0c65-e13b-08b53fb695de	10880c7f-4e42-09ee-da79-711e1ea1723e	Agent 19	{"tools": ["search", "mail"], "temperature": 0.90000000000000000000}	2026-05-17 08:00:00	2026-05-17 08:00:00
a05af4ba-68c3-cc44-8abb-6afb588f9af7	7ea4950f-63c9-8336-0c86-3bd5d1608944	2e129db1-5b6d-6db5-342b-a5d328642262	Agent 20	{"tools": ["search", "mail"], "temperature": 0.00000000000000000000}	2026-05-17 08:00:00	2026-05-17 08:00:00
16e21ff0-470e-0836-165c-083db5251f15	1cdbb994-54d8-6b60-323f-5d77f6a65c9b	87dc1e13-1a13-69fd-f8f1-c824a6a62dff	Agent 21	{"tools": ["search", "mail"], "temperature": 0.10000000000000000000}	2026-05-17 08:00:00	2026-05-17 08:00:00
79152801-4b76-c207-7daf-171f20ebec8d	dcca285d-f857-47fe-608b-9dd8416a376f	00a65dd4-7e84-2bcc-3d82-a296301071fb	Agent 22	{"tools": ["search", "mail"], "temperature": 0.20000000000000000000}	2026-05-17 08:00:00	2026-05-17 08:00:00
1a70aa9f-b6a3-361d-ebff-6fd49e9e30f9	1f503043-085b-329a-5eb2-0753ebb7c1bf	5e6c9b24-8295-88e0-ac8f-7d8074a4bfd4	Agent 23	{"tools": ["search", "mail"], "temperature": 0.30000000000000000000}	2026-05-17 08:00:00	2026-05-17 08:00:00
50aae316-291a-7a0a-0637-3a0944a2b0f9	809d7aea-9eac-f339-b2e3-5e3c8ae0a57c	0f8f84c1-8bfd-5244-ed97-6f63924a8a0e	Agent 24	{"tools": ["search", "mail"], "temperature": 0.40000000000000000000}	2026-05-17 08:00:00	2026-05-17 08:00:00
2584f182-83f1-2223-5aa9-35f6e54bacb8	93189e2c-4c7b-1a2c-7b16-a24d5daa98a9	a507ac92-0f79-7876-259f-3c91f5cdef99	Agent 25	{"tools": ["search", "mail"], "temperature": 0.50000000000000000000}	2026-05-18 08:00:00	2026-05-18 08:00:00
c4f82139-03c9-189b-e503-860b9565062f	fbcd0ff0-529a-3dd9-b733-884b30941297	078d079e-6146-dec4-dbf2-135a8e513e2e	Agent 26	{"tools": ["search", "mail"], "temperature": 0.60000000000000000000}	2026-05-18 08:00:00	2026-05-18 08:00:00
b638379f-1152-d8db-89ba-9c9515cf8f4c	201e9991-afe9-0c65-e13b-08b53fb695de	b6f7fac0-074f-6508-e5a4-540ad89b55c0	Agent 27	{"tools": ["search", "mail"], "temperature": 0.70000000000000000000}	2026-05-18 08:00:00	2026-05-18 08:00:00
4fb481ee-4b77-da83-7511-45b7c8f32867	7ea4950f-63c9-8336-0c86-3bd5d1608944	244fd63d-0adb-f673-130f-ce2f222078a5	Agent 28	{"tools": ["search", "mail"], "temperature": 0.80000000000000000000}	2026-05-18 08:00:00	2026-05-18 08:00:00
d20ade7b-346d-a821-94ea-583608e32a2e	1cdbb994-54d8-6b60-323f-5d77f6a65c9b	40b13b85-e6e4-fc9c-4a6f-24379db20a39	Agent 29	{"tools": ["search", "mail"], "temperature": 0.90000000000000000000}	2026-05-18 08:00:00	2026-05-18 08:00:00
f5b45187-3407-2d11-5727-68cfb57dd7f6	dcca285d-f857-47fe-608b-9dd8416a376f	0c673c53-a29a-cb19-c7e5-5b292d259e4d	Agent 30	{"tools": ["search", "mail"], "temperature": 0.00000000000000000000}	2026-05-18 08:00:00	2026-05-18 08:00:00
0f670938-ae40-8853-1a4e-df4a3ca08c3b	1f503043-085b-329a-5eb2-0753ebb7c1bf	d21dbd2c-4e17-8b2c-b55d-ce0c6a43effc	Agent 31	{"tools": ["search", "mail"], "temperature": 0.10000000000000000000}	2026-05-18 08:00:00	2026-05-18 08:00:00
2e5c0f52-c022-2cf9-b226-9307b1b8aa93	6d25c53f-7d5a-b5bf-7ea8-dae2638c5d44	c6f273ac-241a-0421-6e0a-703c18c36532	Agent 32	{"tools": ["search", "mail"], "temperature": 0.20000000000000000000}	2026-05-18 08:00:00	2026-05-18 08:00:00
5f6af2b2-7fab-e69f-53f4-758d066001f4	fe3754ab-dd35-6619-9952-da378d7dbf4f	9ece8c40-20f8-aed1-0676-cd1c56a41889	Agent 33	{"tools": ["search", "mail"], "temperature": 0.30000000000000000000}	2026-05-18 08:00:00	2026-05-18 08:00:00
9b30c55e-9be4-fd30-3cce-e585103e08db	c16442d0-1921-2ece-c3ac-3a169153c71f	8cd5a487-792e-9504-5574-fe205e4efdf9	Agent 34	{"tools": ["search", "mail"], "temperature": 0.40000000000000000000}	2026-05-18 08:00:00	2026-05-18 08:00:00
ed78ecae-1eef-2746-b38e-89f450f7da0c	2cc2857e-152c-bb96-96fa-4108e67bccd6	41a2abe1-09f2-43e1-2e72-133cf46ea5db	Agent 35	{"tools": ["search", "mail"], "temperature": 0.50000000000000000000}	2026-05-18 08:00:00	2026-05-18 08:00:00
e11b7c1f-9c6f-f06f-0096-4a33c14b09dd	809d7aea-9eac-f339-b2e3-5e3c8ae0a57c	657bc81a-9e2f-ba42-93ed-712d02a82191	Agent 36	{"tools": ["search", "mail"], "temperature": 0.60000000000000000000}	2026-05-18 08:00:00	2026-05-18 08:00:00
\.


--
-- Data for Name: ai_knowledge_graph_nodes; Type: TABLE DATA; Schema: public; Owner: powernode
--

COPY public.ai_knowledge_graph_nodes (id, account_id, label, embedding, created_at) FROM stdin;
1	93189e2c-4c7b-1a2c-7b16-a24d5daa98a9	Node 1	[-0.116,-0.189,0.477,-0.72,0.896,-0.988,0.988,-0.896,0.72,-0.477,0.189,0.117,-0.411,0.667,-0.861,0.974,-0.997,0.926,-0.769,0.54,-0.26,-0.043,0.343,-0.611,0.821,-0.955,1,-0.951,0.814,-0.6,0.331,-0.03,-0.273,0.551,-0.777,0.931,-0.998,0.971,-0.854,0.657,-0.399,0.103,0.202,-0.488,0.729,-0.902,0.99,-0.986,0.89,-0.711,0.465,-0.176,-0.13,0.423,-0.677,0.868,-0.977,0.996,-0.921,0.76,-0.529,0.248,0.056,-0.355,0.621,-0.829,0.959,-1,0.947,-0.806,0.59,-0.318,0.017,0.286,-0.562,0.785,-0.936,0.999,-0.968,0.847,-0.647,0.387,-0.09,-0.215,0.5,-0.738,0.907,-0.992,0.984,-0.884,0.701,-0.453,0.163,0.142,-0.435,0.686,-0.874,0.98,-0.994,0.916,-0.752,0.518,-0.235,-0.069,0.368,-0.631,0.836,-0.963,0.999,-0.943,0.798,-0.579,0.306,-0.004,-0.298,0.573,-0.794,0.94,-0.999,0.965,-0.84,0.637,-0.375,0.077,0.227,-0.511,0.747,-0.913,0.994,-0.981,0.878,-0.692,0.442,-0.15,-0.155,0.447,-0.696,0.88,-0.982,0.993,-0.911,0.743,-0.506,0.222,0.083,-0.38,0.641,-0.843,0.966,-0.999,0.938,-0.79,0.568,-0.293,-0.009,0.311,-0.583,0.801,-0.945,1,-0.961,0.833,-0.627,0.363,-0.064,-0.24,0.522,-0.755,0.918,-0.995,0.979,-0.871,0.683,-0.43,0.137,0.168,-0.458,0.705,-0.886,0.985,-0.991,0.905,-0.734,0.495,-0.21,-0.096,0.392,-0.651,0.85,-0.969,0.998,-0.934,0.782,-0.557,0.281,0.022,-0.323,0.594,-0.809,0.949,-1,0.958,-0.826,0.617,-0.35,0.051,0.253,-0.533,0.764,-0.923,0.996,-0.976,0.865,-0.673,0.418,-0.124,-0.181,0.47,-0.714,0.892,-0.987,0.989,-0.899,0.725,-0.484,0.197,0.109,-0.404,0.661,-0.857,0.973,-0.997,0.929,-0.774,0.547,-0.268,-0.035,0.336,-0.604,0.817,-0.953,1,-0.954,0.818,-0.606,0.338,-0.038,-0.266,0.544,-0.772,0.928,-0.997,0.973,-0.858,0.663,-0.406,0.111,0.194,-0.481,0.724,-0.898,0.989,-0.987,0.894,-0.716,0.472,-0.184,-0.122,0.416,-0.671,0.864,-0.976,0.996,-0.924,0.766,-0.536,0.255,0.048,-0.348,0.615,-0.824,0.957,-1,0.95,-0.811,0.596,-0.326,0.025,0.278,-0.555,0.781,-0.933,0.998,-0.97,0.851,-0.653,0.394,-0.098,-0.207,0.493,-0.733,0.904,-0.991,0.985,-0.888,0.707,-0.461,0.171,0.135,-0.428,0.681,-0.87,0.978,-0.995,0.919,-0.757,0.524,-0.243,-0.062,0.36,-0.625,0.832,-0.961,1,-0.945,0.803,-0.585,0.313,-0.012,-0.291,0.566,-0.789,0.938,-0.999,0.967,-0.845,0.643,-0.382,0.085,0.22,-0.504,0.741,-0.909,0.993,-0.983,0.882,-0.698,0.449,-0.158,-0.148,0.439,-0.69,0.877,-0.981,0.994,-0.914,0.748,-0.513,0.23,0.075,-0.372,0.635,-0.839,0.964,-0.999,0.941,-0.795,0.575,-0.301,-0.001,0.303,-0.577,0.797,-0.942,0.999,-0.963,0.837,-0.633,0.37,-0.072,-0.233,0.515,-0.75,0.915,-0.994,0.98,-0.875,0.688,-0.437,0.145,0.161,-0.451,0.7,-0.883,0.983,-0.992,0.908,-0.74,0.502,-0.217,-0.088,0.384,-0.645,0.846,-0.967,0.999,-0.937,0.787,-0.564,0.288,0.014,-0.316,0.588,-0.804,0.946,-1,0.96,-0.83,0.623,-0.358,0.059,0.245,-0.527,0.759,-0.92,0.995,-0.978,0.869,-0.679,0.425,-0.132,-0.173,0.463,-0.709,0.889,-0.986,0.991,-0.903,0.731,-0.491,0.204,0.101,-0.397,0.655,-0.853,0.971,-0.998,0.932,-0.779,0.553,-0.276,-0.027,0.328,-0.598,0.812,-0.95,1,-0.956,0.823,-0.613,0.345,-0.046,-0.258,0.538,-0.767,0.925,-0.997,0.975,-0.862,0.669,-0.413,0.119,0.186,-0.474,0.718,-0.895,0.988,-0.989,0.897,-0.722,0.479,-0.192,-0.114,0.409,-0.665,0.86,-0.974,0.997,-0.927,0.771,-0.542,0.263,0.041,-0.34,0.609,-0.82,0.954,-1,0.952,-0.815,0.602,-0.333,0.033,0.271,-0.549,0.776,-0.93,0.998,-0.972,0.856,-0.659,0.401,-0.106,-0.199,0.486,-0.727,0.901,-0.99,0.987,-0.891,0.713,-0.468,0.179,0.127,-0.42,0.675,-0.866,0.977,-0.996,0.922,-0.762,0.531,-0.25,-0.054,0.353,-0.619,0.827,-0.958,1,-0.948,0.808,-0.592,0.321,-0.02,-0.283,0.56,-0.784,0.935,-0.998,0.969,-0.849,0.649,-0.389,0.093,0.212,-0.497,0.736,-0.906,0.992,-0.984,0.885,-0.703,0.456,-0.166,-0.14,0.432,-0.684,0.873,-0.979,0.995,-0.917,0.754,-0.52,0.238,0.067,-0.365,0.629,-0.835,0.962,-1,0.944,-0.8,0.581,-0.308,0.007,0.296,-0.57,0.792,-0.939,0.999,-0.965,0.842,-0.639,0.377,-0.08,-0.225,0.509,-0.745,0.912,-0.993,0.982,-0.879,0.694,-0.444,0.153,0.153,-0.444,0.694,-0.879,0.982,-0.993,0.912,-0.745,0.509,-0.225,-0.08,0.377,-0.639,0.842,-0.965,0.999,-0.939,0.792,-0.571,0.296,0.006,-0.308,0.581,-0.8,0.944,-1,0.962,-0.835,0.629,-0.365,0.067,0.238,-0.52,0.754,-0.917,0.995,-0.979,0.873,-0.685,0.432,-0.14,-0.166,0.456,-0.703,0.885,-0.984,0.992,-0.906,0.736,-0.497,0.212,0.093,-0.389,0.649,-0.849,0.969,-0.998,0.935,-0.784,0.56,-0.283,-0.02,0.321,-0.592,0.808,-0.948,1,-0.958,0.827,-0.619,0.353,-0.054,-0.25,0.531,-0.762,0.922,-0.996,0.977,-0.866,0.675,-0.421,0.127,0.179,-0.467,0.713,-0.891,0.987,-0.99,0.901,-0.727,0.486,-0.199,-0.106,0.401,-0.659,0.856,-0.972,0.998,-0.93,0.776,-0.549,0.271,0.033,-0.333,0.602,-0.815,0.952,-1,0.955,-0.82,0.609,-0.341,0.041,0.263,-0.542,0.771,-0.927,0.997,-0.974,0.86,-0.665,0.409,-0.114,-0.191,0.479,-0.722,0.897,-0.989,0.988,-0.895,0.718,-0.475,0.187,0.119,-0.413,0.669,-0.862,0.975,-0.997,0.925,-0.767,0.538,-0.258,-0.046,0.345,-0.613,0.823,-0.956,1,-0.951,0.812,-0.598,0.328,-0.028,-0.276,0.553,-0.779,0.932,-0.998,0.971,-0.853,0.655,-0.397,0.101,0.204,-0.49,0.731,-0.903,0.991,-0.986,0.889,-0.709,0.463,-0.174,-0.132,0.425,-0.679,0.869,-0.978,0.995,-0.92,0.759,-0.527,0.245,0.059,-0.358,0.623,-0.83,0.96,-1,0.946,-0.805,0.588,-0.316,0.015,0.288,-0.564,0.787,-0.937,0.999,-0.968,0.846,-0.645,0.385,-0.088,-0.217,0.502,-0.74,0.908,-0.992,0.983,-0.883,0.7,-0.451,0.161,0.145,-0.437,0.688,-0.875,0.98,-0.994,0.915,-0.75,0.516,-0.233,-0.072,0.37,-0.633,0.837,-0.963,0.999,-0.942,0.797,-0.577,0.303,-0.001,-0.301,0.575,-0.795,0.941,-0.999,0.964,-0.839,0.635,-0.373,0.075,0.23,-0.513,0.748,-0.914,0.994,-0.981,0.877,-0.69,0.44,-0.148,-0.158,0.449,-0.698,0.881,-0.983,0.993,-0.91,0.742,-0.504,0.22,0.085,-0.382,0.643,-0.844,0.967,-0.999,0.938,-0.789,0.566,-0.291,-0.012,0.313,-0.585,0.803,-0.945,1,-0.961,0.832,-0.625,0.36,-0.062,-0.243,0.524,-0.757,0.919,-0.995,0.978,-0.87,0.681,-0.428,0.135,0.171,-0.46,0.707,-0.888,0.985,-0.991,0.904,-0.733,0.493,-0.207,-0.098,0.394,-0.653,0.851,-0.97,0.998,-0.933,0.781,-0.555,0.278,0.025,-0.325,0.596,-0.811,0.95,-1,0.957,-0.824,0.615,-0.348,0.049,0.255,-0.535,0.765,-0.924,0.996,-0.976,0.864,-0.671,0.416,-0.122,-0.184,0.472,-0.716,0.894,-0.987,0.989,-0.898,0.724,-0.482,0.194,0.111,-0.406,0.663,-0.858,0.973,-0.997,0.928,-0.772,0.545,-0.266,-0.038,0.338,-0.606,0.818,-0.954,1,-0.953,0.817,-0.605,0.336,-0.036,-0.268,0.546,-0.774,0.929,-0.997,0.973,-0.857,0.661,-0.404,0.109,0.196,-0.483,0.725,-0.899,0.989,-0.987,0.893,-0.715,0.47,-0.181,-0.124,0.418,-0.673,0.865,-0.976,0.996,-0.923,0.764,-0.533,0.253,0.051,-0.35,0.617,-0.826,0.957,-1,0.949,-0.809,0.594,-0.323,0.023,0.28,-0.557,0.782,-0.934,0.998,-0.97,0.85,-0.652,0.392,-0.096,-0.209,0.495,-0.734,0.905,-0.991,0.985,-0.887,0.705,-0.458,0.169,0.137,-0.43,0.682,-0.871,0.979,-0.995,0.918,-0.756,0.522,-0.24,-0.064,0.362,-0.627,0.833,-0.961,1,-0.945,0.802,-0.584,0.311,-0.009,-0.293,0.568,-0.79,0.938,-0.999,0.966,-0.843,0.642,-0.38,0.083,0.222,-0.506,0.743,-0.91,0.993,-0.983,0.88,-0.696,0.447,-0.156,-0.15,0.442,-0.692,0.878,-0.981,0.994,-0.913,0.747,-0.511,0.228,0.077,-0.375,0.637,-0.84,0.965,-0.999,0.94,-0.794,0.573,-0.299,-0.004,0.306,-0.579,0.798,-0.943,0.999,-0.963,0.836,-0.631,0.368,-0.07,-0.235,0.517,-0.752,0.916,-0.994,0.98,-0.874,0.687,-0.435,0.143,0.163,-0.453,0.701,-0.884,0.984,-0.992,0.907,-0.738,0.5,-0.215,-0.09,0.387,-0.647,0.847,-0.968,0.999,-0.936,0.786,-0.562,0.286,0.017,-0.318,0.589,-0.806,0.947,-1,0.959,-0.829,0.621,-0.356,0.057,0.248,-0.529,0.76,-0.921,0.996,-0.977,0.868,-0.677,0.423,-0.13,-0.176,0.465,-0.711,0.89,-0.986,0.99,-0.902,0.729,-0.488,0.202,0.103,-0.399,0.657,-0.854,0.971,-0.998,0.931,-0.777,0.551,-0.273,-0.03,0.33,-0.6,0.814,-0.951,1,-0.955,0.821,-0.611,0.343,-0.044,-0.26,0.54,-0.769,0.926,-0.997,0.974,-0.861,0.667,-0.411,0.117,0.189,-0.476,0.72,-0.896,0.988,-0.988,0.896,-0.72,0.477,-0.189,-0.116,0.411,-0.667,0.861,-0.974,0.997,-0.926,0.769,-0.54,0.261,0.043,-0.343,0.61,-0.821,0.955,-1,0.951,-0.814,0.6,-0.331,0.03,0.273,-0.551,0.777,-0.931,0.998,-0.971,0.854,-0.658,0.399,-0.104,-0.202,0.488,-0.729,0.902,-0.99,0.986,-0.89,0.711,-0.465,0.176,0.129,-0.423,0.677,-0.867,0.977,-0.996,0.921,-0.761,0.529,-0.248,-0.056,0.355,-0.621,0.829,-0.959,1,-0.947,0.806,-0.59,0.319,-0.017,-0.285,0.562,-0.785,0.936,-0.999,0.968,-0.847,0.648,-0.387,0.091,0.214,-0.499,0.738,-0.907,0.992,-0.984,0.884,-0.702,0.454,-0.163,-0.142,0.434,-0.686,0.874,-0.98,0.994,-0.916,0.752,-0.518,0.235,0.069,-0.367,0.631,-0.836,0.963,-0.999,0.943,-0.798,0.579,-0.306,0.004,0.298,-0.572,0.793,-0.94,0.999,-0.965,0.84,-0.638,0.375,-0.078,-0.227,0.511,-0.746,0.913,-0.993,0.982,-0.878,0.692,-0.442,0.151,0.155,-0.446,0.696,-0.88,0.982,-0.993,0.911,-0.743,0.507,-0.223,-0.082,0.379,-0.641,0.843,-0.966,0.999,-0.939,0.79,-0.569,0.294,0.009,-0.31,0.583,-0.801,0.945,-1,0.961,-0.833,0.627,-0.363,0.065,0.24,-0.522,0.755,-0.918,0.995,-0.979,0.872,-0.683,0.43,-0.138,-0.168,0.458,-0.705,0.886,-0.985,0.991,-0.905,0.735,-0.495,0.21,0.095,-0.391,0.651,-0.85,0.969,-0.998,0.934,-0.782,0.558,-0.281,-0.022,0.323,-0.594,0.809,-0.949,1,-0.958,0.826,-0.617,0.351,-0.051,-0.253,0.533,-0.764,0.923,-0.996,0.976,-0.865,0.673,-0.418,0.125,0.181,-0.469,0.714,-0.892,0.987,-0.989,0.9,-0.726,0.484,-0.197,-0.108,0.403,-0.661,0.857,-0.973,0.997,-0.929,0.774,-0.547,0.268,0.035,-0.335,0.604,-0.817,0.953,-1,0.954,-0.819,0.607,-0.338,0.038,0.265,-0.544,0.772,-0.928,0.997,-0.973,0.858,-0.663,0.407,-0.112,-0.194,0.481,-0.723,0.898,-0.989,0.987,-0.894,0.717,-0.472,0.184,0.121,-0.415,0.671,-0.863,0.975,-0.996,0.924,-0.766,0.536,-0.256,-0.048,0.348,-0.615,0.824,-0.957,1,-0.95,0.811,-0.596,0.326,-0.025,-0.278,0.555,-0.78,0.933,-0.998,0.97,-0.852,0.654,-0.395,0.099,0.207,-0.492,0.732,-0.904,0.991,-0.985,0.888,-0.707,0.461,-0.171,-0.134,0.427,-0.68,0.87,-0.978,0.995,-0.919,0.757,-0.525,0.243,0.061,-0.36,0.625,-0.831,0.96,-1,0.946,-0.803,0.586,-0.314,0.012,0.29,-0.566,0.788,-0.937,0.999,-0.967,0.845,-0.644,0.382]	2026-05-16 08:00:00
2	fbcd0ff0-529a-3dd9-b733-884b30941297	Node 2	[-0.514,0.231,0.074,-0.371,0.634,-0.838,0.964,-0.999,0.942,-0.796,0.576,-0.302,0,0.302,-0.576,0.796,-0.942,0.999,-0.964,0.838,-0.634,0.371,-0.073,-0.231,0.514,-0.749,0.914,-0.994,0.981,-0.876,0.689,-0.438,0.146,0.159,-0.45,0.699,-0.882,0.983,-0.992,0.909,-0.74,0.503,-0.218,-0.087,0.383,-0.644,0.845,-0.967,0.999,-0.937,0.788,-0.565,0.289,0.013,-0.315,0.587,-0.804,0.946,-1,0.96,-0.831,0.624,-0.359,0.06,0.244,-0.526,0.758,-0.92,0.995,-0.978,0.869,-0.68,0.426,-0.133,-0.172,0.462,-0.708,0.888,-0.986,0.991,-0.903,0.732,-0.492,0.206,0.1,-0.395,0.654,-0.852,0.97,-0.998,0.932,-0.78,0.554,-0.277,-0.026,0.327,-0.597,0.812,-0.95,1,-0.956,0.823,-0.614,0.347,-0.047,-0.257,0.537,-0.767,0.925,-0.996,0.975,-0.863,0.67,-0.414,0.12,0.185,-0.473,0.717,-0.894,0.988,-0.989,0.898,-0.723,0.48,-0.193,-0.113,0.407,-0.664,0.859,-0.974,0.997,-0.928,0.771,-0.543,0.264,0.039,-0.339,0.608,-0.819,0.954,-1,0.952,-0.816,0.603,-0.334,0.034,0.269,-0.548,0.775,-0.93,0.998,-0.972,0.856,-0.66,0.402,-0.107,-0.198,0.485,-0.726,0.9,-0.99,0.987,-0.892,0.713,-0.469,0.18,0.126,-0.419,0.674,-0.866,0.976,-0.996,0.923,-0.763,0.532,-0.252,-0.053,0.352,-0.618,0.827,-0.958,1,-0.948,0.808,-0.593,0.322,-0.021,-0.282,0.559,-0.783,0.934,-0.998,0.969,-0.849,0.65,-0.39,0.094,0.211,-0.496,0.735,-0.906,0.991,-0.985,0.886,-0.704,0.457,-0.167,-0.139,0.431,-0.684,0.872,-0.979,0.995,-0.917,0.754,-0.521,0.239,0.066,-0.364,0.628,-0.834,0.962,-1,0.944,-0.801,0.582,-0.309,0.008,0.295,-0.569,0.791,-0.939,0.999,-0.966,0.842,-0.64,0.378,-0.081,-0.224,0.508,-0.744,0.911,-0.993,0.982,-0.88,0.695,-0.445,0.154,0.152,-0.443,0.693,-0.878,0.982,-0.993,0.912,-0.746,0.51,-0.226,-0.079,0.376,-0.638,0.841,-0.965,0.999,-0.94,0.793,-0.571,0.297,0.005,-0.307,0.58,-0.799,0.943,-1,0.962,-0.835,0.63,-0.366,0.068,0.236,-0.519,0.753,-0.916,0.995,-0.98,0.873,-0.685,0.433,-0.141,-0.165,0.455,-0.703,0.885,-0.984,0.992,-0.907,0.737,-0.498,0.213,0.092,-0.388,0.648,-0.848,0.968,-0.998,0.935,-0.785,0.561,-0.284,-0.018,0.32,-0.591,0.807,-0.948,1,-0.959,0.828,-0.62,0.354,-0.055,-0.249,0.53,-0.761,0.922,-0.996,0.977,-0.867,0.676,-0.422,0.128,0.177,-0.466,0.712,-0.891,0.986,-0.99,0.901,-0.728,0.487,-0.2,-0.105,0.4,-0.658,0.855,-0.972,0.998,-0.93,0.776,-0.55,0.272,0.032,-0.332,0.601,-0.815,0.952,-1,0.955,-0.821,0.61,-0.342,0.042,0.262,-0.541,0.77,-0.927,0.997,-0.974,0.86,-0.666,0.41,-0.115,-0.19,0.478,-0.721,0.897,-0.988,0.988,-0.895,0.719,-0.476,0.188,0.118,-0.412,0.668,-0.862,0.975,-0.997,0.926,-0.768,0.539,-0.259,-0.045,0.344,-0.612,0.822,-0.956,1,-0.951,0.813,-0.599,0.329,-0.029,-0.274,0.552,-0.778,0.931,-0.998,0.971,-0.854,0.656,-0.398,0.102,0.203,-0.489,0.73,-0.902,0.99,-0.986,0.889,-0.71,0.464,-0.175,-0.131,0.424,-0.678,0.868,-0.978,0.996,-0.921,0.76,-0.528,0.247,0.058,-0.357,0.622,-0.829,0.959,-1,0.947,-0.805,0.589,-0.317,0.016,0.287,-0.563,0.786,-0.936,0.999,-0.968,0.847,-0.646,0.386,-0.089,-0.216,0.501,-0.739,0.908,-0.992,0.984,-0.883,0.701,-0.452,0.162,0.144,-0.436,0.687,-0.875,0.98,-0.994,0.915,-0.751,0.517,-0.234,-0.071,0.369,-0.632,0.837,-0.963,0.999,-0.942,0.797,-0.578,0.305,-0.003,-0.3,0.574,-0.794,0.941,-0.999,0.964,-0.84,0.636,-0.374,0.076,0.229,-0.512,0.748,-0.913,0.994,-0.981,0.877,-0.691,0.441,-0.149,-0.157,0.448,-0.697,0.881,-0.983,0.993,-0.91,0.742,-0.505,0.221,0.084,-0.381,0.642,-0.844,0.966,-0.999,0.938,-0.789,0.567,-0.292,-0.01,0.312,-0.584,0.802,-0.945,1,-0.961,0.832,-0.626,0.361,-0.063,-0.241,0.523,-0.756,0.919,-0.995,0.979,-0.871,0.682,-0.429,0.136,0.17,-0.459,0.706,-0.887,0.985,-0.991,0.905,-0.733,0.494,-0.208,-0.097,0.393,-0.652,0.851,-0.97,0.998,-0.933,0.781,-0.556,0.279,0.024,-0.324,0.595,-0.81,0.949,-1,0.957,-0.825,0.616,-0.349,0.05,0.254,-0.534,0.765,-0.924,0.996,-0.976,0.864,-0.672,0.417,-0.123,-0.183,0.471,-0.715,0.893,-0.987,0.989,-0.899,0.725,-0.483,0.195,0.11,-0.405,0.662,-0.858,0.973,-0.997,0.929,-0.773,0.545,-0.267,-0.037,0.337,-0.605,0.818,-0.953,1,-0.953,0.818,-0.605,0.337,-0.037,-0.267,0.545,-0.773,0.929,-0.997,0.973,-0.858,0.662,-0.405,0.11,0.195,-0.482,0.724,-0.899,0.989,-0.987,0.893,-0.715,0.471,-0.183,-0.123,0.417,-0.672,0.864,-0.976,0.996,-0.924,0.765,-0.534,0.254,0.05,-0.349,0.616,-0.825,0.957,-1,0.949,-0.81,0.595,-0.324,0.024,0.279,-0.556,0.781,-0.933,0.998,-0.97,0.851,-0.652,0.393,-0.097,-0.208,0.494,-0.733,0.904,-0.991,0.985,-0.887,0.706,-0.459,0.17,0.136,-0.429,0.682,-0.871,0.979,-0.995,0.919,-0.756,0.523,-0.242,-0.063,0.361,-0.626,0.832,-0.961,1,-0.945,0.802,-0.584,0.312,-0.011,-0.292,0.567,-0.789,0.938,-0.999,0.967,-0.844,0.642,-0.381,0.084,0.221,-0.505,0.742,-0.91,0.993,-0.983,0.881,-0.697,0.448,-0.157,-0.149,0.441,-0.691,0.877,-0.981,0.994,-0.913,0.748,-0.512,0.229,0.076,-0.374,0.636,-0.84,0.964,-0.999,0.941,-0.794,0.574,-0.3,-0.003,0.304,-0.578,0.797,-0.942,0.999,-0.963,0.837,-0.632,0.369,-0.071,-0.234,0.517,-0.751,0.915,-0.994,0.98,-0.875,0.687,-0.436,0.144,0.162,-0.452,0.701,-0.883,0.984,-0.992,0.908,-0.739,0.501,-0.216,-0.089,0.386,-0.646,0.847,-0.968,0.999,-0.936,0.786,-0.563,0.287,0.016,-0.317,0.589,-0.805,0.947,-1,0.959,-0.83,0.622,-0.357,0.058,0.246,-0.528,0.76,-0.921,0.996,-0.978,0.868,-0.678,0.424,-0.131,-0.175,0.464,-0.71,0.889,-0.986,0.99,-0.902,0.73,-0.489,0.203,0.102,-0.398,0.656,-0.853,0.971,-0.998,0.931,-0.778,0.552,-0.274,-0.029,0.329,-0.599,0.813,-0.951,1,-0.956,0.822,-0.612,0.344,-0.045,-0.259,0.539,-0.768,0.926,-0.997,0.975,-0.862,0.668,-0.412,0.118,0.188,-0.476,0.719,-0.895,0.988,-0.988,0.897,-0.721,0.478,-0.19,-0.115,0.41,-0.666,0.86,-0.974,0.997,-0.927,0.77,-0.541,0.262,0.042,-0.342,0.61,-0.821,0.955,-1,0.952,-0.815,0.601,-0.332,0.032,0.272,-0.55,0.776,-0.93,0.998,-0.972,0.855,-0.658,0.4,-0.105,-0.2,0.487,-0.728,0.901,-0.99,0.986,-0.891,0.712,-0.466,0.177,0.128,-0.422,0.676,-0.867,0.977,-0.996,0.922,-0.761,0.53,-0.249,-0.055,0.354,-0.62,0.828,-0.959,1,-0.948,0.807,-0.591,0.32,-0.018,-0.284,0.561,-0.785,0.935,-0.998,0.969,-0.848,0.648,-0.388,0.092,0.213,-0.498,0.737,-0.907,0.992,-0.984,0.885,-0.703,0.455,-0.165,-0.141,0.433,-0.685,0.873,-0.98,0.995,-0.916,0.753,-0.519,0.236,0.068,-0.366,0.63,-0.835,0.962,-1,0.943,-0.799,0.58,-0.307,0.005,0.297,-0.571,0.793,-0.94,0.999,-0.965,0.841,-0.638,0.376,-0.079,-0.226,0.51,-0.746,0.912,-0.993,0.982,-0.878,0.693,-0.443,0.152,0.154,-0.445,0.695,-0.88,0.982,-0.993,0.911,-0.744,0.508,-0.224,-0.081,0.378,-0.64,0.842,-0.966,0.999,-0.939,0.791,-0.57,0.295,0.008,-0.309,0.582,-0.801,0.944,-1,0.962,-0.834,0.628,-0.364,0.066,0.239,-0.521,0.754,-0.917,0.995,-0.979,0.872,-0.684,0.431,-0.139,-0.167,0.457,-0.704,0.886,-0.985,0.991,-0.906,0.735,-0.496,0.211,0.094,-0.39,0.65,-0.849,0.969,-0.998,0.934,-0.783,0.559,-0.282,-0.021,0.322,-0.593,0.808,-0.948,1,-0.958,0.827,-0.618,0.352,-0.053,-0.251,0.532,-0.763,0.923,-0.996,0.976,-0.866,0.674,-0.419,0.126,0.18,-0.469,0.713,-0.892,0.987,-0.99,0.9,-0.726,0.485,-0.198,-0.107,0.402,-0.66,0.856,-0.972,0.998,-0.93,0.775,-0.548,0.27,0.034,-0.334,0.603,-0.816,0.952,-1,0.954,-0.819,0.608,-0.339,0.039,0.264,-0.543,0.771,-0.928,0.997,-0.974,0.859,-0.664,0.408,-0.113,-0.193,0.48,-0.723,0.898,-0.989,0.988,-0.894,0.717,-0.473,0.185,0.12,-0.414,0.67,-0.863,0.975,-0.996,0.925,-0.767,0.537,-0.257,-0.047,0.347,-0.614,0.823,-0.956,1,-0.95,0.812,-0.597,0.327,-0.026,-0.277,0.554,-0.78,0.932,-0.998,0.97,-0.852,0.654,-0.396,0.1,0.206,-0.491,0.732,-0.903,0.991,-0.986,0.888,-0.708,0.462,-0.172,-0.133,0.426,-0.68,0.869,-0.978,0.995,-0.92,0.758,-0.526,0.244,0.06,-0.359,0.624,-0.831,0.96,-1,0.946,-0.804,0.587,-0.315,0.013,0.289,-0.565,0.788,-0.937,0.999,-0.967,0.845,-0.644,0.383,-0.087,-0.218,0.503,-0.74,0.909,-0.992,0.983,-0.882,0.699,-0.45,0.159,0.146,-0.438,0.689,-0.876,0.981,-0.994,0.914,-0.749,0.514,-0.231,-0.073,0.371,-0.634,0.838,-0.964,0.999,-0.942,0.796,-0.576,0.302,0,-0.302,0.576,-0.796,0.942,-0.999,0.964,-0.838,0.634,-0.371,0.074,0.231,-0.514,0.749,-0.914,0.994,-0.981,0.876,-0.689,0.438,-0.147,-0.159,0.45,-0.699,0.882,-0.983,0.992,-0.909,0.741,-0.503,0.219,0.086,-0.383,0.644,-0.845,0.967,-0.999,0.937,-0.788,0.565,-0.29,-0.013,0.314,-0.586,0.804,-0.946,1,-0.96,0.831,-0.624,0.359,-0.06,-0.244,0.525,-0.758,0.919,-0.995,0.978,-0.87,0.68,-0.427,0.134,0.172,-0.461,0.708,-0.888,0.985,-0.991,0.903,-0.732,0.492,-0.206,-0.099,0.395,-0.654,0.852,-0.97,0.998,-0.932,0.78,-0.554,0.277,0.026,-0.327,0.597,-0.811,0.95,-1,0.956,-0.824,0.614,-0.347,0.047,0.256,-0.536,0.766,-0.925,0.996,-0.975,0.863,-0.67,0.415,-0.121,-0.185,0.473,-0.717,0.894,-0.988,0.989,-0.898,0.723,-0.48,0.193,0.112,-0.407,0.664,-0.859,0.973,-0.997,0.928,-0.772,0.543,-0.265,-0.039,0.339,-0.607,0.819,-0.954,1,-0.953,0.816,-0.604,0.335,-0.034,-0.269,0.547,-0.775,0.929,-0.997,0.972,-0.856,0.66,-0.403,0.108,0.198,-0.485,0.726,-0.9,0.99,-0.987,0.892,-0.714,0.469,-0.18,-0.125,0.419,-0.674,0.865,-0.976,0.996,-0.923,0.763,-0.532,0.252,0.052,-0.351,0.618,-0.826,0.958,-1,0.949,-0.809,0.593,-0.322,0.021,0.282,-0.558,0.783,-0.934,0.998,-0.969,0.85,-0.651,0.391,-0.095,-0.211,0.496,-0.735,0.906,-0.991,0.985,-0.886,0.705,-0.457,0.167,0.138,-0.431,0.683,-0.872,0.979,-0.995,0.918,-0.755,0.521,-0.239,-0.065,0.364,-0.628,0.834,-0.962,1,-0.944,0.801,-0.582,0.31,-0.008,-0.294,0.569,-0.791,0.939,-0.999,0.966,-0.843,0.641,-0.379,0.081,0.223,-0.507,0.744,-0.911,0.993,-0.982,0.88,-0.695,0.446,-0.154,-0.151,0.443,-0.693,0.878,-0.982,0.993,-0.912,0.746,-0.51,0.226,0.078,-0.376,0.638,-0.841,0.965,-0.999,0.94,-0.793,0.572,-0.297,-0.005,0.307,-0.58,0.799,-0.943,0.999,-0.962,0.835,-0.63,0.367,-0.068,-0.236,0.519,-0.753,0.916,-0.994,0.98,-0.873,0.686,-0.434,0.141,0.164,-0.454,0.702,-0.884,0.984,-0.992,0.907,-0.737,0.499,-0.214,-0.091,0.388,-0.648,0.848,-0.968,0.999,-0.935,0.785,-0.561,0.285,0.018,-0.319,0.591,-0.807,0.948,-1,0.959,-0.828,0.62,-0.354,0.055,0.249,-0.53,0.761,-0.921,0.996,-0.977,0.867,-0.676,0.422,-0.128,-0.177,0.466,-0.712,0.891,-0.986,0.99,-0.901,0.728]	2026-05-16 08:00:00
3	201e9991-afe9-0c65-e13b-08b53fb695de	Node 3	[-0.821,0.61,-0.343,0.043,0.261,-0.54,0.769,-0.926,0.997,-0.974,0.861,-0.667,0.411,-0.116,-0.189,0.477,-0.72,0.896,-0.988,0.988,-0.896,0.72,-0.477,0.189,0.117,-0.411,0.667,-0.861,0.974,-0.997,0.926,-0.769,0.54,-0.26,-0.043,0.343,-0.611,0.821,-0.955,1,-0.951,0.814,-0.6,0.33,-0.03,-0.273,0.551,-0.777,0.931,-0.998,0.971,-0.854,0.657,-0.399,0.103,0.202,-0.488,0.729,-0.902,0.99,-0.986,0.89,-0.711,0.465,-0.176,-0.13,0.423,-0.677,0.868,-0.977,0.996,-0.921,0.76,-0.529,0.248,0.057,-0.355,0.621,-0.829,0.959,-1,0.947,-0.806,0.59,-0.318,0.017,0.286,-0.562,0.786,-0.936,0.999,-0.968,0.847,-0.647,0.387,-0.09,-0.215,0.5,-0.738,0.907,-0.992,0.984,-0.884,0.701,-0.453,0.163,0.143,-0.435,0.687,-0.874,0.98,-0.994,0.916,-0.752,0.518,-0.235,-0.07,0.368,-0.631,0.836,-0.963,0.999,-0.943,0.798,-0.579,0.306,-0.004,-0.298,0.573,-0.794,0.94,-0.999,0.965,-0.84,0.637,-0.375,0.077,0.228,-0.511,0.747,-0.913,0.994,-0.981,0.878,-0.692,0.442,-0.15,-0.156,0.447,-0.696,0.88,-0.983,0.993,-0.91,0.743,-0.506,0.222,0.083,-0.38,0.641,-0.843,0.966,-0.999,0.938,-0.79,0.568,-0.293,-0.009,0.311,-0.583,0.802,-0.945,1,-0.961,0.833,-0.627,0.362,-0.064,-0.24,0.522,-0.755,0.918,-0.995,0.979,-0.871,0.682,-0.43,0.137,0.169,-0.458,0.705,-0.887,0.985,-0.991,0.905,-0.734,0.495,-0.209,-0.096,0.392,-0.651,0.85,-0.969,0.998,-0.934,0.782,-0.557,0.281,0.022,-0.323,0.594,-0.809,0.949,-1,0.958,-0.826,0.617,-0.35,0.051,0.253,-0.533,0.764,-0.923,0.996,-0.976,0.865,-0.673,0.418,-0.124,-0.181,0.47,-0.715,0.893,-0.987,0.989,-0.899,0.725,-0.483,0.197,0.109,-0.404,0.661,-0.857,0.973,-0.997,0.929,-0.774,0.546,-0.268,-0.036,0.336,-0.605,0.817,-0.953,1,-0.954,0.818,-0.606,0.338,-0.038,-0.266,0.544,-0.772,0.928,-0.997,0.973,-0.858,0.663,-0.406,0.111,0.194,-0.481,0.724,-0.898,0.989,-0.987,0.894,-0.716,0.472,-0.184,-0.122,0.416,-0.671,0.864,-0.976,0.996,-0.924,0.765,-0.535,0.255,0.049,-0.348,0.615,-0.824,0.957,-1,0.95,-0.811,0.596,-0.326,0.025,0.278,-0.555,0.781,-0.933,0.998,-0.97,0.851,-0.653,0.394,-0.098,-0.207,0.493,-0.733,0.904,-0.991,0.985,-0.888,0.707,-0.46,0.171,0.135,-0.428,0.681,-0.87,0.978,-0.995,0.919,-0.757,0.524,-0.243,-0.062,0.36,-0.625,0.832,-0.961,1,-0.945,0.803,-0.585,0.313,-0.012,-0.291,0.566,-0.789,0.938,-0.999,0.967,-0.844,0.643,-0.382,0.085,0.22,-0.504,0.742,-0.91,0.993,-0.983,0.881,-0.698,0.449,-0.158,-0.148,0.44,-0.69,0.877,-0.981,0.994,-0.914,0.748,-0.513,0.23,0.075,-0.372,0.635,-0.839,0.964,-0.999,0.941,-0.795,0.575,-0.301,-0.001,0.303,-0.577,0.797,-0.942,0.999,-0.963,0.837,-0.633,0.37,-0.072,-0.233,0.516,-0.75,0.915,-0.994,0.98,-0.875,0.688,-0.437,0.145,0.161,-0.451,0.7,-0.883,0.983,-0.992,0.908,-0.74,0.502,-0.217,-0.088,0.385,-0.645,0.846,-0.968,0.999,-0.937,0.787,-0.564,0.288,0.015,-0.316,0.588,-0.805,0.946,-1,0.96,-0.83,0.623,-0.358,0.059,0.245,-0.527,0.759,-0.92,0.995,-0.978,0.869,-0.679,0.425,-0.132,-0.174,0.463,-0.709,0.889,-0.986,0.991,-0.903,0.731,-0.49,0.204,0.101,-0.397,0.655,-0.853,0.971,-0.998,0.932,-0.779,0.553,-0.276,-0.028,0.328,-0.598,0.812,-0.951,1,-0.956,0.823,-0.613,0.345,-0.046,-0.258,0.538,-0.767,0.925,-0.997,0.975,-0.862,0.669,-0.413,0.119,0.186,-0.475,0.718,-0.895,0.988,-0.989,0.897,-0.722,0.479,-0.191,-0.114,0.409,-0.665,0.86,-0.974,0.997,-0.927,0.771,-0.542,0.263,0.041,-0.341,0.609,-0.82,0.955,-1,0.952,-0.815,0.602,-0.333,0.033,0.271,-0.549,0.776,-0.93,0.998,-0.972,0.856,-0.659,0.401,-0.106,-0.199,0.486,-0.727,0.901,-0.99,0.987,-0.891,0.713,-0.467,0.179,0.127,-0.421,0.675,-0.866,0.977,-0.996,0.922,-0.762,0.531,-0.25,-0.054,0.353,-0.619,0.827,-0.958,1,-0.948,0.808,-0.592,0.321,-0.02,-0.283,0.56,-0.784,0.935,-0.998,0.969,-0.849,0.649,-0.389,0.093,0.212,-0.497,0.736,-0.906,0.992,-0.984,0.885,-0.703,0.456,-0.166,-0.14,0.432,-0.685,0.873,-0.979,0.995,-0.917,0.754,-0.52,0.238,0.067,-0.365,0.629,-0.835,0.962,-1,0.944,-0.8,0.581,-0.308,0.006,0.296,-0.571,0.792,-0.939,0.999,-0.965,0.842,-0.639,0.377,-0.08,-0.225,0.509,-0.745,0.912,-0.993,0.982,-0.879,0.694,-0.444,0.153,0.153,-0.444,0.694,-0.879,0.982,-0.993,0.912,-0.745,0.509,-0.225,-0.08,0.377,-0.639,0.842,-0.965,0.999,-0.939,0.792,-0.57,0.296,0.007,-0.308,0.581,-0.8,0.944,-1,0.962,-0.835,0.629,-0.365,0.067,0.238,-0.52,0.754,-0.917,0.995,-0.979,0.873,-0.684,0.432,-0.14,-0.166,0.456,-0.703,0.885,-0.984,0.992,-0.906,0.736,-0.497,0.212,0.093,-0.389,0.649,-0.849,0.969,-0.998,0.935,-0.784,0.56,-0.283,-0.02,0.321,-0.592,0.808,-0.948,1,-0.958,0.827,-0.619,0.353,-0.054,-0.25,0.531,-0.762,0.922,-0.996,0.977,-0.866,0.675,-0.42,0.127,0.179,-0.468,0.713,-0.891,0.987,-0.99,0.901,-0.727,0.486,-0.199,-0.106,0.401,-0.659,0.856,-0.972,0.998,-0.93,0.776,-0.549,0.271,0.033,-0.333,0.602,-0.815,0.952,-1,0.954,-0.82,0.609,-0.34,0.041,0.263,-0.542,0.771,-0.927,0.997,-0.974,0.86,-0.665,0.409,-0.114,-0.192,0.479,-0.722,0.897,-0.989,0.988,-0.895,0.718,-0.474,0.186,0.119,-0.413,0.669,-0.862,0.975,-0.997,0.925,-0.767,0.538,-0.258,-0.046,0.345,-0.613,0.823,-0.956,1,-0.95,0.812,-0.598,0.328,-0.028,-0.276,0.553,-0.779,0.932,-0.998,0.971,-0.853,0.655,-0.397,0.101,0.204,-0.491,0.731,-0.903,0.991,-0.986,0.889,-0.709,0.463,-0.173,-0.132,0.425,-0.679,0.869,-0.978,0.995,-0.92,0.759,-0.527,0.245,0.059,-0.358,0.623,-0.83,0.96,-1,0.946,-0.805,0.588,-0.316,0.014,0.288,-0.564,0.787,-0.937,0.999,-0.967,0.846,-0.645,0.385,-0.088,-0.217,0.502,-0.74,0.908,-0.992,0.983,-0.883,0.7,-0.451,0.161,0.145,-0.437,0.688,-0.875,0.98,-0.994,0.915,-0.75,0.515,-0.233,-0.072,0.37,-0.633,0.837,-0.963,0.999,-0.942,0.797,-0.577,0.303,-0.001,-0.301,0.575,-0.795,0.941,-0.999,0.964,-0.839,0.635,-0.372,0.075,0.23,-0.513,0.748,-0.914,0.994,-0.981,0.877,-0.69,0.439,-0.148,-0.158,0.449,-0.698,0.882,-0.983,0.993,-0.909,0.741,-0.504,0.22,0.085,-0.382,0.643,-0.845,0.967,-0.999,0.938,-0.789,0.566,-0.291,-0.012,0.313,-0.585,0.803,-0.945,1,-0.961,0.832,-0.625,0.36,-0.062,-0.243,0.524,-0.757,0.919,-0.995,0.978,-0.87,0.681,-0.428,0.135,0.171,-0.46,0.707,-0.888,0.985,-0.991,0.904,-0.733,0.493,-0.207,-0.098,0.394,-0.653,0.851,-0.97,0.998,-0.933,0.781,-0.555,0.278,0.025,-0.326,0.596,-0.811,0.95,-1,0.957,-0.824,0.615,-0.348,0.049,0.255,-0.535,0.766,-0.924,0.996,-0.976,0.864,-0.671,0.416,-0.122,-0.184,0.472,-0.716,0.894,-0.987,0.989,-0.898,0.724,-0.481,0.194,0.111,-0.406,0.663,-0.858,0.973,-0.997,0.928,-0.772,0.544,-0.266,-0.038,0.338,-0.606,0.818,-0.954,1,-0.953,0.817,-0.604,0.336,-0.035,-0.268,0.546,-0.774,0.929,-0.997,0.973,-0.857,0.661,-0.404,0.109,0.197,-0.484,0.725,-0.899,0.989,-0.987,0.892,-0.715,0.47,-0.181,-0.124,0.418,-0.673,0.865,-0.976,0.996,-0.923,0.764,-0.533,0.253,0.051,-0.35,0.617,-0.826,0.958,-1,0.949,-0.809,0.594,-0.323,0.022,0.281,-0.557,0.782,-0.934,0.998,-0.969,0.85,-0.651,0.392,-0.096,-0.209,0.495,-0.734,0.905,-0.991,0.985,-0.886,0.705,-0.458,0.168,0.137,-0.43,0.683,-0.871,0.979,-0.995,0.918,-0.755,0.522,-0.24,-0.064,0.363,-0.627,0.833,-0.961,1,-0.945,0.801,-0.583,0.311,-0.009,-0.293,0.568,-0.79,0.938,-0.999,0.966,-0.843,0.641,-0.38,0.083,0.222,-0.506,0.743,-0.911,0.993,-0.982,0.88,-0.696,0.447,-0.155,-0.15,0.442,-0.692,0.878,-0.981,0.994,-0.913,0.747,-0.511,0.228,0.077,-0.375,0.637,-0.84,0.965,-0.999,0.94,-0.794,0.573,-0.298,-0.004,0.306,-0.579,0.798,-0.943,0.999,-0.963,0.836,-0.631,0.368,-0.07,-0.235,0.518,-0.752,0.916,-0.994,0.98,-0.874,0.686,-0.435,0.143,0.163,-0.453,0.701,-0.884,0.984,-0.992,0.907,-0.738,0.5,-0.215,-0.09,0.387,-0.647,0.847,-0.968,0.999,-0.936,0.786,-0.562,0.286,0.017,-0.318,0.59,-0.806,0.947,-1,0.959,-0.829,0.621,-0.355,0.056,0.248,-0.529,0.76,-0.921,0.996,-0.977,0.868,-0.677,0.423,-0.13,-0.176,0.465,-0.711,0.89,-0.986,0.99,-0.902,0.729,-0.488,0.202,0.103,-0.399,0.657,-0.854,0.971,-0.998,0.931,-0.777,0.551,-0.273,-0.03,0.331,-0.6,0.814,-0.951,1,-0.955,0.821,-0.611,0.343,-0.043,-0.26,0.54,-0.769,0.926,-0.997,0.974,-0.861,0.667,-0.411,0.117,0.189,-0.477,0.72,-0.896,0.988,-0.988,0.896,-0.72,0.477,-0.189,-0.116,0.411,-0.667,0.861,-0.974,0.997,-0.926,0.769,-0.54,0.261,0.043,-0.343,0.611,-0.821,0.955,-1,0.951,-0.814,0.6,-0.331,0.03,0.273,-0.551,0.777,-0.931,0.998,-0.971,0.854,-0.657,0.399,-0.104,-0.202,0.488,-0.729,0.902,-0.99,0.986,-0.89,0.711,-0.465,0.176,0.129,-0.423,0.677,-0.867,0.977,-0.996,0.921,-0.761,0.529,-0.248,-0.056,0.355,-0.621,0.829,-0.959,1,-0.947,0.806,-0.59,0.318,-0.017,-0.286,0.562,-0.785,0.936,-0.999,0.968,-0.847,0.647,-0.387,0.09,0.215,-0.499,0.738,-0.907,0.992,-0.984,0.884,-0.702,0.454,-0.163,-0.142,0.435,-0.686,0.874,-0.98,0.994,-0.916,0.752,-0.518,0.235,0.069,-0.367,0.631,-0.836,0.963,-0.999,0.943,-0.798,0.579,-0.306,0.004,0.298,-0.572,0.793,-0.94,0.999,-0.965,0.84,-0.637,0.375,-0.077,-0.227,0.511,-0.747,0.913,-0.993,0.982,-0.878,0.692,-0.442,0.15,0.155,-0.446,0.696,-0.88,0.982,-0.993,0.911,-0.743,0.507,-0.223,-0.082,0.379,-0.641,0.843,-0.966,0.999,-0.938,0.79,-0.568,0.293,0.009,-0.311,0.583,-0.801,0.945,-1,0.961,-0.833,0.627,-0.363,0.064,0.24,-0.522,0.755,-0.918,0.995,-0.979,0.872,-0.683,0.43,-0.137,-0.168,0.458,-0.705,0.886,-0.985,0.991,-0.905,0.734,-0.495,0.21,0.095,-0.392,0.651,-0.85,0.969,-0.998,0.934,-0.782,0.558,-0.281,-0.022,0.323,-0.594,0.809,-0.949,1,-0.958,0.826,-0.617,0.351,-0.051,-0.253,0.533,-0.764,0.923,-0.996,0.976,-0.865,0.673,-0.418,0.124,0.181,-0.47,0.714,-0.892,0.987,-0.989,0.9,-0.726,0.484,-0.197,-0.108,0.404,-0.661,0.857,-0.973,0.997,-0.929,0.774,-0.547,0.268,0.035,-0.335,0.604,-0.817,0.953,-1,0.954,-0.818,0.607,-0.338,0.038,0.265,-0.544,0.772,-0.928,0.997,-0.973,0.858,-0.663,0.406,-0.111,-0.194,0.481,-0.723,0.898,-0.989,0.987,-0.894,0.716,-0.472,0.184,0.121,-0.416,0.671,-0.864,0.976,-0.996,0.924,-0.766,0.536,-0.256,-0.048,0.348,-0.615,0.824,-0.957,1,-0.95,0.811,-0.596,0.326,-0.025,-0.278,0.555,-0.78,0.933,-0.998,0.97,-0.852,0.653,-0.394,0.098,0.207,-0.493,0.732,-0.904,0.991,-0.985,0.888,-0.707,0.461,-0.171,-0.134,0.427,-0.681,0.87,-0.978,0.995,-0.919,0.757,-0.525,0.243,0.061,-0.36,0.625,-0.832,0.96,-1,0.946]	2026-05-16 08:00:00
4	809d7aea-9eac-f339-b2e3-5e3c8ae0a57c	Node 4	[-0.983,0.882,-0.698,0.45,-0.159,-0.147,0.439,-0.69,0.876,-0.981,0.994,-0.914,0.749,-0.514,0.231,0.074,-0.371,0.635,-0.838,0.964,-0.999,0.941,-0.796,0.576,-0.302,0,0.302,-0.576,0.796,-0.942,0.999,-0.964,0.838,-0.634,0.371,-0.073,-0.232,0.515,-0.75,0.914,-0.994,0.981,-0.876,0.689,-0.438,0.146,0.16,-0.45,0.699,-0.882,0.983,-0.992,0.909,-0.74,0.503,-0.218,-0.087,0.384,-0.645,0.845,-0.967,0.999,-0.937,0.788,-0.565,0.289,0.013,-0.315,0.587,-0.804,0.946,-1,0.96,-0.831,0.624,-0.359,0.06,0.244,-0.526,0.758,-0.92,0.995,-0.978,0.869,-0.679,0.426,-0.133,-0.173,0.462,-0.708,0.888,-0.986,0.991,-0.903,0.731,-0.491,0.205,0.1,-0.396,0.655,-0.852,0.97,-0.998,0.932,-0.78,0.554,-0.277,-0.027,0.327,-0.597,0.812,-0.95,1,-0.956,0.823,-0.614,0.346,-0.047,-0.257,0.537,-0.767,0.925,-0.997,0.975,-0.863,0.67,-0.414,0.12,0.185,-0.474,0.717,-0.894,0.988,-0.989,0.898,-0.722,0.48,-0.193,-0.113,0.408,-0.664,0.859,-0.974,0.997,-0.927,0.771,-0.543,0.264,0.04,-0.34,0.608,-0.819,0.954,-1,0.952,-0.816,0.603,-0.334,0.034,0.27,-0.548,0.775,-0.93,0.998,-0.972,0.856,-0.66,0.402,-0.107,-0.198,0.485,-0.726,0.9,-0.99,0.987,-0.892,0.713,-0.468,0.18,0.126,-0.42,0.674,-0.866,0.976,-0.996,0.923,-0.763,0.532,-0.251,-0.053,