//! The scenarios of Paperclip as they are committed, against backups in both of its forms that are broken by code.

use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::broken::gzip;
use super::builder::{Ended, none, redrill};
use crate::support::root;

/// A scenario, the variable of its folder of backups, and the folder in the fixture.
struct Form {
    scenario: &'static str,
    variable: &'static str,
    folder: &'static str,
}

const PG_DUMP: Form = Form {
    scenario: "scenarios/paperclip.toml",
    variable: "PAPERCLIP_BACKUPS",
    folder: "pg_dump",
};

const JAVASCRIPT: Form = Form {
    scenario: "scenarios/paperclip-javascript.toml",
    variable: "PAPERCLIP_JAVASCRIPT_BACKUPS",
    folder: "javascript",
};

/// The folder of the fixture's backups, made by its own script unless they are there.
fn backups() -> &'static Path {
    static BACKUPS: OnceLock<PathBuf> = OnceLock::new();
    BACKUPS.get_or_init(|| {
        let folder = root().join("fixtures/databases/paperclip");
        let made = Command::new(folder.join("make.sh")).output().unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        folder.join("out")
    })
}

impl Form {
    /// The newest backup.
    fn newest(&self) -> PathBuf {
        let entries = std::fs::read_dir(backups().join(self.folder)).unwrap();
        entries.map(|entry| entry.unwrap().path()).max().unwrap()
    }

    /// The newest backup, decompressed.
    fn text(&self) -> String {
        let file = std::fs::File::open(self.newest()).unwrap();
        let mut text = String::new();
        let mut reader = flate2::read::MultiGzDecoder::new(file);
        reader.read_to_string(&mut text).unwrap();
        text
    }

    /// Drills the committed scenario on a backup with the name of the newest.
    fn drill(&self, backup: &[u8]) -> Ended {
        let name = self.newest();
        let name = name.file_name().unwrap().to_str().unwrap();
        let run = redrill().file(&format!("backups/{name}"), backup);
        let folder = run.path("backups").display().to_string();
        run.with(&root().join(self.scenario).display().to_string())
            .environment(self.variable, &folder)
            .with("--verbose")
            .run()
    }

    /// Expects that broken backups fail and that the report has each text; of `each` cases the first is tried.
    fn fails(&self, each: usize, cases: Vec<(&str, Vec<u8>, &[&str])>) -> Vec<String> {
        let mut wrong = Vec::new();
        for (name, backup, texts) in cases.into_iter().step_by(each) {
            let ended = self.drill(&backup);
            // Texts of the terminal are wrapped.
            let shown = ended
                .stdout
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ");
            let missing = texts.iter().find(|text| !shown.contains(**text));
            if ended.code != 10 || missing.is_some() {
                wrong.push(format!(
                    "{name}: code {}, no {missing:?}\n{}\n{}",
                    ended.code, ended.stdout, ended.stderr
                ));
            }
        }
        wrong
    }
}

/// What the terminal shows, without its line breaks.
fn unwrapped(ended: &Ended) -> String {
    let words: Vec<&str> = ended.stdout.split_whitespace().collect();
    words.join(" ")
}

/// A dump by pg_dump without the entries whose heading (`Name: x; Type: TABLE; Schema: public; Owner: -`) is chosen.
fn without(text: &str, chosen: impl Fn(&str) -> bool) -> String {
    let mut parts = text.split("\n--\n-- ");
    let mut kept = parts.next().unwrap().to_owned();
    let mut found = false;
    for part in parts {
        let heading = part.lines().next().unwrap();
        let entry = heading.contains("; Type: ");
        if entry && chosen(heading) {
            found = true;
        } else {
            kept.push_str("\n--\n-- ");
            kept.push_str(part);
        }
    }
    assert!(found, "no such entry");
    kept
}

/// A dump with another text in place of the first, which must be there.
fn changed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "no {from}");
    text.replacen(from, to, 1)
}

/// A dump without the lines that have a text.
fn without_lines(text: &str, with: &str) -> String {
    assert!(text.contains(with), "no {with}");
    let kept = text.lines().filter(|line| !line.contains(with));
    kept.collect::<Vec<_>>().join("\n") + "\n"
}

