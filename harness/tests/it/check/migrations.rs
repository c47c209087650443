use std::path::Path;

use redrill::digest::sha256;

use crate::support::{Case, on_plur};

/// The files of PLUR's history, which has the numbers 1 to 10.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, sql: &str| std::fs::write(folder.path().join(name), sql).unwrap();
    write(
        "0001_baseline.up.sql",
        "CREATE TABLE app.old (id int); DROP TABLE app.older;\n",
    );
    for number in 2..=9 {
        let name = format!("{number:04}_more_{number}.up.sql");
        write(
            &name,
            &format!("-- adds\nCREATE TABLE app.t{number} (id int);\n"),
        );
    }
    let contract = "-- caracal:phase contract\nDROP TABLE app.old;\n";
    write("0010_retire.up.sql", contract);
    write(
        "0011_pending.up.sql",
        "ALTER TABLE app.t2 ADD COLUMN note text;\n",
    );
    write("README.md", "how to migrate");
    release(folder.path());
    folder
}

/// Lists the digests of all files that are applied.
fn release(folder: &Path) {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".sql") && !name.starts_with("0011") {
            let bytes = std::fs::read(folder.join(&name)).unwrap();
            lines.push(format!("{}  migrations/{name}\n", sha256(bytes)));
        }
    }
    lines.sort();
    std::fs::write(folder.join("released.sha256"), lines.concat()).unwrap();
}

const CHECK: &str = r#"
[[check.migrations]]
files = "FOLDER"
names = '^([0-9]{4})_[a-z0-9_]+\.up\.sql$'
frozen = "FOLDER/released.sha256"
expand-only = true
contract-tag = "caracal:phase contract"
"#;

