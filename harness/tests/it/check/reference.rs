use crate::backup::source::servers::{Server, free_port};
use crate::support::{Case, on_plur};

fn check(body: &str) -> String {
    format!("[[check.reference]]\n{body}")
}

const OF_A: &str = "table = 'plur.a'\ncolumn = 'b'\nto = { table = 'plur.b', column = 'id' }";

/// Two tables with a column each.
fn tables(kinds: [&str; 2], from: &str, to: &str) -> String {
    let [a, b] = kinds;
    format!(
        "CREATE TABLE plur.a (b {a}); INSERT INTO plur.a {from}; CREATE TABLE plur.b (id {b}); INSERT INTO plur.b {to};"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn reference() {
    on_plur(async |plur| {
        let passes = async |name: &str, change: &str, body: &str| {
            let check = check(body);
            plur.passes(Case { name, change, undo: "", check: &check }).await;
        };
        let fails = async |name: &str, change: &str, body: &str, texts: &[&str]| {
            let check = check(body);
            plur.fails(Case { name, change, undo: "", check: &check }, texts).await;
        };
        let cannot = async |name: &str, change: &str, body: &str, text: &str| {
            let check = check(body);
            plur.cannot_look(Case { name, change, undo: "", check: &check }, text).await;
        };

        passes("every value exists", &tables(["int", "bigint"], "VALUES (1), (1), (2), (NULL)", "VALUES (1), (2), (3)"), OF_A).await;
        fails("D03 a row that is referred to is lost", &tables(["int", "bigint"], "VALUES (1), (2), (2), (4)", "VALUES (1), (3)"), OF_A,
            &["plur.a.b; every value exists in plur.b.id; 2 of 3 values do not exist there, in 3 rows"]).await;
        fails("the first and the last are lost", &tables(["text", "text"], "VALUES (''), ('m'), ('z')", "VALUES ('m')"), OF_A, &["2 of 3 values"]).await;
        fails("the other side is empty", &tables(["int", "int"], "VALUES (1)", "SELECT 1 WHERE false"), OF_A, &["1 of 1 value do not exist"]).await;
        passes("what the source itself lacks", &tables(["int", "int"], "VALUES (1), (2)", "VALUES (1)"), &format!("{OF_A}\nat-most = 1")).await;
        fails("more than that", &tables(["int", "int"], "VALUES (1), (2), (3)", "VALUES (1)"), &format!("{OF_A}\nat-most = 1"), &["all but 1 value exist", "2 of 3 values"]).await;
        let deleted = "CREATE TABLE plur.a (b int, gone bool); INSERT INTO plur.a VALUES (1, false), (9, true); CREATE TABLE plur.b (id int, gone bool); INSERT INTO plur.b VALUES (1, false), (9, true);";
        passes("rows that count", deleted, &format!("{}\nwhere = 'NOT gone'", OF_A.replace("'id' }", "'id', where = 'NOT gone' }"))).await;
        fails("rows that count on one side", deleted, &OF_A.replace("'id' }", "'id', where = 'NOT gone' }"), &["1 of 2 values"]).await;

        // An order that both have: many values, letters that languages sort in their own way, long and odd ones.
        let many = "SELECT (ARRAY['a', 'B', 'ä', 'z', 'Z', E'\\t', '\\', 'é', '日', '😀', ''])[1 + n % 11] || n * 7919 % 100003 FROM generate_series(1, 100000) n";
        let odd = "SELECT repeat('x', 5000) || n FROM generate_series(1, 3) n";
        passes("many values", &tables(["text", "varchar"], &format!("{many} UNION ALL {odd}"), &format!("SELECT * FROM ({many} UNION ALL {odd}) x ORDER BY random()")), OF_A).await;
        fails("one of many", &format!("{} DELETE FROM plur.b WHERE ctid = (SELECT ctid FROM plur.b WHERE id LIKE '日%' LIMIT 1)", tables(["text", "varchar"], many, many)), OF_A, &["1 of 100 000 values"]).await;
        fails("one of the long ones", &tables(["text", "text"], odd, "SELECT repeat('x', 5000) || n FROM generate_series(1, 2) n"), OF_A, &["1 of 3 values"]).await;

        // Types.
        passes("1.0 is 1", &tables(["numeric", "int"], "VALUES (1.00), (2.5 * 2)", "VALUES (1), (5)"), OF_A).await;
        passes("a number as text", &tables(["text", "int"], "VALUES ('1')", "VALUES (1)"), OF_A).await;
        passes("uuid as text, in any case", &tables(["text", "uuid"], "VALUES ('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11')", "VALUES ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11')"), OF_A).await;
        fails("text has a case", &tables(["text", "text"], "VALUES ('A')", "VALUES ('a')"), OF_A, &["1 of 1"]).await;
        passes("blanks at the end of char", &tables(["char(5)", "text"], "VALUES ('ab')", "VALUES ('ab')"), OF_A).await;
        passes("bytea", &tables(["bytea", "bytea"], "VALUES ('\\x00ff')", "VALUES ('\\x00ff')"), OF_A).await;
        passes("a date", &tables(["date", "date"], "VALUES ('2026-05-25')", "VALUES ('2026-05-25')"), OF_A).await;
        passes("a domain is what it is of", &format!("CREATE DOMAIN plur.key AS int; {}", tables(["plur.key", "int"], "VALUES (1)", "VALUES (1)")), OF_A).await;
        cannot("values without a text", &tables(["jsonb", "jsonb"], "VALUES ('1')", "VALUES ('1')"), OF_A, "is jsonb, whose values have no single text").await;
        cannot("nothing in common", &tables(["date", "int"], "VALUES ('2026-05-25')", "VALUES (1)"), OF_A, "no text in common").await;

        // Another database: this one is there on every server.
        let names = |name: &str| format!("CREATE TABLE plur.a (b name); INSERT INTO plur.a VALUES ('template1'), ('{name}');");
        let to_postgres = "table = 'plur.a'\ncolumn = 'b'\nto = { database = 'postgres', table = 'pg_catalog.pg_database', column = 'datname' }";
        passes("in another database", &names("postgres"), to_postgres).await;
        fails("F46 not in another database", &names("nowhere"), to_postgres, &["every value exists in postgres: pg_catalog.pg_database.datname; 1 of 2 values"]).await;
        fails("F46 another database that is not there", &names("postgres"), &to_postgres.replace("'postgres'", "'postgers'"), &["database postgers; a database of the backup; there is none"]).await;

        // Files.
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("1.pdf"), "x").unwrap();
        let to_files = format!("table = 'plur.a'\ncolumn = 'b'\nto = {{ folder = '{}', file = '{{value}}.pdf' }}", folder.path().display());
        passes("a file for each", &tables(["int", "int"], "VALUES (1), (1)", "VALUES (1)"), &to_files).await;
        fails("a file is lost", &tables(["int", "int"], "VALUES (1), (2)", "VALUES (1)"), &to_files, &["1 of 2 values do not exist there, in 1 row"]).await;
        fails("a name that leads out of the folder", &tables(["text", "int"], "VALUES ('../../../../etc/passwd')", "VALUES (1)"), &to_files.replace("{value}.pdf", "{value}"), &["1 of 1"]).await;
        let two = tables(["int", "int"], "VALUES (1), (2)", "VALUES (1)");
        std::os::unix::fs::symlink("1.pdf", folder.path().join("2.pdf")).unwrap();
        passes("a link to a file of the folder", &two, &to_files).await;
        std::fs::remove_file(folder.path().join("2.pdf")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("2.pdf")).unwrap();
        fails("a link out of the folder", &two, &to_files, &["1 of 2 values do not exist there"]).await;
        std::fs::remove_file(folder.path().join("2.pdf")).unwrap();
        std::fs::write(folder.path().join("2.pdf"), "").unwrap();
        let sized = "CREATE TABLE plur.a (b int, bytes int, kind uuid); INSERT INTO plur.a VALUES (1, 1, NULL), (1, NULL, NULL), (2, 0, NULL);";
        let with_size = to_files.replace("}.pdf'", "}.pdf', size-column = 'bytes'");
        fails("H10 an empty file", sized, &to_files, &["plur.a.b; files with contents; 1 of 2 files are empty"]).await;
        passes("files may be empty", sized, &to_files.replace("}.pdf'", "}.pdf', may-be-empty = true")).await;
        passes("the size that the row says", sized, &with_size).await;
        fails("another size than the row says", &sized.replace("(2, 0,", "(2, 7,"), &with_size, &["plur.a.b; the size that `bytes` says; 1 of 2 files have another"]).await;
        fails("one of two rows says another size", &sized.replace("(1, NULL,", "(1, 2,"), &with_size, &["1 of 2 files have another"]).await;
        fails("no row says a size", &sized.replace("(2, 0,", "(2, NULL,"), &with_size, &["1 of 2 files are empty"]).await;
        fails("no such column", sized, &with_size.replace("'bytes'", "'byte'"), &["a column byte; there is none"]).await;
        cannot("a column that is no number", sized, &with_size.replace("'bytes'", "'kind'"), "(42846)").await;
        cannot("a folder that is not there", &tables(["int", "int"], "VALUES (1)", "VALUES (1)"), &to_files.replace("folder = '", "folder = '/nowhere/.."), "cannot read the folder /nowhere/..").await;

        // What cannot be compared.
        cannot("no value", &tables(["int", "int"], "VALUES (NULL::int)", "VALUES (1)"), OF_A, "has no value that could refer").await;
        cannot("a condition that leaves nothing", &tables(["int", "int"], "VALUES (1)", "VALUES (1)"), &format!("{OF_A}\nwhere = 'b > 1'"), "has no value that could refer").await;
        fails("a column that is not there", &tables(["int", "int"], "VALUES (1)", "VALUES (1)"), &OF_A.replace("'id'", "'ids'"), &["plur.b; a column ids; there is none"]).await;
        fails("a table that is not there", &tables(["int", "int"], "VALUES (1)", "VALUES (1)"), &OF_A.replace("'plur.a'", "'plur.aa'"), &["plur.aa; a table; there is none"]).await;
        let hostile = "CREATE FUNCTION plur.lies(t text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 1 / 0; END $$;";
        cannot("a function of the backup that fails", &format!("{hostile} {}", tables(["text", "text"], "VALUES ('x')", "VALUES ('x')")), &format!("{OF_A}\nwhere = \"plur.lies(b) = ''\""), "22012").await;
        plur.assert_passed_and_failed("reference");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_refers_to_the_objects_of_a_bucket() {
    let root = tempfile::tempdir().unwrap();
    let uploads = root.path().join("uploads/files");
    std::fs::create_dir_all(&uploads).unwrap();
    // More than one page of a listing, in an order that is not that of the numbers.
    for number in 1..=1100 {
        std::fs::write(uploads.join(format!("é {number}.pdf")), "12345").unwrap();
    }
    std::fs::write(uploads.join("é 7.pdf"), "").unwrap();
    let secret = root.path().join("secret");
    std::fs::write(&secret, "test-s3cret").unwrap();
    let server = Server::rclone(root.path(), free_port());
    let moto = Server::moto();
    moto.send("PUT /uploads", "", "");
    // `-` is before `/`, and `/` is before letters.
    for key in ["sub-1", "sub/a/b", "sub/c", "suba"] {
        moto.send(&format!("PUT /uploads/{key}"), "", "12");
    }
    let bucket = |port: u16| {
        format!(
            "s3 = {{ bucket = 'uploads', endpoint = 'http://127.0.0.1:{port}', access-key-id = 'test-key', secret-access-key = {{ file = '{}' }} }}",
            secret.display()
        )
    };
    let of = |port: u16, rest: &str| {
        check(&format!(
            "table = 'plur.a'\ncolumn = 'b'\nto = {{ {}{rest} }}",
            bucket(port)
        ))
    };
    let file = ", file = 'files/é {value}.pdf'";
    let some = "CREATE TABLE plur.a (b int, bytes bigint); INSERT INTO plur.a SELECT n, 5 FROM generate_series(1, 1100) n WHERE n <> 7;";
    let undo = "";
    on_plur(async |plur| {
        for (name, change, check) in [
            ("an object for each", some.to_owned(), of(server.port, file)),
            (
                "the size that the row says",
                some.to_owned(),
                of(server.port, &format!("{file}, size-column = 'bytes'")),
            ),
            (
                "keys below folders",
                "CREATE TABLE plur.a (b text); INSERT INTO plur.a VALUES ('sub-1'), ('sub/c'), ('suba'), ('sub/a/b')".to_owned(),
                of(moto.port, ""),
            ),
        ] {
            plur.passes(Case { name, change: &change, undo, check: &check }).await;
        }
        for (name, change, check, texts) in [
            (
                "an object is lost",
                format!("{some} INSERT INTO plur.a VALUES (1101, 5), (1101, 5), (0, 5)"),
                of(server.port, file),
                &["objects of s3://uploads; 2 of 1 101 values do not exist there, in 3 rows"][..],
            ),
            (
                "an object is empty",
                format!("{some} INSERT INTO plur.a VALUES (7, 5)"),
                of(server.port, file),
                &["files with contents; 1 of 1 100 files are empty"],
            ),
            (
                "an object was truncated",
                format!("{some} INSERT INTO plur.a VALUES (7, 5); UPDATE plur.a SET bytes = 6 WHERE b = 1099"),
                of(server.port, &format!("{file}, size-column = 'bytes'")),
                &["the size that `bytes` says; 2 of 1 100 files have another"],
            ),
            (
                "another folder",
                some.to_owned(),
                of(server.port, ", file = 'filed/é {value}.pdf'"),
                &["1 099 of 1 099 values do not exist there"],
            ),
            (
                "a key below folders is lost",
                "CREATE TABLE plur.a (b text); INSERT INTO plur.a VALUES ('sub/b'), ('sub/c')".to_owned(),
                of(moto.port, ""),
                &["1 of 2 values"],
            ),
            (
                "a name that leads out of the bucket",
                "CREATE TABLE plur.a (b text); INSERT INTO plur.a VALUES ('../secret'), ('sub/c')".to_owned(),
                of(moto.port, ""),
                &["1 of 2 values"],
            ),
        ] {
            plur.fails(Case { name, change: &change, undo, check: &check }, texts).await;
        }
        for (name, check, text) in [
            (
                "a bucket that is not there",
                of(server.port, file).replace("'uploads'", "'upload'"),
                "the bucket `upload` does not exist",
            ),
            (
                "a key that the storage does not know",
                of(server.port, file).replace("'test-key'", "'another'"),
                "cannot list s3://uploads",
            ),
            (
                "no storage",
                of(free_port(), file),
                "cannot list s3://uploads",
            ),
        ] {
            plur.cannot_look(Case { name, change: some, undo, check: &check }, text).await;
        }
    })
    .await;
}
