//! Today's backup against yesterday's, and the tiers that are kept.

use super::builder::{Redrill, none, redrill};

/// A dump with so many rows in three tables.
fn dump(rows: [u32; 3]) -> String {
    let tables = ["orders", "outbox", "users"].iter().zip(rows);
    let tables: String = tables
        .map(|(table, rows)| {
            let rows: String = (0..rows).map(|row| format!("{row}\n")).collect();
            format!(
                "CREATE TABLE public.{table} (id integer);\nCOPY public.{table} (id) FROM stdin;\n{rows}\\.\nCREATE INDEX ON public.{table} (id);\n"
            )
        })
        .collect();
    format!(
        "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 17.4\n-- Dumped by pg_dump version 17.4\n\nSET client_encoding = 'UTF8';\n{tables}\n--\n-- PostgreSQL database dump complete\n--\n\n"
    )
}

/// Yesterday's and today's, with more settings of `[backup]`.
fn days(before: impl AsRef<[u8]>, now: [u32; 3], more: &str) -> Redrill {
    redrill()
        .scenario(&format!(
            "schema = 1\nname = \"drilled\"\n[backup]\nnewest = \"b/shop-*.sql\"\n{more}\n[[check.row-count]]\ntable = \"public.users\"\nmin = 1\n"
        ))
        .file("b/shop-2026-05-24.sql", before)
        .file("b/shop-2026-05-25.sql", dump(now))
}

const BEFORE: [u32; 3] = [1000, 2000, 9000];

#[test]
fn f39_f45_what_is_lost_since_yesterday_is_found_before_a_server_starts() {
    let lost = |now, more: &str| days(dump(BEFORE), now, more).run();
    let mut wrong = Vec::new();
    let ended = lost([99, 2000, 9000], "");
    let says = ["public.orders", "99 rows, 9 % of it", "may-shrink"];
    wrong.extend(ended.fails_in("backup", &says).err());
    let ended = lost(
        [1000, 0, 9000],
        "previous = { may-shrink = [\"public.orders\"] }",
    );
    wrong.extend(ended.fails_in("backup", &["public.outbox"]).err());
    let ended = lost([90, 180, 300], "previous = { compare = \"size\" }");
    wrong.extend(ended.fails_in("backup", &["at least 10 % of", "kB"]).err());
    none(wrong);
}

#[test]
fn what_shrank_less_is_a_warning() {
    let mut wrong = Vec::new();
    let may = "previous = { may-shrink = [\"*.outbox\"] }";
    let ended = days(dump(BEFORE), [600, 0, 9000], may).run();
    wrong.extend(ended.is_proven_with(9600).err());
    let warned = ended.findings("backup");
    if !warned.contains("public.orders") || warned.contains("outbox") {
        wrong.push(warned);
    }
    // Whoever only reads the terminal sees it too.
    if !ended.stdout.contains("\nwarning    public.orders: ") {
        wrong.push(ended.stdout);
    }
    let ended = days("<html>no backup</html>", BEFORE, "").run();
    if !ended
        .findings("backup")
        .contains("the only earlier one that was examined is not")
    {
        wrong.push(ended.findings("backup"));
    }
    wrong.extend(ended.is_proven_with(12_000).err());
    let warned = ended.findings("backup");
    if !warned.contains("shop-2026-05-24.sql") || !warned.contains("an HTML or XML page") {
        wrong.push(warned);
    }
    none(wrong);
}

#[test]
fn backups_that_are_not_kept_are_an_objective_missed() {
    let tiers = "retention = { daily = 5, weekly = 2 }";
    let drill = days(dump(BEFORE), BEFORE, tiers);
    let drill = drill.file("b/shop-2026-05-21.sql", dump(BEFORE));
    let ended = drill.run();
    assert_eq!(ended.code, 11, "{}\n{}", ended.stdout, ended.stderr);
    let drill = ended.drill();
    assert_eq!(drill["verdict"], "OBJECTIVE MISSED");
    let [markdown, junit] = &ended.pages;
    for page in [&ended.stdout, &drill.to_string(), markdown, junit] {
        // Lines are wrapped anywhere.
        let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(page.contains("2026-05-22 to 2026-05-23"), "{page}");
    }
}

