//! The scenario of Powernode as it is committed, against backups that are broken by code: its
//! runbook is only replaced where each of its steps can fail.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::broken::gzip;
use super::builder::{Ended, none, redrill};
use crate::support::root;

/// The folder of the fixture's backups, made by its own script unless they are there.
fn backups() -> &'static Path {
    static BACKUPS: OnceLock<PathBuf> = OnceLock::new();
    BACKUPS.get_or_init(|| {
        let folder = root().join("fixtures/databases/powernode");
        let made = Command::new(folder.join("make.sh")).output().unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        folder.join("out")
    })
}

/// The API of the fixture: the one that is named, else built here.
fn program() -> &'static str {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Ok(program) = std::env::var("POWERNODE_API") {
            return program;
        }
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "powernode-api"])
            .current_dir(root())
            .status();
        assert!(built.unwrap().success(), "powernode-api does not build");
        let own = std::env::current_exe().unwrap();
        // target/debug/deps/it-…
        let target = own.ancestors().nth(2).unwrap();
        target.join("powernode-api").display().to_string()
    })
}

/// The names of the backups, the newest last, then the one that was taken by hand.
fn names() -> Vec<String> {
    let entries = std::fs::read_dir(backups()).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".sql.gz"))
        .collect();
    names.sort();
    assert_eq!(names.len(), 4, "{names:?}");
    names
}

/// The newest backup.
pub fn backup() -> PathBuf {
    backups().join(&names()[2])
}

/// The newest backup, decompressed.
fn newest() -> String {
    let file = std::fs::File::open(backup()).unwrap();
    let mut text = String::new();
    let mut reader = flate2::read::MultiGzDecoder::new(file);
    std::io::Read::read_to_string(&mut reader, &mut text).unwrap();
    text
}

/// Drills the committed scenario on the fixture's backups, the newest of them replaced.
fn drill(newest: &[u8], with_earlier: bool) -> Ended {
    let names = names();
    let mut run = redrill()
        .drilled("powernode")
        .file(&format!("backups/{}", names[2]), newest);
    if with_earlier {
        for name in [&names[0], &names[1], &names[3]] {
            run = run.copy(&backups().join(name), &format!("backups/{name}"));
        }
    }
    let folder = run.path("backups").display().to_string();
    run.with(
        &root()
            .join("scenarios/powernode.toml")
            .display()
            .to_string(),
    )
    .environment("POWERNODE_BACKUPS", &folder)
    .environment("POWERNODE_API", program())
    .with("--verbose")
    .run()
}

/// Without what stands between two texts, both included.
fn without(text: &str, from: &str, to: &str) -> String {
    let begin = text.find(from).unwrap_or_else(|| panic!("no {from}"));
    let end = begin + text[begin..].find(to).unwrap() + to.len();
    format!("{}{}", &text[..begin], &text[end..])
}

/// Without the rows of a table.
fn emptied(text: &str, table: &str) -> String {
    let begin = text.find(&format!("COPY public.{table} (")).unwrap();
    let rows = begin + text[begin..].find('\n').unwrap() + 1;
    let end = rows + text[rows..].find("\\.\n").unwrap();
    format!("{}{}", &text[..rows], &text[end..])
}

/// Without the rows of every table but those of people and of migrations.
fn hollow(text: &str) -> String {
    let tables = text
        .lines()
        .filter_map(|line| line.strip_prefix("COPY public."));
    let tables = tables.filter_map(|line| Some(line.split_once(" (")?.0));
    let kept = [
        "users",
        "accounts",
        "schema_migrations",
        "ar_internal_metadata",
    ];
    tables
        .filter(|table| !kept.contains(table))
        .fold(text.to_owned(), |text, table| emptied(&text, table))
}

#[test]
fn the_runbook_is_proven_on_a_good_backup_and_the_ad_hoc_one_is_left() {
    let good = gzip(newest().as_bytes());
    let ended = drill(&good, true);
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    let text = ended.stdout.clone();
    assert!(
        text.contains("not pre_migration_deploy_1779148800.sql.gz:"),
        "{text}"
    );
    assert!(text.contains("previous  "), "{text}");
    // Each index has its time, the four of vectors first of all.
    let report = ended.drill();
    let steps = report["restore"]["steps"].as_array().unwrap();
    let built: Vec<(&str, &str)> = steps
        .iter()
        .filter_map(|step| Some((step["what"].as_str()?, step["method"].as_str()?)))
        .collect();
    let dump = newest();
    let indexes = dump.matches("\nCREATE INDEX ").count()
        + dump.matches("\nCREATE UNIQUE INDEX ").count()
        + dump.matches(" PRIMARY KEY (").count();
    assert_eq!(built.len(), indexes, "{built:?}");
    for (name, method) in [
        (
            "index public.index_ai_knowledge_graph_nodes_on_embedding_hnsw",
            "hnsw",
        ),
        (
            "index public.index_ai_shared_knowledges_on_embedding_ivfflat",
            "ivfflat",
        ),
        ("index public.index_audit_logs_on_metadata", "gin"),
        ("constraint users_pkey of public.users", "btree"),
    ] {
        assert!(built.contains(&(name, method)), "{name}: {built:?}");
    }
    let longest = steps
        .iter()
        .map(|step| step["duration_s"].as_f64().unwrap());
    assert!(longest.is_sorted_by(|one, next| one >= next));
    let page = ended.pages[0].replace('\\', "");
    assert!(page.contains("| hnsw"), "{page}");
    assert!(page.contains("more, see `drill.json`"), "{page}");
    // Harmless: an index more, a comment, another order of what nobody sorts.
    let more = newest().replace(
        "\n--\n-- PostgreSQL database dump complete",
        "\n--\n-- Name: added_later; Type: INDEX; Schema: public; Owner: powernode\n--\n\nCREATE INDEX added_later ON public.messages USING btree (role);\n\n--\n-- PostgreSQL database dump complete",
    );
    let ended = drill(&gzip(more.as_bytes()), true);
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
}