/// Where the rows of a table are in a dump by pg_dump.
fn rows_of(text: &str, table: &str) -> Range<usize> {
    let begin = text.find(&format!("COPY {table} (")).unwrap();
    let rows = begin + text[begin..].find('\n').unwrap() + 1;
    rows..rows + text[rows..].find("\\.\n").unwrap()
}

/// A dump by pg_dump with other rows of a table.
fn with_rows(text: &str, table: &str, other: impl FnOnce(&str) -> String) -> String {
    let rows = rows_of(text, table);
    let other = other(&text[rows.clone()]);
    format!("{}{other}{}", &text[..rows.start], &text[rows.end..])
}

/// A dump by pg_dump without the rows of a table.
fn emptied(text: &str, table: &str) -> String {
    with_rows(text, table, |_| String::new())
}

/// A dump by pg_dump without the first row of a table.
fn without_first_row(text: &str, table: &str) -> String {
    with_rows(text, table, |rows| {
        rows.split_once('\n').unwrap().1.to_owned()
    })
}

const KNOWLEDGE: &str = "plugin_example_knowledge_base_0688d8dd1f";
const TRACKER: &str = "plugin_example_time_tracker_c97afb454c";

#[test]
fn both_forms_of_a_good_backup_are_proven_and_say_what_they_do_not_hold() {
    for form in [PG_DUMP, JAVASCRIPT] {
        let ended = form.drill(&std::fs::read(form.newest()).unwrap());
        assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
        for text in [
            "what is in uploads on the local disk",
            "workspace files",
            "owners and privileges",
        ] {
            assert!(unwrapped(&ended).contains(text), "no {text}");
        }
    }
    // Harmless: rows in another order, a comment.
    let text = PG_DUMP.text();
    let more = with_rows(&text, "public.plugins", |rows| {
        let turned: Vec<&str> = rows.lines().rev().collect();
        turned.join("\n") + "\n"
    });
    let more = changed(
        &more,
        "\n--\n-- PostgreSQL database dump complete",
        "\n--\n-- Name: TABLE plugins; Type: COMMENT; Schema: public; Owner: -\n--\n\nCOMMENT ON TABLE public.plugins IS 'later';\n\n\n--\n-- PostgreSQL database dump complete",
    );
    let ended = PG_DUMP.drill(&gzip(more.as_bytes()));
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
}

