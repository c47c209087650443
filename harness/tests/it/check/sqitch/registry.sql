CREATE SCHEMA sqitch;
CREATE TABLE sqitch.changes (
    change_id text NOT NULL,
    script_hash text,
    change text NOT NULL,
    project text NOT NULL,
    note text DEFAULT ''::text NOT NULL,
    committed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    committer_name text NOT NULL,
    committer_email text NOT NULL,
    planned_at timestamp with time zone NOT NULL,
    planner_name text NOT NULL,
    planner_email text NOT NULL
);
CREATE TABLE sqitch.dependencies (
    change_id text NOT NULL,
    type text NOT NULL,
    dependency text NOT NULL,
    dependency_id text,
    CONSTRAINT dependencies_check CHECK ((((type = 'require'::text) AND (dependency_id IS NOT NULL)) OR ((type = 'conflict'::text) AND (dependency_id IS NULL))))
);
CREATE TABLE sqitch.events (
    event text NOT NULL,
    change_id text NOT NULL,
    change text NOT NULL,
    project text NOT NULL,
    note text DEFAULT ''::text NOT NULL,
    requires text[] DEFAULT '{}'::text[] NOT NULL,
    conflicts text[] DEFAULT '{}'::text[] NOT NULL,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    committed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    committer_name text NOT NULL,
    committer_email text NOT NULL,
    planned_at timestamp with time zone NOT NULL,
    planner_name text NOT NULL,
    planner_email text NOT NULL,
    CONSTRAINT events_event_check CHECK ((event = ANY (ARRAY['deploy'::text, 'revert'::text, 'fail'::text, 'merge'::text])))
);
CREATE TABLE sqitch.projects (
    project text NOT NULL,
    uri text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    creator_name text NOT NULL,
    creator_email text NOT NULL
);
CREATE TABLE sqitch.releases (
    version real NOT NULL,
    installed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    installer_name text NOT NULL,
    installer_email text NOT NULL
);
CREATE TABLE sqitch.tags (
    tag_id text NOT NULL,
    tag text NOT NULL,
    project text NOT NULL,
    change_id text NOT NULL,
    note text DEFAULT ''::text NOT NULL,
    committed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    committer_name text NOT NULL,
    committer_email text NOT NULL,
    planned_at timestamp with time zone NOT NULL,
    planner_name text NOT NULL,
    planner_email text NOT NULL
);
INSERT INTO sqitch.changes VALUES ('fed13c605db55256448bd612d44faf2f0c3fc83a', '6057caaf3772978aeec5d1f2560fde8d3602f412', 'schema', 'shop', 'The schema.', '2026-11-23 16:11:06.496708+00', 'Zoë Ada', 'ada@example.test', '2026-11-23 16:08:50+00', 'Zoë Ada', 'ada@example.test');
INSERT INTO sqitch.changes VALUES ('82503a26d49774db4d5519fac03005cd8455a42a', '4cda3edbe35b7dbaec06ea9ce1551a71f11a2b01', 'users', 'shop', 'Users, with a # and	a tab.', '2026-11-23 16:11:06.578066+00', 'Zoë Ada', 'ada@example.test', '2026-11-23 16:08:51+00', 'Zoë Ada', 'ada@example.test');
INSERT INTO sqitch.changes VALUES ('17025b475dc361f62e23770f0479a6a6a6b79324', '4825e3ad3d16df99a808980bf8a567671d515da3', 'app/orders', 'shop', 'Two
lines \ here.', '2026-11-23 16:11:06.682727+00', 'Zoë Ada', 'ada@example.test', '2026-11-23 16:08:52+00', 'Zoë Ada', 'ada@example.test');
INSERT INTO sqitch.changes VALUES ('bb3a0d1e51e8c0bd6917615511fc5d9a3d56ec06', '19aab59789d89a30212205d39f93261b171cd9bf', 'users', 'shop', 'Users again.', '2026-11-23 16:11:06.793547+00', 'Zoë Ada', 'ada@example.test', '2026-11-23 16:08:54+00', 'Zoë Ada', 'ada@example.test');
INSERT INTO sqitch.changes VALUES ('d21f164980c37c4703fcb408bc4103fc9c6b4a70', '49553215b4a484d8511ae126359cda053f5c644b', 'one', 'other', 'x', '2026-11-23 16:11:09.934547+00', 'Zoë Ada', 'ada@example.test', '2026-11-23 16:11:08+00', 'Zoë Ada', 'ada@example.test');
INSERT INTO sqitch.dependencies VALUES ('82503a26d49774db4d5519fac03005cd8455a42a', 'require', 'schema', 'fed13c605db55256448bd612d44faf2f0c3fc83a');
INSERT INTO sqitch.dependencies VALUES ('17025b475dc361f62e23770f0479a6a6a6b79324', 'require', 'users', '82503a26d49774db4d5519fac03005cd8455a42a');
INSERT INTO sqitch.dependencies VALUES ('17025b475dc361f62e23770f0479a6a6a6b79324', 'require', 'schema', 'fed13c605db55256448bd612d44faf2f0c3fc83a');
INSERT INTO sqitch.dependencies VALUES ('17025b475dc361f62e23770f0479a6a6a6b79324', 'conflict', 'legacy:thing', NULL);
INSERT INTO sqitch.dependencies VALUES ('bb3a0d1e51e8c0bd6917615511fc5d9a3d56ec06', 'require', 'users@v1.1', '82503a26d49774db4d5519fac03005cd8455a42a');
INSERT INTO sqitch.dependencies VALUES ('bb3a0d1e51e8c0bd6917615511fc5d9a3d56ec06', 'require', 'app/orders', '17025b475dc361f62e23770f0479a6a6a6b79324');
INSERT INTO sqitch.events VALUES ('deploy', 'fed13c605db55256448bd612d44faf2f0c3fc83a', 'schema', 'shop', 'The schema.', '{}', '{}', '{}', '2026-11-23 16:11:06.499364+00', 'Zoë Ada', 'ada@example.test', '2026-11-23 16:08:50+00', 'Zoë Ada', 'ada@example.test');
INSERT INTO sqitch.events VALUES ('deploy', '82503a26d49774db4d5519fac03005cd8455a42a', 'users', 'shop', 'Users, with a # and	a tab.', '{schema}', '{}', '{@v1.0}', '2026-11-23 16:11:06.585843+00', 'Zoë Ada', 'ada@example.test', '2026-11-23 16:08:51+00', 'Zoë Ada', 'ada@example.test');
INSERT INTO sqitch.events VALUES ('deploy', '17025b475dc361f62e23770f0479a6a6a6b79324', 'app/orders', 'shop', 'Two
lines \ here.', '{users,schema}', '{legacy:thing}', '{@v1.1}', '2026-11-23 16:11:06.686913+00', 'Zoë Ada', 'ada@example.test', '2026-11-23 16:08:52+00', 'Zoë Ada', 'ada@example.test');
INSERT INTO sqitch.events VALUES ('deploy', 'bb3a0d1e51e8c0bd6917615511fc5d9a3d56ec06', 'users', 'shop', 'Users again.', '{users@v1.1,app/orders}', '{}', '{}', '2026-11-23 16:11:06.796002+00', 'Zoë Ada', 'ada@example.test', '2026-11-23 16:08:54+00', 'Zoë Ada', 'ada@example.test');
INSERT INTO sqitch.events VALUES ('deploy', 'd21f164980c37c4703fcb408bc4103fc9c6b4a70', 'one', 'other', 'x', '{}', '{}', '{}', '2026-11-23 16:11:09.939911+00', 'Zoë Ada', 'ada@example.test', '2026-11-23 16:11:08+00', 'Zoë Ada', 'ada@example.test');
INSERT INTO sqitch.projects VALUES ('shop', 'https://Example.test:443/shop', '2026-11-23 16:11:06.414559+00', 'Zoë Ada', 'ada@example.test');
INSERT INTO sqitch.projects VALUES ('other', NULL, '2026-11-23 16:11:09.85022+00', 'Zoë Ada', 'ada@example.test');
INSERT INTO sqitch.releases VALUES (1.1, '2026-11-23 16:11:06.411228+00', 'Zoë Ada', 'ada@example.test');
INSERT INTO sqitch.tags VALUES ('aa44d92fecd75a14393ed03f93aa830ac4df31d9', '@v1.0', 'shop', '82503a26d49774db4d5519fac03005cd8455a42a', 'First.', '2026-11-23 16:11:06.584154+00', 'Zoë Ada', 'ada@example.test', '2026-11-23 16:08:52+00', 'Zoë Ada', 'ada@example.test');
INSERT INTO sqitch.tags VALUES ('9a63591ee84a55bdf1474035f20c23a4233f2455', '@v1.1', 'shop', '17025b475dc361f62e23770f0479a6a6a6b79324', 'Second.', '2026-11-23 16:11:06.6854+00', 'Zoë Ada', 'ada@example.test', '2026-11-23 16:08:53+00', 'Zoë Ada', 'ada@example.test');
ALTER TABLE ONLY sqitch.changes
    ADD CONSTRAINT changes_pkey PRIMARY KEY (change_id);
ALTER TABLE ONLY sqitch.changes
    ADD CONSTRAINT changes_project_script_hash_key UNIQUE (project, script_hash);
ALTER TABLE ONLY sqitch.dependencies
    ADD CONSTRAINT dependencies_pkey PRIMARY KEY (change_id, dependency);
ALTER TABLE ONLY sqitch.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (change_id, committed_at);
ALTER TABLE ONLY sqitch.projects
    ADD CONSTRAINT projects_pkey PRIMARY KEY (project);
ALTER TABLE ONLY sqitch.projects
    ADD CONSTRAINT projects_uri_key UNIQUE (uri);
ALTER TABLE ONLY sqitch.releases
    ADD CONSTRAINT releases_pkey PRIMARY KEY (version);
ALTER TABLE ONLY sqitch.tags
    ADD CONSTRAINT tags_pkey PRIMARY KEY (tag_id);
ALTER TABLE ONLY sqitch.tags
    ADD CONSTRAINT tags_project_tag_key UNIQUE (project, tag);
ALTER TABLE ONLY sqitch.changes
    ADD CONSTRAINT changes_project_fkey FOREIGN KEY (project) REFERENCES sqitch.projects(project) ON UPDATE CASCADE;
ALTER TABLE ONLY sqitch.dependencies
    ADD CONSTRAINT dependencies_change_id_fkey FOREIGN KEY (change_id) REFERENCES sqitch.changes(change_id) ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE ONLY sqitch.dependencies
    ADD CONSTRAINT dependencies_dependency_id_fkey FOREIGN KEY (dependency_id) REFERENCES sqitch.changes(change_id) ON UPDATE CASCADE;
ALTER TABLE ONLY sqitch.events
    ADD CONSTRAINT events_project_fkey FOREIGN KEY (project) REFERENCES sqitch.projects(project) ON UPDATE CASCADE;
ALTER TABLE ONLY sqitch.tags
    ADD CONSTRAINT tags_change_id_fkey FOREIGN KEY (change_id) REFERENCES sqitch.changes(change_id) ON UPDATE CASCADE;
ALTER TABLE ONLY sqitch.tags
    ADD CONSTRAINT tags_project_fkey FOREIGN KEY (project) REFERENCES sqitch.projects(project) ON UPDATE CASCADE;
