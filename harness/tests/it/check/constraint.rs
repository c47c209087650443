use crate::support::{Case, on_empty, on_plur};

fn case<'a>(name: &'a str, change: &'a str, check: &'a str) -> Case<'a> {
    Case {
        name,
        change,
        undo: "",
        check,
    }
}

const ALL: &str = r#"
[[check.constraint]]
tables = ["plur.*", "org_*.*"]
all-valid = true
not-valid = ["users_email_shape"]
holds = true
"#;

const VALID: &str = "[[check.constraint]]\ntables = [\"plur.*\"]\nall-valid = true\nnot-valid = [\"users_email_shape\"]\n";

const KEY: &str = r#"
[[check.constraint]]
table = "plur.users"
constraint = "users_home_org_fkey"
definition = "FOREIGN KEY (home_org) REFERENCES orgs(slug) DEFERRABLE INITIALLY DEFERRED"
deferrable = "initially-deferred"
"#;

const COUNT: &str = r#"
[[check.constraint]]
tables = ["org_*.engrams", "plur.memberships"]
constraints = []
primary-key = true
count = { primary-key = 4, foreign-key = 5 }
"#;

/// Rows that no constraint lets in come in while its triggers are off, or before it is there.
const UNSEEN: &str = "SET session_replication_role = replica;";

