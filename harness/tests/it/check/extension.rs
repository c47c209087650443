//! `extension` on the PLUR backup: vector in `public`, age in `ag_catalog`.

use crate::support::{Case, on_plur};

#[tokio::test(flavor = "multi_thread")]
async fn extension() {
    on_plur(async |plur| {
        for (name, change, check) in [
            ("the good backup", "", "extensions = ['vector', 'age', 'plpgsql']"),
            ("new enough", "", "extension = 'vector'\nmin-version = '0.5'\nschema = 'public'"),
            ("a call that answers", "", "extension = 'vector'\ncall = 'SELECT public.vector_dims(public.vector_in($$[1,2]$$, 0, -1)) = 2'"),
            ("another schema", "CREATE SCHEMA \"My Ext\"; ALTER EXTENSION vector SET SCHEMA \"My Ext\"", "extension = 'vector'\nschema = 'My Ext'"),
            (
                "SQL older than the library",
                "UPDATE pg_catalog.pg_extension SET extversion = '0.0.1' WHERE extname = 'vector'",
                "extension = 'vector'",
            ),
            (
                "extensions of the server, each with a known call",
                "CREATE SCHEMA ext; CREATE EXTENSION pgcrypto SCHEMA ext; CREATE EXTENSION pg_trgm SCHEMA ext;
                 CREATE EXTENSION \"uuid-ossp\" SCHEMA ext; CREATE EXTENSION hstore SCHEMA ext;
                 CREATE EXTENSION citext SCHEMA ext; CREATE EXTENSION ltree SCHEMA ext; CREATE EXTENSION cube SCHEMA ext;
                 CREATE EXTENSION intarray SCHEMA ext; CREATE EXTENSION fuzzystrmatch SCHEMA ext;
                 CREATE EXTENSION btree_gist SCHEMA ext",
                "extensions = ['pgcrypto', 'pg_trgm', 'uuid-ossp', 'hstore', 'citext', 'ltree', 'cube', 'intarray', 'fuzzystrmatch', 'btree_gist']\nschema = 'ext'",
            ),
        ] {
            let check = format!("[[check.extension]]\n{check}");
            plur.passes(Case { name, change, undo: "", check: &check }).await;
        }

        let faults: &[(&str, &str, &str, &[&str])] = &[
            (
                "D10 the extension is gone",
                "DROP EXTENSION vector CASCADE",
                "extension = 'vector'",
                &["extension vector", "not installed"],
            ),
            (
                "D18 another version",
                "UPDATE pg_catalog.pg_extension SET extversion = '0.7.4' WHERE extname = 'vector'",
                "extension = 'vector'\nversion = '0.8.0'",
                &["version 0.8.0", "version 0.7.4"],
            ),
            (
                "V04 too old",
                "UPDATE pg_catalog.pg_extension SET extversion = '0.6.2' WHERE extname = 'vector'",
                "extension = 'vector'\nmin-version = '0.7'",
                &["version 0.7 or newer", "version 0.6.2"],
            ),
            (
                "V05 SQL older than the library, and that is not wanted",
                "UPDATE pg_catalog.pg_extension SET extversion = '0.0.1' WHERE extname = 'vector'",
                "extension = 'vector'\ndrift = 'fail'",
                &["SQL of version 0.0.1"],
            ),
            (
                "G10 the library of age is newer than its catalog",
                "UPDATE pg_catalog.pg_extension SET extversion = '1.4.0' WHERE extname = 'age'",
                "extension = 'age'",
                &["extension age", "SQL of version 1.4.0"],
            ),
            (
                "D20 the library is not there",
                "UPDATE pg_catalog.pg_proc SET probin = '$libdir/no_such_library' WHERE probin = '$libdir/vector'",
                "extension = 'vector'",
                &["extension vector", "no_such_library", "58P01"],
            ),
            (
                "D20 a function that the library does not have",
                "UPDATE pg_catalog.pg_proc SET prosrc = 'of_a_newer_version' WHERE probin = '$libdir/vector' AND proname = 'vector_dims'",
                "extension = 'vector'",
                &["of_a_newer_version"],
            ),
            (
                "a call that gives false",
                "",
                "extension = 'vector'\ncall = 'SELECT false'",
                &["the call gave `false`"],
            ),
            (
                "a call that gives nothing",
                "",
                "extension = 'vector'\ncall = 'SELECT true WHERE false'",
                &["the call gave no row"],
            ),
            (
                "D10 the function that is called is gone",
                "",
                "extension = 'vector'\ncall = 'SELECT public.no_such_function()'",
                &["no_such_function"],
            ),
            (
                "another schema",
                "CREATE SCHEMA other; ALTER EXTENSION vector SET SCHEMA other",
                "extension = 'vector'\nschema = 'public'",
                &["in schema public", "in schema other"],
            ),
        ];
        for (name, change, check, texts) in faults {
            let check = format!("[[check.extension]]\n{check}");
            plur.fails(Case { name, change, undo: "", check: &check }, texts).await;
        }

        // The library of another answer: the operator's function stands for a miscompiled one.
        let case = Case {
            name: "a library that computes something else",
            change: "UPDATE pg_catalog.pg_operator SET oprcode = 'public.cosine_distance(public.vector, public.vector)'::pg_catalog.regprocedure
                      WHERE oprname = '<->' AND oprcode = 'public.l2_distance(public.vector, public.vector)'::pg_catalog.regprocedure",
            undo: "",
            check: "[[check.extension]]\nextension = 'vector'",
        };
        plur.fails(case, &["the call gave `false`"]).await;
        let case = Case {
            name: "only the catalog",
            change: "UPDATE pg_catalog.pg_proc SET probin = '$libdir/no_such_library' WHERE probin = '$libdir/vector'",
            undo: "",
            check: "[[check.extension]]\nextension = 'vector'\nlibrary = false",
        };
        plur.passes(case).await;
        let case = Case {
            name: "a call that is no SQL",
            change: "",
            undo: "",
            check: "[[check.extension]]\nextension = 'vector'\ncall = 'SELEC 1'",
        };
        plur.cannot_look(case, "`call` is not valid SQL").await;
        plur.assert_passed_and_failed("extension");
    })
    .await;
}
