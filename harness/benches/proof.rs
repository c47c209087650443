//! How long the proof takes beside the restore that it follows.
//!
//! Restore, counts and full proof of the same data on the same server, so that a busy machine changes
//! the ratios little: `cargo bench --bench proof`. The aims are 5 % for counts and 20 % for all.
//!
//! - `cargo bench --bench proof -- --rounds 5`: more restores
//! - `cargo bench --bench proof -- --megabytes 500`: of about so much SQL
//! - `cargo bench --bench proof -- --file DUMP`: any backup
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::allow_attributes,
    reason = "a measurement prints, and stops by panicking"
)]

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use redrill::backup::Backup;
use redrill::backup::inspect::{Inspection, inspect};
use redrill::backup::source::{self, Rules};
use redrill::backup::spool::Spool;
use redrill::cleanup::Work;
use redrill::event::Listener;
use redrill::proof::rows::compare;
use redrill::proof::settings::Level;
use redrill::redact::Redactor;
use redrill::restore::{restore, settings::Restore};
use redrill::server::{ThrowawayServer, settings::Server};

/// Tables with keys and indexes, narrow and wide ones, and one of vectors.
const TABLES: &str = r#"SET client_encoding = 'UTF8';
CREATE EXTENSION vector WITH SCHEMA public;
CREATE TABLE public.clients (id bigint, mail text, since timestamp with time zone, settings jsonb, note text);
CREATE TABLE public.orders (id bigint, client bigint, at timestamp with time zone, total numeric(12,2), state text, ref uuid);
CREATE TABLE public.lines (id bigint, "order" bigint, article integer, amount integer, price numeric(10,2));
CREATE TABLE public.engrams (id bigint, body text, embedding public.vector(256));
"#;

const KEYS: &str = r#"ALTER TABLE public.clients ADD PRIMARY KEY (id);
ALTER TABLE public.clients ADD UNIQUE (mail);
CREATE INDEX ON public.clients USING gin (settings);
ALTER TABLE public.orders ADD PRIMARY KEY (id);
CREATE INDEX ON public.orders (client);
CREATE INDEX ON public.orders (at);
CREATE UNIQUE INDEX ON public.orders (ref);
ALTER TABLE public.lines ADD PRIMARY KEY (id);
CREATE INDEX ON public.lines ("order");
CREATE INDEX ON public.lines (article);
ALTER TABLE public.engrams ADD PRIMARY KEY (id);
CREATE INDEX ON public.engrams USING hnsw (embedding public.vector_cosine_ops);
ALTER TABLE public.orders ADD FOREIGN KEY (client) REFERENCES public.clients (id);
ALTER TABLE public.lines ADD FOREIGN KEY ("order") REFERENCES public.orders (id);
"#;

type Row = fn(u64, &mut String);

/// Each table with its columns, rows of a megabyte of SQL in all, and how they are made.
const ROWS: &[(&str, u64, Row)] = &[
    ("clients (id, mail, since, settings, note)", 850, client),
    ("orders (id, client, at, total, state, ref)", 4_500, order),
    (
        "lines (id, \"order\", article, amount, price)",
        11_300,
        line,
    ),
    ("engrams (id, body, embedding)", 68, engram),
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut megabytes, mut rounds, mut file) = (170, 3, None);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("a value");
        match argument.as_str() {
            "--megabytes" => megabytes = value().parse().expect("a number"),
            "--rounds" => rounds = value().parse().expect("a number"),
            "--file" => file = Some(PathBuf::from(value())),
            _ => {}
        }
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let path = file.unwrap_or_else(|| {
        let path = folder.path().join("dump.sql");
        write_dump(&path, megabytes);
        path
    });
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let mut measured = Measured::default();
    for _ in 0..rounds {
        runtime.block_on(round(&path, &mut measured));
    }
    let restored = median(&mut measured.restored);
    println!("{:<22} {:>8.2} s", "restore", restored.as_secs_f64());
    for (name, times) in [
        ("inspect", &mut measured.inspected),
        ("inspect and digest", &mut measured.digested),
        ("counts", &mut measured.counted),
        ("full", &mut measured.proven),
    ] {
        let time = median(times);
        let share = time.as_secs_f64() / restored.as_secs_f64() * 100.0;
        println!(
            "{name:<22} {:>8.2} s {share:>6.1} % of the restore",
            time.as_secs_f64()
        );
    }
}

#[derive(Default)]
struct Measured {
    inspected: Vec<Duration>,
    digested: Vec<Duration>,
    restored: Vec<Duration>,
    counted: Vec<Duration>,
    proven: Vec<Duration>,
}

