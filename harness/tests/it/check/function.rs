use crate::support::{Case, on_empty, on_plur};

fn case<'a>(name: &'a str, change: &'a str, check: &'a str) -> Case<'a> {
    Case {
        name,
        change,
        undo: "",
        check,
    }
}

const REFUSE: &str = r#"
[[check.function]]
function = "plur.refuse_audit_change()"
sha256 = "{digest}"
language = "plpgsql"
returns = "trigger"
sort = "function"
volatility = "volatile"
strict = false
parallel = "unsafe"
leakproof = false
security = "invoker"
owner = "plur_owner"
settings = { search_path = "pg_catalog" }
"#;

const SAFE: &str =
    "[[check.function]]\nfunctions = [\"plur.*\"]\nsafe = true\nowner = \"plur_owner\"\n";

const STUB: &str = "CREATE OR REPLACE FUNCTION plur.refuse_audit_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS 'BEGIN RETURN OLD; END';";

/// Functions of every sort, which PLUR has not.
const SORTS: &str = "
CREATE SCHEMA f; CREATE TYPE f.money AS (n int);
CREATE FUNCTION f.one(a int) RETURNS int LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT a';
CREATE FUNCTION f.one(a text) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION f.paid(f.money) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE PROCEDURE f.do(INOUT a int) LANGUAGE plpgsql AS 'BEGIN a := 1; END';
CREATE AGGREGATE f.total(int) (SFUNC = int4pl, STYPE = int);
CREATE FUNCTION f.\"Quoted (x)\"() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END;
";
const ONE: &str = "[[check.function]]\nfunction = \"f.one(integer)\"\nvolatility = \"immutable\"\nstrict = true\nparallel = \"safe\"\n
definition = \"\"\"
CREATE OR REPLACE FUNCTION f.one(a integer)
  RETURNS integer
  LANGUAGE sql
  IMMUTABLE PARALLEL SAFE STRICT

AS $function$SELECT a$function$\"\"\"\n";
const EVERY: &str = "[[check.function]]\nfunctions = [\"f.*\", \"f.paid(f.money)\", \"f.total\", \"f.\\\"Quoted (x)\\\"()\"]\ncount = 6\n";