#[rstest::rstest]
#[ignore = "slow: ci/slow.sh"]
#[case::all(1)]
#[case::some(5)]
fn each_step_of_the_runbook_fails_when_it_must(#[case] each: usize) {
    let text = newest();
    let digest = {
        let at = text.find("ops@powernode.example").unwrap();
        let from = at + text[at..].find("$2a$").unwrap();
        text[from..from + 60].to_owned()
    };
    let hnsw = "CREATE INDEX index_ai_shared_knowledges_on_embedding_hnsw";
    let sql = |broken: String| gzip(broken.as_bytes());
    let whole = gzip(text.as_bytes());
    let cases: Vec<(&str, Vec<u8>, bool, &[&str])> = vec![
        (
            "the hash of a password was lost",
            sql(text.replace(
                &digest,
                "$2a$04$aaaaaaaaaaaaaaaaaaaaa.0123456789012345678901234567890",
            )),
            true,
            &["lets a known user in, and jobs run (api", "status 401"],
        ),
        (
            "all hashes were blanked",
            sql(text.replace("$2a$04$", "$-a$04$")),
            true,
            &["lets a known user in, and jobs run (api"],
        ),
        (
            "the worker may not queue an execution again",
            sql(text.replace("'queued'::character varying, ", "")),
            true,
            &["lets a known user in, and jobs run (api", "worker", "exited with code 1"],
        ),
        (
            "the worker cannot write the audit log",
            sql(text.replace("ADD CONSTRAINT audit_logs_pkey", "ADD CONSTRAINT audit_logs_action_check CHECK (((action)::text <> 'agent.run'::text)) NOT VALID;\n\n\nALTER TABLE ONLY public.audit_logs\n    ADD CONSTRAINT audit_logs_pkey")),
            true,
            &["executions that were under way", "$.failed is 0"],
        ),
        (
            "an HNSW index is gone",
            sql(without(&text, hnsw, ";\n")),
            true,
            &[
                "shared knowledge: HNSW by cosine distance (index",
                "every index of the baseline",
            ],
        ),
        (
            "an IVFFlat index was built for another distance",
            sql(text.replace(
                "ivfflat (embedding public.vector_ip_ops)",
                "ivfflat (embedding public.vector_cosine_ops)",
            )),
            true,
            &["shared knowledge: IVFFlat by inner product (index"],
        ),
        (
            "a migration is down",
            sql(text.replace("\n20250402141500\n", "\n")),
            true,
            &["20250402141500"],
        ),
        (
            "a table lost its rows since the last backup",
            sql(emptied(&text, "audit_logs")),
            true,
            &["FAIL     backup", "public.audit_logs"],
        ),
        (
            "a table lost its rows, and there is no backup before",
            sql(emptied(&text, "audit_logs")),
            false,
            &["every table holds what the baseline says"],
        ),
        (
            "the database is hollow",
            sql(hollow(&text)),
            false,
            &["the database is not hollow (size"],
        ),
        (
            "the file is cut",
            whole[..whole.len() / 2].to_vec(),
            true,
            &["FAIL     backup", "is incomplete, damaged or unsafe"],
        ),
        (
            "embeddings of another model",
            sql(text.replace("vector(768)", "vector")),
            true,
            &[],
        ),
        (
            "pgcrypto was not dumped",
            sql(
                without(&text, "CREATE EXTENSION IF NOT EXISTS pgcrypto", ";\n").replace(
                    "COMMENT ON EXTENSION pgcrypto",
                    "-- COMMENT ON EXTENSION pgcrypto",
                ),
            ),
            true,
            &["pgcrypto answers (extension"],
        ),
    ];
    let mut wrong = Vec::new();
    for (name, backup, with_earlier, says) in cases.into_iter().step_by(each) {
        let ended = drill(&backup, with_earlier);
        let missing = says.iter().find(|text| !ended.stdout.contains(**text));
        if ended.code != 10 || missing.is_some() || !ended.stdout.contains("severity   P1") {
            wrong.push(format!(
                "{name}: code {}, no {missing:?}\n{}\n{}",
                ended.code, ended.stdout, ended.stderr
            ));
        }
    }
    none(wrong);
}
