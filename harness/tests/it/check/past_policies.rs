//! Indirect ways past the policies of a table, as `rls` and `tenant` find them.

use rstest::rstest;

use crate::support::{Case, Plur, on_empty};

/// Roles, and a table that shows a session the rows of its org.
const ROLES: &str = "
CREATE ROLE docs_owner; CREATE ROLE docs_app LOGIN; GRANT CONNECT, TEMPORARY ON DATABASE plur TO PUBLIC;
";

const DOCS: &str = "
CREATE SCHEMA docs AUTHORIZATION docs_owner; GRANT USAGE ON SCHEMA docs TO docs_app; SET ROLE docs_owner;
SET search_path = docs; CREATE TABLE pages (id int, org text); INSERT INTO pages VALUES (1, 'acme'), (2, 'other'), (3, 'other');
ALTER TABLE pages ENABLE ROW LEVEL SECURITY; CREATE POLICY by_org ON pages USING (org = current_setting('docs.org', true));
GRANT SELECT ON pages TO docs_app;
";

const RLS: (&str, &str) = (
    "[[check.rls]]\ntable = \"docs.pages\"\n",
    "[[check.rls.behaviour]]\nrole = \"docs_app\"\nsettings = { \"docs.org\" = \"acme\" }\nsees-where = \"org = 'acme'\"\n",
);

const TENANT: (&str, &str) = (
    "[[check.tenant]]\ntables = [\"docs.pages\"]\ncolumn = \"org\"\nrole = \"docs_app\"\nsetting = \"docs.org\"\n",
    "",
);

const FOUND: &[(&str, &str)] = &[
    (
        "a view of the owner",
        "CREATE VIEW v AS SELECT * FROM pages; GRANT SELECT ON v TO docs_app",
    ),
    (
        "a number of rows",
        "CREATE VIEW v AS SELECT count(*) FROM pages; GRANT SELECT ON v TO PUBLIC",
    ),
    (
        "a chain of views",
        "CREATE VIEW low AS SELECT * FROM pages; CREATE VIEW v WITH (security_invoker) AS SELECT * FROM low;
         GRANT SELECT ON low, v TO docs_app",
    ),
];

const OPEN: &[(&str, &str)] = &[
    (
        "a function",
        "CREATE FUNCTION f() RETURNS SETOF pages LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM docs.pages'",
    ),
    (
        "a function that reads a view",
        "CREATE VIEW v WITH (security_invoker) AS SELECT * FROM pages;
         CREATE FUNCTION f() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM docs.v'",
    ),
    (
        "dynamic SQL",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN EXECUTE current_setting($$a.b$$); END'",
    ),
];

const HARMLESS: &[(&str, &str)] = &[
    ("nothing more", ""),
    (
        "a view with security_invoker, one with a condition of its own, and one that the role may not read",
        "CREATE VIEW a WITH (security_invoker) AS SELECT * FROM pages;
         CREATE VIEW b AS SELECT * FROM pages WHERE org = current_setting('docs.org', true);
         CREATE VIEW c AS SELECT * FROM pages; GRANT SELECT ON a, b TO docs_app",
    ),
    (
        "the owner is under the policies",
        "ALTER TABLE pages FORCE ROW LEVEL SECURITY; CREATE VIEW v AS SELECT * FROM pages; GRANT SELECT ON v TO docs_app;
         CREATE FUNCTION f() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM docs.pages'",
    ),
    (
        "functions that read other tables, run as the caller, or may not be called",
        "CREATE TABLE others (id int); CREATE FUNCTION f() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM docs.others';
         CREATE FUNCTION g() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM docs.pages';
         CREATE FUNCTION h() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM docs.pages';
         REVOKE EXECUTE ON FUNCTION h FROM PUBLIC;
         CREATE FUNCTION i() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN PERFORM FROM docs.pages; RETURN NULL; END'",
    ),
];