#[test]
fn f45_a_check_of_the_size_asks_for_more() {
    let mut wrong = Vec::new();
    for (share, code) in [("50%", 0), ("90%", 10)] {
        let check = format!("[[check.size]]\nwhole = \"backup\"\nprevious = \"{share}\"\n");
        let ended = days(dump(BEFORE), [1000, 2000, 5000], &check).run();
        let failed = ended.checks("fail").len();
        if ended.code != code || failed != usize::from(code != 0) {
            wrong.push(format!("{share}: {}\n{}", ended.code, ended.stdout));
        }
    }
    none(wrong);
}

/// A dump that breaks off.
fn cut(rows: [u32; 3]) -> String {
    let whole = dump(rows);
    whole[..whole.len() * 9 / 10].to_owned()
}

#[test]
fn a_backup_is_compared_with_the_previous_successful_one() {
    let few = [10, 20, 900];
    let mut wrong = Vec::new();
    let mut expect = |name: &str, ended: super::builder::Ended, code: u8, says: &[&str]| {
        let found = format!(
            "{}{}{}",
            ended.findings("backup"),
            ended.pages[0],
            ended.stdout
        );
        let missing = says.iter().find(|text| !found.contains(**text));
        if ended.code != i32::from(code) || missing.is_some() {
            wrong.push(format!(
                "{name}: code {}, no {missing:?} in {found}",
                ended.code
            ));
        }
    };
    // The job of yesterday broke off, so today's is compared with that of the day before, which had more rows.
    let ended = days(cut(few), few, "")
        .file("b/shop-2026-05-23.sql", dump(BEFORE))
        .run();
    let passed = "shop-2026-05-24.sql passed over";
    expect(
        "cut",
        ended,
        10,
        &[
            "public.orders",
            "shop-2026-05-23.sql",
            "shop-2026-05-24.sql",
        ],
    );
    // The same, and nothing is lost: named in every report, and no failure.
    let ended = days(cut(few), BEFORE, "")
        .file("b/shop-2026-05-23.sql", dump(BEFORE))
        .run();
    expect(
        "cut, and nothing is lost",
        ended,
        0,
        &[
            "warning    shop-2026-05-24.sql: ",
            "a complete backup to compare with",
        ],
    );
    let ended = days(cut(few), BEFORE, "")
        .file("b/shop-2026-05-23.sql", dump(BEFORE))
        .with("--verbose")
        .run();
    expect("verbose", ended, 0, &[passed]);
    // Changed since it was written.
    let digest = format!("{}  shop-2026-05-24.sql\n", "0".repeat(64));
    let ended = days(dump(few), few, "")
        .file("b/shop-2026-05-24.sql.sha256", digest)
        .file("b/shop-2026-05-23.sql", dump(BEFORE))
        .run();
    expect(
        "another digest",
        ended,
        10,
        &["public.orders", "shop-2026-05-23.sql", "another SHA-256"],
    );
    // An upload of an encrypted backup that broke off behind its header: its size is no size to compare with.
    let ended = days("age-encryption.org/v1\n-> X25519 AAAA\n", few, "")
        .file("b/shop-2026-05-23.sql", dump(BEFORE))
        .run();
    expect(
        "unreadable",
        ended,
        10,
        &["public.orders", "shop-2026-05-23.sql"],
    );
    // Only sizes: an empty file is the one that shows.
    let size = "previous = { compare = \"size\" }";
    let ended = days("", few, size)
        .file("b/shop-2026-05-23.sql", dump(BEFORE))
        .run();
    expect("empty", ended, 10, &["at least 10 % of", "an empty file"]);
    let ended = days(dump(few), few, size)
        .file("b/shop-2026-05-23.sql", dump(BEFORE))
        .run();
    expect("not empty", ended, 0, &["shop-2026-05-24.sql"]);
    // Of six it reads five.
    let mut all = days(cut(few), few, "");
    for day in 20..24 {
        all = all.file(&format!("b/shop-2026-05-{day}.sql"), cut(few));
    }
    let ended = all.file("b/shop-2026-05-19.sql", dump(BEFORE)).run();
    expect(
        "too many",
        ended,
        0,
        &["none of the 5 earlier ones that were examined is"],
    );
    none(wrong);
}
