//! Indirect ways to write a table: by views, foreign keys, rules, triggers and functions, as `append-only` and `role` find
//! them.

use rstest::rstest;

use crate::support::{Case, Plur, on_empty, on_own_plur, on_plur};

/// A ledger to which plur_app may only add.
const LEDGER: &str = "
CREATE ROLE poor; CREATE SCHEMA led AUTHORIZATION plur_owner; SET ROLE plur_owner; SET search_path = led;
ALTER DEFAULT PRIVILEGES FOR ROLE plur_owner GRANT EXECUTE ON FUNCTIONS TO PUBLIC;
CREATE TABLE books (id int PRIMARY KEY, title text); INSERT INTO books VALUES (1, 'a'), (2, 'b');
CREATE TABLE ledger (id int, book int DEFAULT 1, note text); INSERT INTO ledger VALUES (1, 1, 'x'), (2, NULL, 'y');
CREATE TABLE inbox (id int DEFAULT 1); INSERT INTO inbox VALUES (1);
GRANT USAGE ON SCHEMA led TO plur_app, poor; GRANT SELECT, INSERT ON ledger TO plur_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON inbox TO plur_app;
";

const UNDO: &str = "DROP OWNED BY poor; DROP ROLE poor";

const CHECK: &str = "
[[check.append-only]]
table = \"led.ledger\"
roles = [\"plur_app\"]
";

/// The same as the upper bound of the role.
const ROLE: &str = "
[[check.role]]
role = \"plur_app\"
floor = [\"select, insert on led.ledger\"]
";

/// Everything else that the role has, by patterns, so that only the ledger has an upper bound.
const OTHERS: &str = "
ceiling = [
    \"all on *.* except led.ledger\", \"execute on functions *.*\", \"usage on schema *\", \"usage on types *.*\",
    \"usage on sequences *.*\", \"connect, temporary on database\", \"select on large objects\", \"all on default tables\",
    \"execute on default functions\", \"usage on default types\",
]
";

/// What is found, with a text of the report; then what could not be ruled out; then what is harmless.
const FOUND: &[(&str, &str, &str)] = &[
    (
        "a view of the owner",
        "CREATE VIEW v AS SELECT * FROM ledger; GRANT UPDATE, SELECT ON v TO plur_app",
        "UPDATE on led.v, granted to it, and from there by view led.v, which has the rights of its owner plur_owner",
    ),
    (
        "a view without the right to read it",
        "CREATE VIEW v AS SELECT * FROM ledger; GRANT DELETE ON v TO PUBLIC",
        "DELETE on led.v, granted to PUBLIC",
    ),
    (
        "one column of a view",
        "CREATE VIEW v AS SELECT id, note FROM ledger; GRANT UPDATE (note) ON v TO plur_app",
        "UPDATE on led.v",
    ),
    (
        "a chain of views",
        "CREATE VIEW low AS SELECT * FROM ledger; CREATE VIEW v AS SELECT * FROM low; GRANT SELECT, DELETE ON v TO plur_app",
        "by view led.v, which has the rights of its owner plur_owner → view led.low",
    ),
    (
        "a view after SET ROLE",
        "CREATE VIEW v AS SELECT * FROM ledger; GRANT SELECT, DELETE ON v TO plur_org_acme; GRANT USAGE ON SCHEMA led TO plur_org_acme",
        "after SET ROLE plur_org_acme, and from there by view led.v",
    ),
    (
        "ON DELETE CASCADE",
        "ALTER TABLE ledger ADD CONSTRAINT of_book FOREIGN KEY (book) REFERENCES books ON DELETE CASCADE;
         GRANT SELECT, DELETE ON books TO plur_app",
        "DELETE on led.books, granted to it, and from there by foreign key of_book of led.ledger (ON DELETE CASCADE)",
    ),
    (
        "ON DELETE SET NULL, without the right to read the parent",
        "ALTER TABLE ledger ADD FOREIGN KEY (book) REFERENCES books ON DELETE SET NULL; GRANT DELETE ON books TO plur_app",
        "(ON DELETE SET NULL)",
    ),
    (
        "ON UPDATE CASCADE",
        "ALTER TABLE ledger ADD FOREIGN KEY (book) REFERENCES books ON UPDATE CASCADE; GRANT SELECT, UPDATE ON books TO plur_app",
        "(ON UPDATE CASCADE)",
    ),
    (
        "a chain of foreign keys",
        "CREATE TABLE shelves (id int PRIMARY KEY); INSERT INTO shelves VALUES (7), (8);
         ALTER TABLE books ADD shelf int REFERENCES shelves ON DELETE CASCADE; UPDATE books SET shelf = 7 WHERE id = 1;
         ALTER TABLE ledger ADD FOREIGN KEY (book) REFERENCES books ON DELETE CASCADE;
         GRANT SELECT, DELETE ON shelves TO plur_app",
        "DELETE on led.shelves",
    ),
    (
        "a view of a parent",
        "ALTER TABLE ledger ADD FOREIGN KEY (book) REFERENCES books ON DELETE CASCADE;
         CREATE VIEW v AS SELECT * FROM books; GRANT SELECT, DELETE ON v TO plur_app",
        "its owner plur_owner → foreign key",
    ),
    (
        "a rule on INSERT",
        "CREATE RULE r AS ON INSERT TO inbox DO ALSO DELETE FROM ledger",
        "INSERT on led.inbox, granted to it, and from there by rule r on led.inbox",
    ),
    (
        "a trigger with the rights of the owner",
        "CREATE FUNCTION clear() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN DELETE FROM led.ledger; RETURN NULL; END';
         REVOKE EXECUTE ON FUNCTION clear FROM PUBLIC;
         CREATE TRIGGER t AFTER UPDATE ON inbox FOR EACH STATEMENT EXECUTE FUNCTION clear()",
        "UPDATE on led.inbox, granted to it, and from there by trigger t on led.inbox",
    ),
];

/// A trigger refuses the change: a view is a right that nobody should have, and a foreign key is none.
const REFUSED: &str = "
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'closed'; END $$;
CREATE TRIGGER refuse BEFORE UPDATE OR DELETE ON ledger FOR EACH ROW EXECUTE FUNCTION refuse();
";

const OPEN: &[(&str, &str, &str)] = &[
    (
        "a function by PUBLIC",
        "CREATE FUNCTION purge(a interval) RETURNS void LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM led.ledger'",
        "EXECUTE on led.purge(interval), granted to PUBLIC by PostgreSQL's default, and from there by function led.purge(interval) (SECURITY DEFINER, owner plur_owner)",
    ),
    (
        "dynamic SQL",
        "CREATE FUNCTION purge(a text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN EXECUTE a; END'",
        "led.purge(text)",
    ),
    (
        "a call of another function",
        "CREATE FUNCTION inner_one() RETURNS void LANGUAGE sql AS 'DELETE FROM led.ledger';
         CREATE FUNCTION outer_one() RETURNS void LANGUAGE sql STABLE SECURITY DEFINER AS 'SELECT led.inner_one()'",
        "led.outer_one()",
    ),
    (
        "a write to a parent",
        "ALTER TABLE ledger ADD FOREIGN KEY (book) REFERENCES books ON DELETE CASCADE;
         CREATE FUNCTION purge() RETURNS void BEGIN ATOMIC DELETE FROM books; END;
         ALTER FUNCTION purge SECURITY DEFINER",
        "led.purge()",
    ),
    (
        "a write that fires a trigger",
        "CREATE FUNCTION clear() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM led.ledger; RETURN NULL; END';
         CREATE TRIGGER t AFTER INSERT ON inbox EXECUTE FUNCTION clear();
         CREATE FUNCTION fill() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'INSERT INTO led.inbox VALUES (1)'",
        "led.fill()",
    ),
    (
        "a view that shows no row",
        "CREATE VIEW v AS SELECT * FROM ledger WHERE id > 100; GRANT SELECT, DELETE ON v TO plur_app",
        "there is no row to try on",
    ),
    (
        "code behind a way that is refused",
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'closed'; END $$;
         CREATE TRIGGER refuse BEFORE UPDATE OR DELETE ON ledger FOR EACH ROW EXECUTE FUNCTION refuse();
         ALTER TABLE ledger ADD FOREIGN KEY (book) REFERENCES books ON DELETE CASCADE;
         CREATE FUNCTION clear() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
             $$ BEGIN IF current_setting('led.go', true) = 'on' THEN TRUNCATE led.ledger; END IF; RETURN NULL; END $$;
         CREATE TRIGGER t AFTER DELETE ON books EXECUTE FUNCTION clear();
         REVOKE EXECUTE ON FUNCTION clear FROM PUBLIC;
         CREATE VIEW shown AS SELECT * FROM books; GRANT SELECT, DELETE ON shown, books TO plur_app",
        "what its code does was not seen",
    ),
    (
        "no row refers to the parent",
        "ALTER TABLE ledger ADD FOREIGN KEY (book) REFERENCES books ON DELETE CASCADE;
         UPDATE ledger SET book = NULL; GRANT SELECT, DELETE ON books TO plur_app",
        "no row of it refers to one there",
    ),
];

const HARMLESS: &[(&str, &str)] = &[
    ("nothing more", ""),
    (
        "a view with security_invoker",
        "CREATE VIEW v WITH (security_invoker = on) AS SELECT * FROM ledger; GRANT ALL ON v TO plur_app",
    ),
    (
        "a chain of views, the lower one with security_invoker",
        "CREATE VIEW low WITH (security_invoker) AS SELECT * FROM ledger; CREATE VIEW v AS SELECT * FROM low;
         GRANT ALL ON v TO plur_app",
    ),
    (
        "a view without the right, and one to which rows can be added",
        "CREATE VIEW v AS SELECT * FROM ledger; GRANT SELECT, INSERT ON v TO plur_app",
    ),
    (
        "a view that cannot be updated",
        "CREATE VIEW v AS SELECT count(*) FROM ledger; GRANT ALL ON v TO plur_app",
    ),
    (
        "a view of another table that reads this one",
        "CREATE VIEW v AS SELECT * FROM inbox WHERE id IN (SELECT id FROM ledger); GRANT ALL ON v TO plur_app",
    ),
    (
        "a view whose owner has no right",
        "CREATE VIEW v AS SELECT * FROM ledger; GRANT ALL ON v TO plur_app; GRANT CREATE ON SCHEMA led TO poor;
         GRANT SELECT ON ledger TO poor; RESET ROLE; ALTER VIEW led.v OWNER TO poor",
    ),
    (
        "a foreign key without an action",
        "ALTER TABLE ledger ADD FOREIGN KEY (book) REFERENCES books; GRANT ALL ON books TO plur_app",
    ),
    (
        "a parent that the role can only add to",
        "ALTER TABLE ledger ADD FOREIGN KEY (book) REFERENCES books ON DELETE CASCADE ON UPDATE CASCADE;
         GRANT SELECT, INSERT ON books TO plur_app",
    ),
    (
        "functions that read, add, write another table, or only look like it",
        "CREATE FUNCTION reads() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM led.ledger';
         CREATE FUNCTION adds() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'INSERT INTO led.ledger VALUES (3)';
         CREATE FUNCTION moves() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS
             $$ BEGIN UPDATE led.inbox SET id = 2; PERFORM id FROM led.ledger; RAISE NOTICE 'DELETE FROM led.ledger'; END $$",
    ),
    (
        "a trigger that keeps a trail",
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
             $$ BEGIN IF TG_OP = 'DELETE' THEN INSERT INTO led.ledger VALUES (OLD.id); END IF; RETURN NULL; END $$;
         CREATE TRIGGER t AFTER UPDATE OR DELETE ON inbox FOR EACH ROW EXECUTE FUNCTION keep()",
    ),
    (
        "a function of a role without rights, one that the role may not execute, and one with the rights of the caller",
        "CREATE FUNCTION a() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM led.ledger';
         REVOKE EXECUTE ON FUNCTION a FROM PUBLIC;
         CREATE FUNCTION b() RETURNS void LANGUAGE sql AS 'DELETE FROM led.ledger';
         GRANT CREATE ON SCHEMA led TO poor; RESET ROLE; SET ROLE poor;
         CREATE FUNCTION led.c(a text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN EXECUTE a; END'",
    ),
    (
        "a function that is not VOLATILE",
        "CREATE FUNCTION a(b text) RETURNS void LANGUAGE plpgsql STABLE SECURITY DEFINER AS 'BEGIN DELETE FROM led.ledger; END'",
    ),
    (
        "a trigger function that no trigger calls, which PUBLIC may execute",
        "CREATE FUNCTION clear() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN DELETE FROM led.ledger; RETURN NULL; END'",
    ),
    (
        "a rule that adds",
        "CREATE RULE r AS ON INSERT TO inbox DO ALSO INSERT INTO ledger VALUES (4)",
    ),
];

/// Rows are added to a ledger that the role may only read.
const FOUND_INSERT: &[(&str, &str, &str)] = &[
    (
        "INSERT by a view",
        "CREATE VIEW v AS SELECT * FROM ledger; GRANT INSERT ON v TO plur_app",
        "INSERT on led.v",
    ),
    (
        "INSERT by a view, stopped by a constraint",
        "ALTER TABLE ledger ALTER id SET NOT NULL; CREATE VIEW v AS SELECT * FROM ledger; GRANT INSERT ON v TO plur_app",
        "only a trigger or constraint refused it",
    ),
    (
        "INSERT by a rule",
        "CREATE RULE r AS ON INSERT TO inbox DO ALSO INSERT INTO ledger VALUES (4)",
        "rule r on led.inbox",
    ),
];

const OPEN_INSERT: &[(&str, &str, &str)] = &[
    (
        "INSERT by a function",
        "CREATE FUNCTION adds() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'INSERT INTO led.ledger VALUES (3)'",
        "led.adds()",
    ),
    (
        "INSERT by MERGE",
        "CREATE FUNCTION adds() RETURNS void LANGUAGE sql SECURITY DEFINER AS
             'MERGE INTO led.ledger l USING led.inbox i ON l.id = i.id WHEN NOT MATCHED THEN INSERT VALUES (i.id)'",
        "led.adds()",
    ),
];

/// What a case must come to.
enum End<'a> {
    Finding(&'a str),
    CouldNotRun(&'a str),
    Pass,
}

/// Runs a check on the ledger with a change; says what is wrong with the result.
async fn wrong(plur: &Plur, name: &str, change: &str, check: &str, end: End<'_>) -> Option<String> {
    let change = &format!("{LEDGER}{change}; RESET ROLE");
    let case = Case {
        name,
        change,
        undo: UNDO,
        check,
    };
    let came = plur.run(case).await;
    let is_right = match (&came, &end) {
        (Ok(found), End::Pass) => found.findings.is_empty(),
        (Ok(found), End::Finding(text)) => {
            found.findings.iter().any(|one| one.actual.contains(text))
        }
        (Err(error), End::CouldNotRun(text)) => error.reason.contains(text) && error.hint.is_some(),
        _ => false,
    };
    (!is_right).then(|| format!("{name}: {came:#?}"))
}

/// All cases, for a check that excludes every change of the ledger.
async fn cases(plur: &Plur, check: &str) -> Vec<String> {
    let mut all = Vec::new();
    for (name, change, text) in FOUND {
        all.push(wrong(plur, name, change, check, End::Finding(text)).await);
    }
    for (name, change, text) in OPEN {
        all.push(wrong(plur, name, change, check, End::CouldNotRun(text)).await);
    }
    for (name, change) in HARMLESS {
        all.push(wrong(plur, name, change, check, End::Pass).await);
    }
    let view = format!("{REFUSED}{}", FOUND[0].1);
    let found = End::Finding("and only a trigger refused it");
    all.push(wrong(plur, "a view and a trigger", &view, check, found).await);
    let cascade = format!("{REFUSED}{}", FOUND[5].1);
    all.push(wrong(plur, "a key and a trigger", &cascade, check, End::Pass).await);
    let trusts = |function: &str| format!("{check}trusted-functions = [\"{function}\"]");
    let (right, other) = (trusts("led.purge(interval)"), trusts("led.purge(text)"));
    let change = OPEN[0].1;
    all.push(wrong(plur, "trusted", change, &right, End::Pass).await);
    let found = End::Finding("there is none");
    all.push(wrong(plur, "not there", change, &other, found).await);
    all.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn indirect_ways_to_change_history() {
    on_plur(async |plur| {
        let all = cases(plur, CHECK).await;
        assert!(all.is_empty(), "{}", all.join("\n"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn indirect_ways_beyond_the_upper_bound_of_a_role() {
    // The other test makes the same roles.
    on_own_plur(async |plur| {
        let mut all = cases(plur, &format!("{ROLE}{OTHERS}")).await;
        let reads = format!("{}{OTHERS}", ROLE.replace("select, insert", "select"));
        let no_insert = "REVOKE INSERT ON ledger FROM plur_app;";
        for (name, change, text) in FOUND_INSERT {
            let change = format!("{no_insert}{change}");
            all.extend(wrong(plur, name, &change, &reads, End::Finding(text)).await);
        }
        for (name, change, text) in OPEN_INSERT {
            let change = format!("{no_insert}{change}");
            all.extend(wrong(plur, name, &change, &reads, End::CouldNotRun(text)).await);
        }
        // What the ceiling names by a pattern only has no upper bound; `indirect` allows a way and no right.
        let (view, key) = (FOUND[0].1, FOUND[5].1);
        let pattern = OTHERS.replace(" except led.ledger", "");
        let pattern = format!("[[check.role]]\nrole = \"plur_app\"\n{pattern}");
        all.extend(wrong(plur, "by a pattern", view, &pattern, End::Pass).await);
        let allowed = format!("{ROLE}{OTHERS}indirect = [\"delete on led.*\"]");
        all.extend(wrong(plur, "allowed", key, &allowed, End::Pass).await);
        let found = End::Finding("UPDATE on led.v");
        all.extend(wrong(plur, "another is allowed", view, &allowed, found).await);
        let direct = "GRANT DELETE ON ledger TO plur_app";
        let found = End::Finding("DELETE, granted to it");
        all.extend(wrong(plur, "a right is not", direct, &allowed, found).await);
        assert!(all.is_empty(), "{}", all.join("\n"));
    })
    .await;
}

/// The roles of PLUR, and what a clone keeps of the rights on a database.
const ROLES: &str = "
CREATE ROLE plur_owner; CREATE ROLE plur_org_acme; CREATE ROLE plur_app LOGIN NOINHERIT; GRANT plur_org_acme TO plur_app;
GRANT CONNECT, TEMPORARY ON DATABASE plur TO PUBLIC;
";

#[rstest]
#[ignore = "slow: ci/slow.sh"]
#[case(15)]
#[ignore = "slow: ci/slow.sh"]
#[case(18)]
#[tokio::test(flavor = "multi_thread")]
async fn indirect_ways_on_other_versions(#[case] major: u32) {
    on_empty(major, async |plur| {
        plur.sql("plur", ROLES).await;
        let mut all = cases(plur, CHECK).await;
        all.extend(cases(plur, &format!("{ROLE}{OTHERS}")).await);
        assert!(all.is_empty(), "{}", all.join("\n"));
    })
    .await;
}