const SHELVES: &str = "
CREATE TABLE shelves (id int PRIMARY KEY, org text); INSERT INTO shelves VALUES (1, 'acme'), (2, 'other');
ALTER TABLE pages ADD shelf int REFERENCES shelves {action}; UPDATE pages SET shelf = CASE org WHEN 'acme' THEN 1 ELSE 2 END;
";

/// Ways to write rows that the policies hide. `{action}` is in [`SHELVES`], which comes first where it is named.
const WRITTEN: &[(&str, &str, &str)] = &[
    (
        "a view that may only be written",
        "",
        "CREATE VIEW v AS SELECT * FROM pages; GRANT DELETE ON v TO docs_app",
    ),
    (
        "rows for others, by a view without WITH CHECK OPTION",
        "",
        "CREATE VIEW v AS SELECT org, id FROM pages WHERE org = current_setting('docs.org', true); GRANT INSERT ON v TO docs_app",
    ),
    (
        "S17 a foreign key with CASCADE",
        "ON DELETE CASCADE",
        "GRANT SELECT, DELETE ON shelves TO docs_app; ALTER TABLE pages FORCE ROW LEVEL SECURITY",
    ),
    (
        "a foreign key with CASCADE, of a table that the role may not read",
        "ON DELETE CASCADE",
        "GRANT DELETE ON shelves TO docs_app",
    ),
    (
        "a foreign key with SET NULL",
        "ON UPDATE SET NULL",
        "GRANT SELECT, UPDATE ON shelves TO docs_app",
    ),
    (
        "a rule",
        "",
        "CREATE TABLE inbox (n int); GRANT INSERT ON inbox TO docs_app;
         CREATE RULE r AS ON INSERT TO inbox DO ALSO DELETE FROM pages WHERE org = 'other'",
    ),
    (
        "a trigger",
        "",
        "CREATE TABLE inbox (n int); GRANT INSERT ON inbox TO docs_app;
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN DELETE FROM docs.pages; RETURN NULL; END';
         CREATE TRIGGER t AFTER INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION f()",
    ),
];

/// Ways on which nothing can be seen.
const NOT_SEEN: &[(&str, &str, &str)] = &[
    (
        "a trigger that does nothing with the row that is tried",
        "",
        "CREATE TABLE inbox (n int); GRANT INSERT ON inbox TO docs_app;
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN DELETE FROM docs.pages WHERE id = NEW.n; RETURN NULL; END';
         CREATE TRIGGER t AFTER INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION f()",
    ),
    (
        "a foreign key of which no row has a value",
        "ON DELETE CASCADE",
        "GRANT SELECT, DELETE ON shelves TO docs_app; UPDATE pages SET shelf = NULL",
    ),
];

const WRITES_NOTHING: &[(&str, &str, &str)] = &[
    (
        "views with security_invoker, and with a condition and WITH CHECK OPTION",
        "",
        "CREATE VIEW a WITH (security_invoker) AS SELECT * FROM pages;
         CREATE VIEW b AS SELECT * FROM pages WHERE org = current_setting('docs.org', true) WITH CHECK OPTION;
         GRANT SELECT, INSERT, UPDATE, DELETE ON a, b TO docs_app; GRANT UPDATE, INSERT, DELETE ON pages TO docs_app",
    ),
    (
        "a foreign key of a table under policies of its own",
        "ON DELETE CASCADE ON UPDATE CASCADE",
        "ALTER TABLE shelves ENABLE ROW LEVEL SECURITY; CREATE POLICY by_org ON shelves USING (org = current_setting('docs.org', true));
         GRANT SELECT, UPDATE, DELETE ON shelves TO docs_app",
    ),
    (
        "a foreign key without an action",
        "",
        "ALTER TABLE pages DROP CONSTRAINT IF EXISTS pages_shelf_fkey; CREATE TABLE shelves (id int PRIMARY KEY);
         ALTER TABLE pages ADD shelf int REFERENCES shelves; GRANT SELECT, DELETE, UPDATE ON shelves TO docs_app",
    ),
    (
        "a trigger that adds a row to a log",
        "",
        "CREATE TABLE inbox (n int); GRANT INSERT ON inbox TO docs_app;
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN INSERT INTO docs.pages VALUES (NEW.n); RETURN NULL; END';
         CREATE TRIGGER t AFTER INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION f()",
    ),
];