/// One restore, and both proofs of it.
async fn round(path: &Path, measured: &mut Measured) {
    let listener: Listener = Arc::new(|_| {});
    let settings = Restore::default();
    let began = Instant::now();
    look(path, false);
    measured.inspected.push(began.elapsed());
    let began = Instant::now();
    let backup = look(path, true);
    measured.digested.push(began.elapsed());
    let run = Work::below(Path::new("/tmp"))
        .and_then(|work| work.begin())
        .expect("a folder");
    let programs = std::env::var("PATH").expect("PATH");
    let wanted = redrill::stage::wanted(&backup, &settings);
    let server = ThrowawayServer::start(&Server::default(), &wanted, &run, &programs)
        .await
        .expect("a server");
    let log = restore(&server, &backup, &settings, &Redactor::default(), &listener)
        .await
        .expect("a restore");
    assert!(log.errors.is_empty(), "{:?}", log.errors);
    measured.restored.push(log.facts.duration);
    for (level, times) in [
        (Level::Counts, &mut measured.counted),
        (Level::Full, &mut measured.proven),
    ] {
        let began = Instant::now();
        let compared = compare(&server, &backup, &settings, level, &listener)
            .await
            .expect("a look at it");
        times.push(began.elapsed());
        assert!(compared.findings.is_empty(), "{:?}", compared.findings);
    }
    server.stop().await.expect("an end");
    run.end().expect("an end");
}

/// What a drill does with the file before anything else.
fn look(path: &Path, digests: bool) -> Backup {
    let found = source::path::find(path, &Rules::default()).expect("a file");
    let inspection = Inspection {
        digests,
        ..Inspection::quiet(Spool::in_folder(path.with_extension("spool")))
    };
    inspect(&found, &inspection).expect("a file that can be read")
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// A dump of about so many megabytes.
fn write_dump(path: &Path, megabytes: u64) {
    let mut file = BufWriter::new(File::create(path).expect("a file"));
    let mut sql = format!("--\n-- PostgreSQL database dump\n--\n\n{TABLES}");
    for (table, rows, row) in ROWS {
        let _ = writeln!(sql, "COPY public.{table} FROM stdin;");
        for number in 0..rows * megabytes / 4 {
            row(number, &mut sql);
            if sql.len() > 1 << 20 {
                file.write_all(sql.as_bytes()).expect("room on disk");
                sql.clear();
            }
        }
        sql.push_str("\\.\n\n");
    }
    sql.push_str(KEYS);
    sql.push_str("--\n-- PostgreSQL database dump complete\n--\n");
    file.write_all(sql.as_bytes()).expect("room on disk");
    file.flush().expect("room on disk");
}

/// Numbers without a pattern.
fn scattered(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A time of 2026, as a server in UTC writes it.
fn time(number: u64) -> String {
    let die = scattered(number);
    format!(
        "2026-{:02}-{:02} {:02}:{:02}:{:02}.{:06}+00",
        die % 12 + 1,
        (die >> 8) % 28 + 1,
        (die >> 16) % 24,
        (die >> 24) % 60,
        (die >> 32) % 60,
        // The server leaves out zeros at the end.
        (die >> 40) % 99_999 * 10 + 1
    )
}

fn client(number: u64, sql: &mut String) {
    let (one, two) = (scattered(number), scattered(number + 1));
    let _ = writeln!(
        sql,
        "{number}\tuser{number}@example.org\t{}\t{{\"tags\": [{}, {}], \"theme\": \"dark\"}}\t{}",
        time(number),
        one % 1000,
        two % 1000,
        format!("{one:016x} {two:016x} ").repeat(6)
    );
}

fn order(number: u64, sql: &mut String) {
    let die = scattered(number);
    let state = ["new", "paid", "sent"][usize::try_from(die % 3).expect("small")];
    let _ = writeln!(
        sql,
        "{number}\t{}\t{}\t{}.{:02}\t{state}\t{:08x}-0000-4000-8000-{number:012x}",
        number / 6,
        time(number),
        die % 10_000,
        (die >> 20) % 100,
        die >> 32
    );
}

fn line(number: u64, sql: &mut String) {
    let die = scattered(number);
    let _ = writeln!(
        sql,
        "{number}\t{}\t{}\t{}\t{}.{:02}",
        number / 3,
        die % 20_000,
        (die >> 20) % 9 + 1,
        (die >> 30) % 1000,
        (die >> 50) % 100
    );
}

fn engram(number: u64, sql: &mut String) {
    let _ = write!(sql, "{number}\t{:064x}\t[", scattered(number));
    for at in 0..256 {
        let comma = if at == 0 { "" } else { "," };
        // Three digits, none of them a zero at the end.
        let value = scattered(number * 256 + at) % 900 / 10 * 10 + 101 + at % 9;
        let _ = write!(sql, "{comma}0.{value}");
    }
    sql.push_str("]\n");
}
