//! Dumps that are cut or damaged where several sessions load them: the same findings and the same database as with one
//! session and with psql, and always an end.

use super::{Error, SMALL, difference, dumped, errors_of, into, on_server, psql, redrill};
use crate::drill::builder::none;
use crate::support::Plur;
use redrill::server::Wanted;
use redrill::server::settings::Server;

/// What psql cannot say of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Psql {
    Compared,
    /// It ends a line at a NUL byte.
    NotCompared,
}

struct Damage {
    what: &'static str,
    make: fn(&str) -> Vec<u8>,
    /// SQLSTATEs that must be reported, in the order of the dump.
    reports: &'static [&'static str],
    psql: Psql,
}

const fn damage(
    what: &'static str,
    make: fn(&str) -> Vec<u8>,
    reports: &'static [&'static str],
) -> Damage {
    Damage {
        what,
        make,
        reports,
        psql: Psql::Compared,
    }
}

const DAMAGES: &[Damage] = &[
    damage("nothing", |dump| dump.into(), &[]),
    damage(
        "cut in a value, of all sessions",
        |dump| cut(dump, "\n1500\t0123"),
        &[],
    ),
    damage(
        "cut in a number, of all sessions",
        |dump| cut(dump, "\n150"),
        &["22P04"],
    ),
    damage(
        "cut between rows, of all sessions",
        |dump| cut(dump, "\n1499\t"),
        &[],
    ),
    damage(
        "cut in a value, of one session",
        |dump| cut(dump, "\n10400\t0123"),
        &[],
    ),
    damage(
        "cut in a number, of one session",
        |dump| cut(dump, "\n1040"),
        &["22P04"],
    ),
    damage(
        "a column too many",
        |dump| row(dump, 1500, "1500\ta\tb"),
        &["22P04"],
    ),
    damage(
        "a column too few",
        |dump| row(dump, 1500, "1500"),
        &["22P04"],
    ),
    damage(
        "a wrong type",
        |dump| row(dump, 1500, "x1500\ta"),
        &["22P02"],
    ),
    damage(
        "a wrong type in the first row",
        |dump| row(dump, 1, "x\ta"),
        &["22P02"],
    ),
    damage(
        "a wrong type in the last row",
        |dump| row(dump, 3000, "x\ta"),
        &["22P02"],
    ),
    damage("no value", |dump| row(dump, 1500, "1500\t\\N"), &["23502"]),
    damage(
        "no UTF-8",
        |dump| bytes(dump, 1500, b"1500\ta\xffb"),
        &["22021"],
    ),
    damage(
        "no UTF-8 in an escape",
        |dump| row(dump, 1500, "1500\ta\\377b"),
        &["22021"],
    ),
    damage(
        "no UTF-8, of one session",
        |dump| bytes(dump, 10400, b"10400\ta\xffb"),
        &["22021"],
    ),
    Damage {
        what: "a NUL byte",
        make: |dump| bytes(dump, 1500, b"1500\ta\0b"),
        reports: &["22021"],
        psql: Psql::NotCompared,
    },
    damage("a key twice", |dump| row(dump, 1500, "1499\ta"), &["23505"]),
    damage(
        "a value twice, for an index",
        |dump| row(dump, 10400, "10399\ta"),
        &["23505"],
    ),
    damage(
        "a reference to nothing",
        |dump| row(dump, 90003, "90003\t4711"),
        &["23503"],
    ),
    damage(
        "no end of rows",
        |dump| replaced(dump, "\n\\.\n\nCOPY app.mid", "\n\nCOPY app.mid"),
        &["22P02"],
    ),
    damage(
        "a row that goes on after a backslash, wrongly",
        |dump| row(dump, 1500, "1500\ta\\"),
        &["22P04"],
    ),
    damage(
        "a row that goes on after a backslash, and a wrong one",
        |dump| row(&text(row(dump, 1500, "1500\ta\\\nb")), 2900, "x\ta"),
        &["22P02"],
    ),
    damage(
        "rows that go on after a backslash",
        |dump| row(dump, 1500, "1500\ta\\\nb"),
        &[],
    ),
    damage("other line ends in the middle", other_line_ends, &["22P04"]),
    damage(
        "a long row with a column too many",
        |dump| row(dump, 1500, &format!("1500\t{}\tb", "long".repeat(200_000))),
        &["22P04"],
    ),
    damage(
        "two tables at once",
        |dump| row(&text(row(dump, 1500, "x\ta")), 10400, "y\ta"),
        &["22P02", "22P02"],
    ),
    damage(
        "several rows of each",
        |dump| {
            let dump = text(row(dump, 2700, "x\ta"));
            let dump = text(row(&dump, 700, "y\ta\tb"));
            let dump = text(row(&dump, 10700, "y\ta"));
            row(&dump, 10010, "10010\ta\tb")
        },
        &["22P04", "22P04"],
    ),
    damage(
        "an index twice",
        |dump| replaced(dump, "INDEX small_t ON", "INDEX big_t ON"),
        &["42P07"],
    ),
    damage(
        "an index of a column that is not there",
        |dump| {
            replaced(
                dump,
                "big_t ON app.big USING btree (\"left\"(t, 9))",
                "big_t ON app.big USING btree (u)",
            )
        },
        &["42703"],
    ),
];