#[derive(Clone, Copy)]
enum End {
    Finding,
    Written,
    NotSeen,
    CouldNotRun,
    Pass,
}

/// Runs a check on the table with a change; says what is wrong with the result.
async fn wrong(
    plur: &Plur,
    (name, change): (&str, &str),
    (check, more, behaviour): (&str, &str, &str),
    end: End,
) -> Option<String> {
    let case = Case {
        name,
        change: &format!("{DOCS}{change}; RESET ROLE"),
        undo: "",
        check: &format!("{check}{more}{behaviour}"),
    };
    let came = plur.run(case).await;
    let is_right = match (&came, end) {
        (Ok(found), End::Pass) => found.all_findings().next().is_none(),
        (Ok(found), End::Finding) => found
            .all_findings()
            .any(|one| one.actual.contains("something else without these rows")),
        (Ok(found), End::Written) => found.all_findings().any(|one| {
            let expected = "docs_app writes no row that the policies hide from it";
            one.expected == expected && one.actual.contains("went through (rolled back)")
        }),
        (Err(error), End::NotSeen) => error.reason.contains(
            "these ways to write rows of docs.pages that its policies hide could neither be tried nor ruled out: role docs_app has",
        ),
        (Err(error), End::CouldNotRun) => error
            .reason
            .contains("could neither be tried nor ruled out: EXECUTE on docs.f()"),
        _ => false,
    };
    (!is_right).then(|| format!("{name}: {came:#?}"))
}

#[rstest]
#[ignore = "slow: ci/slow.sh"]
#[case(15)]
#[case(17)]
#[ignore = "slow: ci/slow.sh"]
#[case(18)]
#[tokio::test(flavor = "multi_thread")]
async fn ways_past_the_policies(#[case] major: u32) {
    on_empty(major, async |plur| {
        plur.sql("plur", ROLES).await;
        let mut all = Vec::new();
        for (check, behaviour) in [RLS, TENANT] {
            let with = |more| (check, more, behaviour);
            for case in FOUND {
                all.extend(wrong(plur, *case, with(""), End::Finding).await);
            }
            for case in OPEN {
                all.extend(wrong(plur, *case, with(""), End::CouldNotRun).await);
            }
            for case in HARMLESS {
                all.extend(wrong(plur, *case, with(""), End::Pass).await);
            }
            for (cases, end) in [
                (WRITTEN, End::Written),
                (NOT_SEEN, End::NotSeen),
                (WRITES_NOTHING, End::Pass),
            ] {
                for (name, action, change) in cases {
                    let change = match action {
                        &"" => (*change).to_owned(),
                        action => format!("{}{change}", SHELVES.replace("{action}", action)),
                    };
                    all.extend(wrong(plur, (name, &change), with(""), end).await);
                }
            }
            let (name, action, change) = WRITTEN[2];
            let change = format!("{}{change}", SHELVES.replace("{action}", action));
            let indirect = with("indirect = [\"delete on docs.pages\"]\n");
            all.extend(wrong(plur, (name, &change), indirect, End::Pass).await);
            let shared = with("shared-views = [\"docs.v\"]\n");
            all.extend(wrong(plur, FOUND[0], shared, End::Pass).await);
            let (name, _, change) = WRITTEN[0];
            all.extend(wrong(plur, (name, change), shared, End::Pass).await);
            let trusted = with("trusted-functions = [\"docs.f()\"]\n");
            all.extend(wrong(plur, OPEN[0], trusted, End::Pass).await);
        }
        assert!(all.is_empty(), "{}", all.join("\n"));
    })
    .await;
}