#[tokio::test(flavor = "multi_thread")]
async fn function() {
    on_plur(async |plur| {
        let mut connection = plur.connect("plur").await;
        let row = sqlx::raw_sql("SELECT encode(sha256(convert_to(prosrc, 'UTF8')), 'hex') FROM pg_proc WHERE oid = 'plur.refuse_audit_change()'::regprocedure");
        let digest: String = sqlx::Row::get(&row.fetch_one(&mut connection).await.unwrap(), 0);
        // A database can only be cloned when nobody is in it.
        sqlx::Connection::close(connection).await.unwrap();
        let refuse = REFUSE.replace("{digest}", &digest);
        let digests = format!("[[check.function]]\ndigests = {{ \"plur.refuse_audit_change()\" = \"{digest}\" }}\n");
        for check in [refuse.as_str(), SAFE, &digests] {
            plur.passes(case("the good backup", "", check)).await;
            plur.passes(case(
                "harmless: comments, rights, a function of an extension or another schema",
                "COMMENT ON FUNCTION plur.refuse_audit_change() IS 'x'; GRANT EXECUTE ON FUNCTION plur.refuse_audit_change() TO plur_app;
                 CREATE FUNCTION public.elsewhere() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
                check,
            ))
            .await;
        }
        plur.passes(case("overloads and types", SORTS, ONE)).await;
        plur.passes(case("every sort", SORTS, EVERY)).await;
        plur.passes(case("all overloads by name", SORTS, "[[check.function]]\nfunctions = [\"f.one\"]\ncount = 2\n")).await;
        let sorts = |change: &str| format!("{SORTS}{change}");
        plur.fails_each(&[
            ("A11 the trigger's function is a stub", STUB, &refuse, &["function plur.refuse_audit_change(); a body with SHA-256", &digest]),
            ("A11 by a list of digests", STUB, &digests, &["function plur.refuse_audit_change()"]),
            ("A11 one character", &STUB.replace("RETURN OLD", "RETURN OLD "), &digests, &["function plur.refuse_audit_change()"]),
            ("it is gone", "DROP FUNCTION plur.refuse_audit_change() CASCADE", &refuse, &["plur.refuse_audit_change(); a function; there is none"]),
            ("its owner changed", "ALTER FUNCTION plur.refuse_audit_change() OWNER TO plur_app", &refuse, &["owner plur_owner; owner plur_app"]),
            ("its search_path is gone", "ALTER FUNCTION plur.refuse_audit_change() RESET search_path", &refuse, &["search_path = pg_catalog; search_path is not set"]),
            ("its search_path is another", "ALTER FUNCTION plur.refuse_audit_change() SET search_path = public, pg_catalog", &refuse, &["search_path = public, pg_catalog"]),
            ("what the catalog says of it", "ALTER FUNCTION plur.refuse_audit_change() IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF SECURITY DEFINER", &refuse,
             &["VOLATILE; IMMUTABLE", "CALLED ON NULL INPUT; STRICT", "PARALLEL UNSAFE; PARALLEL SAFE", "NOT LEAKPROOF; LEAKPROOF", "SECURITY INVOKER; SECURITY DEFINER"]),
            ("S09 a definer's function is a superuser's, as after --no-owner",
             "CREATE FUNCTION plur.all_members() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = plur, pg_temp AS 'SELECT count(*) FROM memberships'",
             SAFE, &["function plur.all_members(); SECURITY DEFINER, owned by a role that is no superuser; owned by plur_admin"]),
            ("a definer's function without a search_path",
             "CREATE FUNCTION plur.all_members() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'; ALTER FUNCTION plur.all_members() OWNER TO plur_owner",
             SAFE, &["it sets none"]),
            ("a search_path with a schema that is open to all",
             "CREATE SCHEMA open; GRANT CREATE ON SCHEMA open TO PUBLIC;
              CREATE FUNCTION plur.all_members() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = plur, open AS 'SELECT 1'; ALTER FUNCTION plur.all_members() OWNER TO plur_owner",
             SAFE, &["open is in it"]),
            ("another language and definition", &sorts("CREATE OR REPLACE FUNCTION f.one(a int) RETURNS int LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT a + 0'"), ONE, &["its definition; it differs from line 5"]),
            ("one overload is gone", &sorts("DROP FUNCTION f.one(int)"), ONE, &["f.one(integer); a function; there is only f.one(a text)"]),
            ("one is missing", &sorts("DROP PROCEDURE f.do(int)"), EVERY, &["6 of them; 5 of them"]),
            ("an aggregate is a function now", &sorts("DROP AGGREGATE f.total(int); CREATE FUNCTION f.total(int) RETURNS int LANGUAGE sql AS 'SELECT 1'"),
             "[[check.function]]\nfunction = \"f.total(integer)\"\nsort = \"aggregate\"\n", &["aggregate; function"]),
            ("an SQL-standard body is another", &sorts("CREATE OR REPLACE FUNCTION f.\"Quoted (x)\"() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 2; END;"),
             "[[check.function]]\nfunction = \"f.\\\"Quoted (x)\\\"()\"\nsha256 = \"4d45ecf98629922e0d65f6ff80e838f13b8759c337258014934ba416f05d9de2\"\n", &["SHA-256"]),
            ("a pattern that matches nothing", "", "[[check.function]]\nfunctions = [\"nosuch.*\"]\n", &["nosuch.*"]),
            ("a type that is not there", "", "[[check.function]]\nfunction = \"plur.embed(nosuch.type)\"\n", &["plur.embed(nosuch.type)"]),
        ])
        .await;
        plur.passes(case(
            "the SQL-standard body by its digest",
            SORTS,
            "[[check.function]]\nfunction = \"f.\\\"Quoted (x)\\\"()\"\nsha256 = \"4d45ecf98629922e0d65f6ff80e838f13b8759c337258014934ba416f05d9de2\"\n",
        ))
        .await;
        plur.cannot_look(case("all left out", "", "[[check.function]]\nfunctions = [\"plur.*\"]\nexcept = [\"plur.*\"]\nsafe = true\n"), "leaves no function").await;
        plur.cannot_look(case("a name that cannot be read", "", "[[check.function]]\nfunction = \"plur.embed(a b c)\"\n"), "cannot read the name").await;
        plur.assert_passed_and_failed("function");
    })
    .await;
}

/// On 15 the server raises an error for a type that is not there, on 18 it answers NULL.
#[tokio::test(flavor = "multi_thread")]
async fn function_on_15_and_18() {
    for major in [15, 18] {
        on_empty(major, async |plur| {
            plur.passes(case("every sort", SORTS, EVERY)).await;
            for name in ["f.one(nosuch)", "nosuch.f(integer)", "f.one(nosuch.type)"] {
                let check = format!("[[check.function]]\nfunction = \"{name}\"\n");
                plur.fails(case(name, SORTS, &check), &["a function"]).await;
            }
        })
        .await;
    }
}
