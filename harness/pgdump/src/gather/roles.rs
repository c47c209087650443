//! Which roles the statements create, and which they only name.

use crate::contents::Contents;
use crate::script::statement::Words;

/// Notes the roles of a statement.
pub(super) fn named(contents: &mut Contents, words: &Words<'_>) {
    let mut name = |at: usize| contents.roles_named.extend(words.identifiers(at));
    match words.start() {
        ["create", "role" | "user", next, ..] if *next != "mapping" => {
            add(&mut contents.roles, words.identifier(2));
        }
        ["create", "user", "mapping", ..] => {
            if let Some(at) = words.next("for", 3) {
                name(at + 1);
            }
        }
        ["create", "policy", ..] => {
            // The name may be any word; the roles are between the table and its conditions.
            let on = words.next("on", 3);
            if let Some(at) = on.and_then(|on| words.next("to", on)) {
                name(at + 1);
            }
        }
        ["create", "schema", ..] => {
            if let Some(at) = words.next("authorization", 2) {
                name(at + 1);
            }
        }
        // A row without its COPY may begin with such a word.
        ["grant", ..] if words.last("to").is_some() => {
            contents.has_privileges = true;
            let on = words.next("on", 0);
            if let Some(at) = words.last("to") {
                name(at + 1);
            }
            if on.is_none() {
                // A membership: the roles that are granted.
                name(1);
            }
            if let Some(at) = words.position(&["granted", "by"]) {
                name(at + 2);
                add(&mut contents.grantors, words.identifier(at + 2));
            }
        }
        ["revoke", ..] => {
            contents.has_privileges = true;
            if let Some(at) = words.last("from") {
                name(at + 1);
            }
        }
        ["alter", "default", ..] => {
            contents.has_privileges = true;
            if let Some(at) = words.next("role", 2) {
                name(at + 1);
            }
            if let Some(at) = words.last("to").or(words.last("from")) {
                name(at + 1);
            }
        }
        ["alter", "role" | "user", ..] => {
            name(2);
            if words.contains(&["superuser"]) {
                add(&mut contents.superusers, words.identifier(2));
            }
        }
        ["alter", ..] => {
            // A column may be called `owner`.
            let renames = words.says(&["rename"]);
            if let Some(at) = words.position(&["owner", "to"]).filter(|_| !renames) {
                name(at + 2);
                contents.has_owners = true;
                add(&mut contents.owners, words.identifier(at + 2));
            }
        }
        ["set", "session", "authorization", value, ..] if *value != "default" => {
            // As a literal or as a name.
            contents.roles_named.extend(
                words
                    .literal(3)
                    .map(|role| role.trim_matches('"').to_owned()),
            );
        }
        _ => {}
    }
}

pub(super) fn add(list: &mut Vec<String>, name: Option<String>) {
    if let Some(name) = name
        && !list.contains(&name)
    {
        list.push(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("ALTER TABLE app.t OWNER TO app_owner;", &["app_owner"])]
    #[case("GRANT SELECT(a),UPDATE(b) ON TABLE t TO a WITH GRANT OPTION GRANTED BY b;", &["a", "b"])]
    #[case("GRANT reader, \"Writer\" TO app WITH INHERIT TRUE GRANTED BY postgres;", &["Writer", "app", "postgres", "reader"])]
    #[case("REVOKE ALL ON SCHEMA public FROM PUBLIC;", &["public"])]
    #[case("ALTER DEFAULT PRIVILEGES FOR ROLE a IN SCHEMA s GRANT SELECT ON TABLES TO b;", &["a", "b"])]
    #[case("CREATE POLICY p ON t AS RESTRICTIVE FOR SELECT TO a, b USING ((x = 'to c'));", &["a", "b"])]
    #[case("CREATE POLICY p ON t USING (true);", &[])]
    #[case("Grant\tCary\tactor;", &[])]
    #[case("CREATE USER MAPPING FOR a SERVER s OPTIONS (\"user\" 'x');", &["a"])]
    #[case("CREATE SCHEMA s AUTHORIZATION a;", &["a"])]
    #[case("SET SESSION AUTHORIZATION 'a';", &["a"])]
    #[case("SET SESSION AUTHORIZATION DEFAULT;", &[])]
    #[case("ALTER ROLE a IN DATABASE d SET search_path TO 'x';", &["a"])]
    #[case("ALTER TABLE t RENAME COLUMN owner TO b;", &[])]
    #[case("ALTER TABLE t ALTER COLUMN a SET DEFAULT 'owner to b';", &[])]
    fn roles_are_named_where_a_statement_names_them(
        #[case] sql: &str,
        #[case] named_roles: &[&str],
    ) {
        let mut contents = Contents::default();
        named(&mut contents, &Words::of(sql.as_bytes()));
        let found: Vec<&str> = contents.roles_named.iter().map(String::as_str).collect();
        assert_eq!(found, named_roles, "{sql}");
        assert!(contents.roles.is_empty());
    }

    #[test]
    fn needed_is_what_is_named_and_neither_made_nor_built_in() {
        let mut contents = Contents::default();
        for sql in [
            "CREATE ROLE app;",
            "GRANT pg_read_all_data TO app;",
            "GRANT SELECT ON TABLE t TO app, reader, PUBLIC;",
            "ALTER TABLE t OWNER TO postgres;",
        ] {
            named(&mut contents, &Words::of(sql.as_bytes()));
        }
        assert_eq!(contents.roles_needed(), ["reader"]);
    }
}