#[rstest::rstest]
#[ignore = "slow: ci/slow.sh"]
#[case::all(1)]
#[case::some(5)]
fn each_statement_about_a_dump_by_pg_dump_fails_when_it_must(#[case] each: usize) {
    let text = PG_DUMP.text();
    let whole = std::fs::read(PG_DUMP.newest()).unwrap();
    let sql = |broken: String| gzip(broken.as_bytes());
    let of = |schema: &str, heading: &str| {
        heading.contains(&format!("Schema: {schema};"))
            || heading.starts_with(&format!("Name: {schema}; Type: SCHEMA"))
    };
    let public_only = without(&text, |heading| {
        of("drizzle", heading) || of(KNOWLEDGE, heading) || of(TRACKER, heading)
    });
    let post_data = [
        "Type: CONSTRAINT",
        "Type: INDEX",
        "Type: FK CONSTRAINT",
        "Type: TRIGGER",
    ];
    none(PG_DUMP.fails(
        each,
        vec![
            (
                "D10 public only, as before plugin schemas were included",
                sql(public_only),
                &[
                    "drizzle.__drizzle_migrations",
                    &format!("schema {KNOWLEDGE}"),
                    &format!("schema {TRACKER}"),
                    "there is none",
                ],
            ),
            (
                "D10 one plugin was left out",
                sql(without(&text, |heading| of(TRACKER, heading))),
                &[
                    &format!("schema {TRACKER}"),
                    "each plugin has its migrations",
                ],
            ),
            (
                "M09 a plugin's schema is there without its tables",
                sql(without(&text, |heading| {
                    of(TRACKER, heading) && !heading.contains("Type: SCHEMA")
                })),
                &[&format!("schema {TRACKER}"), "no table"],
            ),
            (
                "M07 a plugin's rows were left out",
                sql(emptied(&text, &format!("{TRACKER}.entries"))),
                &["the tables of plugins hold rows", "entries"],
            ),
            (
                "M02 a schema that no plugin has",
                sql(changed(
                    &text,
                    &format!("CREATE SCHEMA {TRACKER};"),
                    &format!("CREATE SCHEMA {TRACKER};\nCREATE SCHEMA plugin_left_over;"),
                )),
                &["schema plugin_left_over", "none has this schema"],
            ),
            (
                "M02 the row of a namespace is lost",
                sql(without_lines(
                    &text,
                    "\texample.time-tracker\tplugin_example_time_tracker_c97afb454c\tschema\t",
                )),
                &["a row for example.time-tracker, which has applied migrations"],
            ),
            (
                "M03 a plugin's migration failed",
                sql(changed(
                    &text,
                    "\t1.4.0\tapplied\t2026-05-14 12:00:00+00\t\\N",
                    "\t1.4.0\tfailed\t\\N\tboom",
                )),
                &["half done or failed", "[example.knowledge-base]"],
            ),
            (
                "M01 a plugin's newest migration is lost",
                sql(without_lines(&text, "\t002_links.sql\t")),
                &["pending: migrations/002_links.sql"],
            ),
            (
                "M06 a plugin's migration had other bytes",
                sql(changed(
                    &text,
                    "\t002_links.sql\t1066",
                    "\t002_links.sql\t0000",
                )),
                &["other bytes: migrations/002_links.sql"],
            ),
            (
                "M01 the newest row of the journal is lost",
                sql(without_lines(&text, "\t1777075200000")),
                &[
                    "version 0003_patient_meridian is",
                    "pending: 0004_steady_comet.sql",
                ],
            ),
            (
                "M11 a migration that Drizzle skipped silently",
                sql(without_lines(&text, "\t1773100800000")),
                &[
                    "left out in the middle: 0002_sealed_orchid.sql",
                    "Drizzle skipped it",
                ],
            ),
            (
                "M07 the journal is empty",
                sql(emptied(&text, "drizzle.__drizzle_migrations")),
                &["the table is empty"],
            ),
            (
                "M09 a table is lost, and the journal has it",
                sql(without(&text, |heading| {
                    heading.contains("documents") && !heading.contains("FUNCTION")
                })),
                &["table public.documents"],
            ),
            (
                "F02 constraints, indexes and triggers were not restored",
                sql(without(&text, |heading| {
                    post_data.iter().any(|kind| heading.contains(kind))
                })),
                &["constraint __drizzle_migrations_pkey", "0 foreign keys"],
            ),
            (
                "I01 one index is lost",
                sql(without(&text, |heading| {
                    heading.contains("issues_open_idx")
                })),
                &["issues_open_idx"],
            ),
            (
                "M09 an enum has its labels in another order",
                sql(changed(
                    &text,
                    "    'backlog',\n    'todo',",
                    "    'todo',\n    'backlog',",
                )),
                &["type public.issue_status"],
            ),
            (
                "D06 a sequence is behind its column",
                sql(changed(
                    &text,
                    "setval('public.issue_number_seq', 1179, true)",
                    "setval('public.issue_number_seq', 1005, true)",
                )),
                &[
                    "no sequence is behind its column",
                    "public.issue_number_seq",
                ],
            ),
            (
                "F47 a secret is encrypted under another key",
                sql(changed(
                    &text,
                    "\"ciphertext\": \"4hndx1OGeO0G4G1KuHBKrU4S0FotTm1o+62BYaY=\"",
                    "\"ciphertext\": \"5hndx1OGeO0G4G1KuHBKrU4S0FotTm1o+62BYaY=\"",
                )),
                &["the master key decrypts every version of every secret"],
            ),
            (
                "F47 a version of a secret is lost",
                sql(without_first_row(&text, "public.company_secret_versions")),
                &["every secret has each of its versions"],
            ),
            (
                "F11 the file is cut",
                whole[..whole.len() / 2].to_vec(),
                &["is incomplete, damaged or unsafe"],
            ),
        ],
    ));
}

