//! Indirect ways past the policies of a table, by views and functions, as `rls` and `tenant` find them.

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

#[derive(Clone, Copy)]
enum End {
    Finding,
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
        (Err(error), End::CouldNotRun) => error
            .reason
            .contains("could neither be tried nor ruled out: EXECUTE on docs.f()"),
        _ => false,
    };
    (!is_right).then(|| format!("{name}: {came:#?}"))
}

#[rstest]
#[case(15)]
#[case(17)]
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
            let shared = with("shared-views = [\"docs.v\"]\n");
            all.extend(wrong(plur, FOUND[0], shared, End::Pass).await);
            let trusted = with("trusted-functions = [\"docs.f()\"]\n");
            all.extend(wrong(plur, OPEN[0], trusted, End::Pass).await);
        }
        assert!(all.is_empty(), "{}", all.join("\n"));
    })
    .await;
}