#[tokio::test(flavor = "multi_thread")]
async fn constraint() {
    on_plur(async |plur| {
        for check in [ALL, VALID, KEY, COUNT] {
            plur.passes(case("the good backup", "", check)).await;
            plur.passes(case(
                "harmless: other constraints, NULLs in keys, new rows, a deferred key",
                "ALTER TABLE plur.api_keys ADD CONSTRAINT label_is_there CHECK (label <> '');
                 INSERT INTO org_acme.engrams (scope, title, body, created_at) SELECT 'user/1', 'new ' || i, '', now() FROM generate_series(1, 3) i;
                 CREATE TABLE public.elsewhere (id int); ANALYZE",
                check,
            ))
            .await;
        }
        let orphan = format!("{UNSEEN} UPDATE plur.users SET home_org = 'nowhere' WHERE id = 5");
        let two = format!("{UNSEEN} DELETE FROM plur.users WHERE id IN (10, 20)");
        let in_partition = format!("{UNSEEN} DELETE FROM plur.orgs WHERE slug = 'cumulus'");
        let doubled = "SET allow_system_table_mods = on;
             UPDATE pg_index SET indisunique = false WHERE indexrelid = 'plur.users_pkey'::regclass;
             ALTER TABLE plur.users ALTER COLUMN email DROP NOT NULL;
             INSERT INTO plur.users (id, email, name, created_at, home_org) SELECT id, NULL, name, created_at, home_org FROM plur.users WHERE id IN (3, 4)";
        let doubled = format!("ALTER TABLE plur.users DROP CONSTRAINT users_email_shape; {doubled}");
        let fails: &[(&str, &str, &str, &[&str])] = &[
            ("D03 an orphan behind a validated key", &orphan, ALL, &["constraint users_home_org_fkey on plur.users; no row without its other end; 1 row "]),
            ("D03 several rows", &two, ALL, &["memberships_user_id_fkey on plur.memberships", "rows without a referenced row"]),
            ("D03 behind a partitioned table", &in_partition, ALL, &["constraint audit_events_org_fkey on plur.audit_events; no row without its other end"]),
            ("D03 a row that makes a CHECK false",
             "ALTER TABLE plur.attachments DROP CONSTRAINT attachments_byte_count_positive; UPDATE plur.attachments SET byte_count = 0;
              ALTER TABLE plur.attachments ADD CONSTRAINT attachments_byte_count_positive CHECK (byte_count > 0) NOT VALID;
              UPDATE pg_constraint SET convalidated = true WHERE conname = 'attachments_byte_count_positive'",
             ALL, &["attachments_byte_count_positive on plur.attachments; no row that makes it false"]),
            ("D05 a key that is there twice", &doubled, ALL, &["constraint users_pkey on plur.users; every key once; 2 keys"]),
            ("D04 a constraint that is not validated", "ALTER TABLE plur.orgs ADD CONSTRAINT name_is_short CHECK (length(name) < 99) NOT VALID", VALID,
             &["constraint name_is_short on plur.orgs; validated and enforced; it is NOT VALID"]),
            ("D04 not named as one that may", "", "[[check.constraint]]\ntable = \"plur.users\"\nall-valid = true\n", &["users_email_shape"]),
            ("D04 named itself", "", "[[check.constraint]]\ntable = \"plur.users\"\nconstraint = \"users_email_shape\"\n", &["NOT VALID"]),
            ("D03 a key was not restored", "ALTER TABLE plur.users DROP CONSTRAINT users_home_org_fkey", KEY, &["constraint users_home_org_fkey on plur.users; a constraint; there is none"]),
            ("another definition", "ALTER TABLE plur.users DROP CONSTRAINT users_home_org_fkey, ADD CONSTRAINT users_home_org_fkey FOREIGN KEY (home_org) REFERENCES plur.orgs (slug) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED", KEY,
             &["ON DELETE CASCADE"]),
            ("not deferred any more", "ALTER TABLE plur.users ALTER CONSTRAINT users_home_org_fkey NOT DEFERRABLE", KEY, &["deferrable initially deferred; not deferrable"]),
            ("A06 triggers of a key are off", "ALTER TABLE plur.users DISABLE TRIGGER ALL", VALID, &["constraint users_home_org_fkey on plur.users; its triggers fire; 2 of its triggers on plur.users are disabled", "memberships_user_id_fkey"]),
            ("A06 for a named key", "ALTER TABLE plur.users DISABLE TRIGGER ALL", KEY, &["users_home_org_fkey"]),
            ("A06 on the other side alone", "ALTER TABLE plur.orgs DISABLE TRIGGER ALL", KEY, &["on plur.orgs are disabled"]),
            ("A06 on one partition", "ALTER TABLE plur.audit_events_2026_01 DISABLE TRIGGER ALL", VALID, &["on plur.audit_events_2026_01 are disabled"]),
            ("D05 a primary key was not restored", "ALTER TABLE org_acme.engrams DROP CONSTRAINT engrams_pkey CASCADE", COUNT, &["org_acme.engrams; a primary key", "4 primary keys; 3 primary keys", "5 foreign keys; 4 foreign keys"]),
            ("a table is gone", "DROP TABLE plur.users CASCADE", KEY, &["plur.users; a table"]),
            ("a pattern that matches nothing", "", "[[check.constraint]]\ntables = [\"nosuch.*\"]\nholds = true\n", &["nosuch.*"]),
        ];
        plur.fails_each(fails).await;
        shapes(plur).await;
        plur.cannot_look(case("all left out", "", "[[check.constraint]]\ntables = [\"plur.*\"]\nexcept = [\"plur.*\"]\nprimary-key = true\n"), "leaves no table").await;
        plur.cannot_look(case("a table without constraints", "", "[[check.constraint]]\ntable = \"org_acme.recall_log\"\nholds = true\n"), "no key and no CHECK").await;
        plur.cannot_look(
            case(
                "a CHECK whose function needs a search_path",
                "CREATE FUNCTION public.small(given int) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN given < (SELECT max(n) FROM limits); END';
                 CREATE TABLE public.limits (n int); INSERT INTO public.limits VALUES (9);
                 CREATE TABLE public.checked (n int CHECK (public.small(n)) CHECK (n > 0)); INSERT INTO public.checked VALUES (1)",
                "[[check.constraint]]\ntable = \"public.checked\"\nholds = true\n",
            ),
            "could not be tried",
        )
        .await;
        plur.assert_passed_and_failed("constraint");
    })
    .await;
}