#[rstest::rstest]
#[ignore = "slow: ci/slow.sh"]
#[case::all(1)]
#[case::some(4)]
fn each_statement_about_a_backup_of_the_javascript_writer_fails_when_it_must(#[case] each: usize) {
    let text = JAVASCRIPT.text();
    let sql = |broken: String| gzip(broken.as_bytes());
    let breakpoints: Vec<usize> = text
        .match_indices("-- paperclip statement breakpoint")
        .map(|(at, _)| at)
        .collect();
    let sequences = text.find("\n-- Sequence values").unwrap();
    let commit = text.rfind("\nCOMMIT;").unwrap();
    let issue = "a9f54e2a-88ed-e115-30aa-9d914fe2bbcc";
    none(JAVASCRIPT.fails(each, vec![
        (
            "F02 the file ends after a statement",
            sql(text[..breakpoints[breakpoints.len() / 2]].to_owned()),
            &["expected a COMMIT for the BEGIN in line 4"],
        ),
        (
            "M11 a migration that Drizzle skipped silently",
            sql(without_lines(&text, "$paperclip$1773100800000$paperclip$")),
            &["left out in the middle: 0002_sealed_orchid.sql"],
        ),
        (
            "D06 the values of sequences are lost",
            sql(format!("{}{}", &text[..sequences], &text[commit..])),
            &["no sequence is behind its column", "public.issue_number_seq"],
        ),
        (
            "D03 rows without the row that they belong to: no foreign key is checked while this form is restored",
            sql(without_lines(&text, &format!("VALUES ($paperclip${issue}$paperclip$, $paperclip$e828ae33"))),
            &["every constraint is validated and holds on every row", "public.issue_comments"],
        ),
        (
            "I01 one index is lost",
            sql(without_lines(&text, "CREATE INDEX issues_open_idx")),
            &["issues_open_idx"],
        ),
        (
            "D10 a plugin's namespace is not registered",
            sql(without_lines(&text, "$paperclip$plugin_example_time_tracker_c97afb454c$paperclip$, $paperclip$schema$paperclip$")),
            &[&format!("schema {TRACKER}"), "none has this schema"],
        ),
    ]));
    // What this writer does not write is a finding of the scenario that expects it.
    let ended = PG_DUMP.drill(&std::fs::read(JAVASCRIPT.newest()).unwrap());
    assert_eq!(ended.code, 10, "{}\n{}", ended.stdout, ended.stderr);
    for name in [
        "companies_budget_check",
        "documents_revision_check",
        "articles_slug_check",
        "entries_minutes_check",
    ] {
        assert!(ended.stdout.contains(name), "no {name}\n{}", ended.stdout);
    }
}

#[test]
fn files_of_the_instance_that_are_lost_or_of_another_are_named() {
    let uploads = std::fs::read_dir(backups().join("instance/uploads")).unwrap();
    let upload = uploads
        .map(|entry| entry.unwrap().file_name())
        .min()
        .unwrap();
    let upload = format!("uploads/{}", upload.to_str().unwrap());
    // 32 bytes in base64, and not those of the fixture.
    let other_key = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=\n";
    for (name, content, text) in [
        (
            upload.as_str(),
            None,
            "every upload that a document names is there",
        ),
        ("secrets/master.key", None, "companion master key"),
        (
            "secrets/master.key",
            Some(other_key),
            "the master key decrypts every version of every secret",
        ),
    ] {
        let run = redrill().copy(&backups().join("instance"), "instance");
        let instance = run.path("instance");
        match content {
            None => std::fs::remove_file(instance.join(name)).unwrap(),
            Some(content) => std::fs::write(instance.join(name), content).unwrap(),
        }
        let folder = backups().join(PG_DUMP.folder).display().to_string();
        let ended = run
            .with(&root().join(PG_DUMP.scenario).display().to_string())
            .environment(PG_DUMP.variable, &folder)
            .environment("PAPERCLIP_INSTANCE", &instance.display().to_string())
            .run();
        assert_eq!(ended.code, 10, "{name}: {}\n{}", ended.stdout, ended.stderr);
        assert!(unwrapped(&ended).contains(text), "{name}: {}", ended.stdout);
    }
}