/// A dump whose tables are loaded in every way, and whose keys and indexes are made after the rows.
fn dump() -> String {
    let copy = |table: &str, columns: &str, rows: Vec<String>| {
        format!(
            "COPY app.{table} ({columns}) FROM stdin;\n{}\n\\.\n\n",
            rows.join("\n")
        )
    };
    let wide = |from: usize, count: usize| -> Vec<String> {
        let row = |number| format!("{number}\t{}", "0123456789abcdef".repeat(64));
        (from..from + count).map(row).collect()
    };
    let small = |from: usize| (from..from + 9).map(|n| format!("{n}\tsmall")).collect();
    let child = |n: usize| format!("{}\t{}", 90_000 + n, 80_000 + n);
    let tables = ["big", "mid", "small"]
        .map(|name| format!("CREATE TABLE app.{name} (id integer NOT NULL, t text NOT NULL);\n"));
    [
        "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 15.6\n-- Dumped by pg_dump version 15.6\n
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);

CREATE SCHEMA app;
",
        &tables.concat(),
        "CREATE TABLE app.child (id integer NOT NULL, small integer);\n\n",
        &copy("big", "id, t", wide(1, 3000)),
        &copy("mid", "id, t", wide(10_001, 800)),
        &copy("small", "id, t", small(80_001)),
        &copy("child", "id, small", (1..9).map(child).collect()),
        "
ALTER TABLE ONLY app.big ADD CONSTRAINT big_pkey PRIMARY KEY (id);
ALTER TABLE ONLY app.small ADD CONSTRAINT small_pkey PRIMARY KEY (id);
CREATE INDEX big_t ON app.big USING btree (\"left\"(t, 9));
CREATE UNIQUE INDEX mid_id ON app.mid USING btree (id);
CREATE INDEX small_t ON app.small USING btree (t);
ALTER TABLE ONLY app.child ADD CONSTRAINT child_small FOREIGN KEY (small) REFERENCES app.small(id);

--\n-- PostgreSQL database dump complete\n--\n\n",
    ]
    .concat()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// Ends after a text.
fn cut(dump: &str, after: &str) -> Vec<u8> {
    dump[..dump.find(after).unwrap() + after.len()].into()
}

fn replaced(dump: &str, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(dump.matches(from).count(), 1, "{from}");
    dump.replace(from, to).into()
}

/// With another row in place of the one of this number.
fn row(dump: &str, number: usize, with: &str) -> Vec<u8> {
    bytes(dump, number, with.as_bytes())
}

fn bytes(dump: &str, number: usize, with: &[u8]) -> Vec<u8> {
    let begins = dump.find(&format!("\n{number}\t")).unwrap() + 1;
    let ends = begins + dump[begins..].find('\n').unwrap();
    let dump = dump.as_bytes();
    [&dump[..begins], with, &dump[ends..]].concat()
}

fn other_line_ends(dump: &str) -> Vec<u8> {
    let from = dump.find("\n1500\t").unwrap() + 1;
    let to = from + dump[from..].find("\n\\.\n").unwrap() + 1;
    let rows = dump[from..to].replace('\n', "\r\n");
    [&dump[..from], &rows, &dump[to..]].concat().into()
}

/// What a restore reports and leaves.
struct Ended {
    errors: Vec<Error>,
    database: Vec<String>,
}

async fn restored(plur: &Plur, dump: &[u8], name: &str, jobs: u16) -> Ended {
    let log = redrill(plur, dump, &into(name, jobs, SMALL)).await.unwrap();
    let method = &log.facts.method;
    assert_eq!(
        method.contains(&format!("by {jobs} sessions")),
        jobs > 1,
        "{method}"
    );
    Ended {
        errors: errors_of(&log),
        database: dumped(plur, name).await,
    }
}

async fn restored_by_psql(plur: &Plur, dump: &[u8], name: &str) -> Ended {
    let create = format!("CREATE DATABASE {name} TEMPLATE template0");
    plur.sql("postgres", &create).await;
    Ended {
        errors: psql(plur, name, dump).await,
        database: dumped(plur, name).await,
    }
}

/// What differs between two restores.
fn compare(what: &str, one: &Ended, other: &Ended) -> Vec<String> {
    let mut wrong = Vec::new();
    if one.errors != other.errors {
        wrong.push(format!("{what}: {:#?} and {:#?}", one.errors, other.errors));
    }
    let differ = difference(&one.database, &other.database);
    wrong.extend(differ.map(|difference| format!("{what}: {difference}")));
    wrong
}

#[rstest::rstest]
#[ignore = "slow: ci/slow.sh"]
#[case::all(1)]
#[case::some(5)]
#[tokio::test(flavor = "multi_thread")]
async fn several_sessions_report_of_a_damaged_dump_what_psql_reports(#[case] each: usize) {
    let wanted = Wanted {
        superuser: "postgres".to_owned(),
        ..Wanted::default()
    };
    let dump = dump();
    let mut wrong = Vec::new();
    on_server(&Server::default(), &wanted, async |plur: &Plur| {
        for damage in DAMAGES.iter().step_by(each) {
            let what = damage.what;
            let dump = (damage.make)(&dump);
            let mut one = restored(plur, &dump, "one", 1).await;
            let mut four = restored(plur, &dump, "four", 4).await;
            wrong.extend(compare(
                &format!("{what}: one session and four"),
                &one,
                &four,
            ));
            // Of a dump that ends too early psql says nothing.
            for ended in [&mut one, &mut four] {
                let cut = |(_, text): &mut Error| text == "it does not";
                let cut = ended.errors.extract_if(.., cut).count();
                if (cut == 1) != what.starts_with("cut") {
                    wrong.push(format!("{what}: reported as cut {cut} times"));
                }
            }
            let states = four
                .errors
                .iter()
                .map(|(_, text)| text.rsplit_once('(').unwrap().1);
            let states: Vec<&str> = states.map(|state| state.trim_end_matches(')')).collect();
            if states != damage.reports {
                wrong.push(format!("{what}: reports {:?}", four.errors));
            }
            if damage.psql == Psql::Compared {
                let psql = restored_by_psql(plur, &dump, "psql").await;
                wrong.extend(compare(
                    &format!("{what}: psql and four sessions"),
                    &psql,
                    &four,
                ));
                plur.sql("postgres", "DROP DATABASE psql WITH (FORCE)")
                    .await;
            }
            for name in ["one", "four"] {
                plur.sql("postgres", &format!("DROP DATABASE {name} WITH (FORCE)"))
                    .await;
            }
        }
    })
    .await;
    none(wrong);
}