/// What is done, a change of the folder, SQL, and the finding.
type Fault = (&'static str, fn(&Path), &'static str, &'static str);

const FAULTS: &[Fault] = &[
    (
        "a name that is not safe",
        |folder| std::fs::write(folder.join("0012_a;b.up.sql"), "").unwrap(),
        "",
        "0012_a;b.up.sql; a name that matches ^([0-9]{4})_[a-z0-9_]+\\.up\\.sql$; it does not",
    ),
    (
        "a down migration",
        |folder| std::fs::write(folder.join("0010_retire.down.sql"), "").unwrap(),
        "",
        "0010_retire.down.sql; a name that matches",
    ),
    (
        "two files of one number",
        |folder| std::fs::write(folder.join("0011_other.up.sql"), "").unwrap(),
        "",
        "0011_pending.up.sql; a number of its own; 0011_other.up.sql has the number 11 too",
    ),
    (
        "an applied file is gone",
        |folder| std::fs::remove_file(folder.join("0005_more_5.up.sql")).unwrap(),
        "",
        "the history of migrations; a file for every applied version; none for 5",
    ),
    (
        "a released file was changed",
        |folder| {
            std::fs::write(
                folder.join("0005_more_5.up.sql"),
                "CREATE TABLE app.t5 (id bigint);",
            )
            .unwrap()
        },
        "",
        "0005_more_5.up.sql; SHA-256",
    ),
    (
        "an applied file is not in the list",
        |folder| {
            let list = folder.join("released.sha256");
            let text = std::fs::read_to_string(&list).unwrap();
            let lines: Vec<&str> = text.lines().filter(|line| !line.contains("0007")).collect();
            std::fs::write(list, lines.join("\n")).unwrap();
        },
        "",
        "0007_more_7.up.sql; its digest in the list of released files; it is applied and not in the list",
    ),
    (
        "a pending file drops something",
        |folder| {
            std::fs::write(
                folder.join("0011_pending.up.sql"),
                "SELECT 1;\n\nDROP TABLE app.t2;\n",
            )
            .unwrap()
        },
        "",
        "0011_pending.up.sql:3; a statement that only expands, or the line `-- caracal:phase contract`; DROP TABLE: what the previous version uses may be gone",
    ),
    (
        "a tag that is not one",
        |folder| {
            std::fs::write(
                folder.join("0010_retire.up.sql"),
                "-- caracal:phase contrct\nDROP TABLE app.old;\n",
            )
            .unwrap();
            release(folder);
        },
        "",
        "0010_retire.up.sql:2; a statement that only expands",
    ),
    (
        "a tag in a text is none",
        |folder| {
            std::fs::write(
                folder.join("0011_pending.up.sql"),
                "SELECT '-- caracal:phase contract';\nDROP TABLE app.t2;\n",
            )
            .unwrap();
        },
        "",
        "0011_pending.up.sql:2; a statement that only expands",
    ),
    (
        "M02 a version is applied that nobody knows",
        |_| {},
        "INSERT INTO public.schema_migrations (version, name, checksum, applied_at) VALUES (99, 'x', 'x', now())",
        "the history of migrations; a file for every applied version; none for 99",
    ),
    (
        "the history is empty",
        |_| {},
        "DELETE FROM public.schema_migrations",
        "public.schema_migrations; the history of migrations; it is empty",
    ),
    (
        "the history is gone",
        |_| {},
        "DROP TABLE public.schema_migrations",
        "public.schema_migrations; the history of migrations; there is no such table",
    ),
];

fn case<'a>(name: &'a str, change: &'a str, check: &'a str) -> Case<'a> {
    Case {
        name,
        change,
        undo: "",
        check,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations() {
    on_plur(async |plur| {
        let check = |folder: &Path| CHECK.replace("FOLDER", &folder.display().to_string());
        let good = folder();
        let harmless = "DELETE FROM public.schema_migrations WHERE version = 10; CREATE TABLE public.more (id int)";
        for change in ["", harmless] {
            plur.passes(case("the good folder", change, &check(good.path()))).await;
        }
        // PLUR's own files, by the pattern that is there without one; a contraction is only seen where it is asked for.
        let own = "[[check.migrations]]\nfiles = \"../fixtures/databases/plur/migrations\"\n";
        plur.passes(case("the files of PLUR", "", own)).await;
        for (name, damage, change, text) in FAULTS {
            let folder = folder();
            damage(folder.path());
            plur.fails(case(name, change, &check(folder.path())), &[text]).await;
        }
        let odd = folder();
        std::fs::write(odd.path().join("0011_pending.up.sql"), "\nDROP TABEL app.t2;\n").unwrap();
        plur.cannot_look(case("what the parser cannot read", "", &check(odd.path())), "0011_pending.up.sql:2: ").await;
        let reviewed = format!("{}reviewed = [\"0011_pending.up.sql\"]\n", check(odd.path()));
        let seen = plur.run(case("what a person has read", "", &reviewed)).await.unwrap();
        assert_eq!(seen.all_findings().count(), 0, "{seen:?}");
        assert_eq!(seen.not_tested.first().unwrap().what, "whether 0011_pending.up.sql only expands");
        let lost = format!("{}reviewed = [\"0012_lost.up.sql\"]\n", check(good.path()));
        plur.fails(case("a reviewed file is not there", "", &lost), &["0012_lost.up.sql; a file that was reviewed"]).await;
        let nowhere = check(Path::new("/nowhere"));
        plur.cannot_look(case("there is no folder", "", &nowhere), "cannot read /nowhere").await;
        let empty = tempfile::tempdir().unwrap();
        plur.cannot_look(case("an empty folder", "", &check(empty.path())), "no file *.sql in").await;
        let many = "INSERT INTO public.schema_migrations SELECT n, 'x', 'x', pg_catalog.now() FROM pg_catalog.generate_series(11, 100001) AS n";
        plur.cannot_look(case("a history that fills the memory", many, &check(good.path())), "more than 100 000 rows").await;
        plur.assert_passed_and_failed("migrations");
    })
    .await;
}