/// Keys of several columns, MATCH FULL, quoted names, self references, partitioned tables on both sides.
async fn shapes(plur: &crate::support::Plur) {
    const SHAPES: &str = "
CREATE SCHEMA k;
CREATE TABLE k.\"Two\" (a int, b text COLLATE \"C\", PRIMARY KEY (a, b));
CREATE TABLE k.simple (a int, b text, CONSTRAINT simple_fk FOREIGN KEY (a, b) REFERENCES k.\"Two\");
CREATE TABLE k.entire (a int, b text, CONSTRAINT full_fk FOREIGN KEY (a, b) REFERENCES k.\"Two\" MATCH FULL);
CREATE TABLE k.tree (id int PRIMARY KEY, up int CONSTRAINT tree_fk REFERENCES k.tree);
CREATE TABLE k.part (at date, id bigint, PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
CREATE TABLE k.part_1 PARTITION OF k.part FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE k.ref (at date, id int, CONSTRAINT ref_fk FOREIGN KEY (at, id) REFERENCES k.part) PARTITION BY RANGE (at);
CREATE TABLE k.ref_1 PARTITION OF k.ref FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE k.loose (a int, b int, CONSTRAINT loose_key UNIQUE NULLS NOT DISTINCT (a, b));
CREATE TABLE k.base (id int PRIMARY KEY, CONSTRAINT base_check CHECK (id > 0)); CREATE TABLE k.kid () INHERITS (k.base);
INSERT INTO k.\"Two\" VALUES (1, 'x'); INSERT INTO k.simple VALUES (1, 'x'), (NULL, 'y'), (7, NULL), (NULL, NULL);
INSERT INTO k.entire VALUES (1, 'x'), (NULL, NULL); INSERT INTO k.tree VALUES (1, NULL), (2, 1);
INSERT INTO k.part VALUES ('2026-01-05', 1); INSERT INTO k.ref VALUES ('2026-01-05', 1), (NULL, 3) ON CONFLICT DO NOTHING;
";
    let shapes = SHAPES.replace(", (NULL, 3) ON CONFLICT DO NOTHING", "");
    const HOLDS: &str =
        "[[check.constraint]]\ntables = [\"k.*\"]\nholds = true\nall-valid = true\n";
    plur.passes(case("every shape holds", &shapes, HOLDS)).await;
    let fails: &[(&str, &str, &[&str])] = &[
        (
            "an orphan of two columns",
            "INSERT INTO k.simple VALUES (1, 'y')",
            &["constraint simple_fk on k.simple; no row without its other end; 1 row "],
        ),
        (
            "MATCH FULL with half a key",
            "INSERT INTO k.entire VALUES (1, NULL), (2, 'x')",
            &["constraint full_fk on k.entire; no row without its other end; 2 rows"],
        ),
        (
            "a self reference",
            "INSERT INTO k.tree VALUES (3, 9)",
            &["tree_fk on k.tree"],
        ),
        (
            "partitioned on both sides",
            "INSERT INTO k.ref_1 VALUES ('2026-01-06', 1)",
            &["constraint ref_fk on k.ref;"],
        ),
        (
            "a row of a child is no other end",
            "CREATE TABLE k.of_base (id int CONSTRAINT of_fk REFERENCES k.base); INSERT INTO k.kid VALUES (5); INSERT INTO k.of_base VALUES (5)",
            &["of_fk on k.of_base"],
        ),
        (
            "a CHECK of a child",
            "ALTER TABLE k.base DROP CONSTRAINT base_check; INSERT INTO k.kid VALUES (-5); ALTER TABLE k.base ADD CONSTRAINT base_check CHECK (id > 0) NOT VALID",
            &["base_check on k.kid; no row that makes it false; 1 row "],
        ),
        ("a partition alone", "DELETE FROM k.part_1", &["ref_fk"]),
    ];
    for (name, change, texts) in fails {
        plur.fails(
            case(name, &format!("{shapes}{UNSEEN}{change}"), HOLDS),
            texts,
        )
        .await;
    }
}

/// Catalogs differ: constraints that are not enforced, NOT NULL by name, and keys of periods came with 18.
#[tokio::test(flavor = "multi_thread")]
async fn constraint_on_15_and_18() {
    const TABLES: &str = "
CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1);
CREATE TABLE b (a int CONSTRAINT b_fk REFERENCES a, n int NOT NULL CHECK (n > 0), UNIQUE NULLS NOT DISTINCT (n)); INSERT INTO b VALUES (1, 1), (NULL, 2);";
    const CHECK: &str = "[[check.constraint]]\ntables = [\"public.*\"]\nall-valid = true\nholds = true\ncount = { foreign-key = 1, check = 1, unique = 1, primary-key = 1 }\n";
    for major in [15, 18] {
        on_empty(major, async |plur| {
            plur.passes(case("good", TABLES, CHECK)).await;
            let orphan = format!("{TABLES}{UNSEEN} INSERT INTO b VALUES (9, 9)");
            plur.fails(case("D03", &orphan, CHECK), &["b_fk on public.b"]).await;
            if major < 18 {
                return;
            }
            let loose = format!("{TABLES} ALTER TABLE b ALTER CONSTRAINT b_fk NOT ENFORCED");
            plur.fails(case("not enforced", &loose, CHECK), &["it is NOT ENFORCED"]).await;
            let period = "CREATE EXTENSION IF NOT EXISTS btree_gist; CREATE TABLE p (id int, at daterange, PRIMARY KEY (id, at WITHOUT OVERLAPS))";
            plur.cannot_look(case("periods", period, "[[check.constraint]]\ntable = \"public.p\"\nholds = true\n"), "periods of time").await;
        })
        .await;
    }
}
