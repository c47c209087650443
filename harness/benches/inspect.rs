//! How much longer it takes to inspect a compressed dump than to decompress it.
//!
//! Ratios on the same file in one run, so that a busy machine changes them little:
//! `cargo bench --bench inspect`. The aim is 1.3 for every kind of rows, on two cores.
//!
//! - `cargo bench --bench inspect -- insert`: only the kinds whose name holds a word
//! - `cargo bench --bench inspect -- --megabytes 800 --rounds 3`: larger dumps, of so much SQL
//! - `cargo bench --bench inspect -- --file DUMP`: any file, with the memory that it takes
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::allow_attributes,
    reason = "a measurement prints, and stops by panicking"
)]

use std::fmt::Write as _;
use std::fs::File;
use std::hint::black_box;
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use redrill::backup::Backup;
use redrill::backup::inspect::{Inspection, inspect};
use redrill::backup::source::{self, Rules};
use redrill::backup::spool::Spool;

/// Bytes that are read at once, by both sides.
const CHUNK: usize = 256 * 1024;

type Row = fn(u64, &mut String);

/// Dumps by kind: what stands before the rows, rows, what stands behind them.
const KINDS: &[(&str, &str, Row, &str)] = &[
    ("copy narrow", COPY_NARROW, copy_narrow, "\\.\n"),
    ("copy wide", COPY_WIDE, copy_wide, "\\.\n"),
    ("insert narrow", "", insert_narrow, ""),
    ("insert wide", "", insert_wide, ""),
    ("insert 100 rows each", "", insert_many, ""),
    ("insert between comments", "", insert_commented, ""),
    ("insert into 50 tables in turn", "", insert_in_turn, ""),
    ("statements of other kinds", "", others, COPY_ONE),
    (
        "copy of one row repeated",
        COPY_NARROW,
        repeated_copy,
        "\\.\n",
    ),
    ("insert of one row repeated", "", repeated_insert, ""),
];

const COPY_NARROW: &str = "COPY shop.line (id, article, amount, price) FROM stdin;\n";
const COPY_WIDE: &str = "COPY shop.client (id, uuid, mail, since, settings, note) FROM stdin;\n";
const COPY_ONE: &str = "COPY shop.one (id) FROM stdin;\n1\n\\.\n";

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut megabytes, mut rounds, mut word, mut file) = (128, 5, String::new(), None);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("a value");
        match argument.as_str() {
            // cargo says this itself.
            "--bench" => {}
            "--megabytes" => megabytes = value().parse().expect("a number"),
            "--rounds" => rounds = value().parse().expect("a number"),
            "--file" => file = Some(PathBuf::from(value())),
            _ => word = argument,
        }
    }
    println!(
        "{:<30} {:>9} {:>9} {:>10} {:>9} {:>7} {:>7}",
        "", "SQL", "gzip", "decompress", "inspect", "least", "median"
    );
    if let Some(path) = file {
        compare("the file", &path, rounds);
        println!("{} at most in memory", most_memory());
        return;
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let path = folder.path().join("dump.sql.gz");
    for (name, head, row, tail) in KINDS.iter().filter(|(name, ..)| name.contains(&word)) {
        write_dump(&path, head, *row, tail, megabytes << 20);
        compare(name, &path, rounds);
    }
}

/// Does both in turn, and prints how long the best rounds took, and the ratios.
fn compare(name: &str, path: &Path, rounds: usize) {
    let (mut alone, mut inspected) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    for _ in 0..rounds {
        let begun = Instant::now();
        bytes = decompress(path);
        alone.push(begun.elapsed());
        let begun = Instant::now();
        let backup = look(path);
        inspected.push(begun.elapsed());
        assert_eq!(backup.unpacked_bytes, Some(bytes), "{:?}", backup.problems);
        assert!(backup.parts[0].contents.holds_data());
    }
    alone.sort();
    inspected.sort();
    let ratio = |at: usize| inspected[at].as_secs_f64() / alone[at].as_secs_f64();
    let milliseconds = |times: &[Duration]| times[0].as_secs_f64() * 1e3;
    println!(
        "{name:<30} {:>6} MB {:>6} MB {:>7.0} ms {:>6.0} ms {:>7.2} {:>7.2}",
        bytes / 1_000_000,
        path.metadata().expect("a file").len() / 1_000_000,
        milliseconds(&alone),
        milliseconds(&inspected),
        ratio(0),
        ratio(rounds / 2),
    );
}

/// Decompresses to nowhere; gives the bytes that there were.
fn decompress(path: &Path) -> u64 {
    let file = BufReader::with_capacity(CHUNK, File::open(path).expect("a file"));
    let mut members = MultiGzDecoder::new(file);
    let (mut buffer, mut bytes) = (vec![0; CHUNK], 0);
    loop {
        match members.read(&mut buffer).expect("good gzip") {
            0 => return bytes,
            read => bytes += read as u64,
        }
        black_box(&buffer);
    }
}

/// What a drill does with the file before anything else.
fn look(path: &Path) -> Backup {
    let found = source::path::find(path, &Rules::default()).expect("a file");
    let spool = Spool::in_folder(path.with_extension("spool"));
    inspect(&found, &Inspection::quiet(spool)).expect("a file that can be read")
}

/// The most memory that this process ever took.
fn most_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.expect("VmHWM")["VmHWM:".len()..].trim().to_owned()
}

/// A compressed dump of about `size` bytes.
fn write_dump(path: &Path, head: &str, row: Row, tail: &str, size: u64) {
    let file = BufWriter::new(File::create(path).expect("a file"));
    let mut encoder = GzEncoder::new(file, Compression::default());
    let mut sql = format!("--\n-- PostgreSQL database dump\n--\n\n{head}");
    let (mut number, mut written) = (0, 0);
    while written < size {
        row(number, &mut sql);
        number += 1;
        if sql.len() > CHUNK {
            encoder.write_all(sql.as_bytes()).expect("room on disk");
            written += sql.len() as u64;
            sql.clear();
        }
    }
    sql.push_str(tail);
    sql.push_str("--\n-- PostgreSQL database dump complete\n--\n");
    encoder.write_all(sql.as_bytes()).expect("room on disk");
    let file = encoder.finish().expect("room on disk");
    file.into_inner().expect("room on disk");
}

/// Numbers without a pattern that gzip would find.
fn scattered(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The columns of a wide row: what stands in tables of applications.
struct Client {
    uuid: String,
    mail: String,
    since: String,
    settings: String,
    note: String,
}

impl Client {
    fn new(number: u64) -> Self {
        const NAMES: &[&str] = &[
            "ada", "grace", "edsger", "barbara", "donald", "niklaus", "tony",
        ];
        const LANGUAGES: &[&str] = &["en", "de", "cs", "fr"];
        const WORDS: &[&str] = &[
            "the", "order", "it''s", "of", "naïve", "(a)", "row;", "memory", "$5", "x-y", "and",
            "came", "back", "twice", "before", "anyone", "asked", "--",
        ];
        let die = |at: u64| scattered(number * 32 + at);
        let pick = |at: u64, list: &[&'static str]| list[(die(at) % list.len() as u64) as usize];
        let (high, low) = (die(0), die(1));
        let mut note = String::new();
        for at in 0..12 {
            let _ = write!(note, "{} ", pick(16 + at, WORDS));
        }
        Self {
            uuid: format!(
                "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
                high >> 32,
                high & 0xffff,
                (high >> 16) & 0xfff,
                low >> 52,
                low & 0xffff_ffff_ffff
            ),
            mail: format!("{}.{}@example.org", pick(2, NAMES), die(3) % 1_000_000),
            since: format!(
                "2026-{:02}-{:02} {:02}:{:02}:{:02}.{:06}+00",
                die(4) % 12 + 1,
                die(5) % 28 + 1,
                die(6) % 24,
                die(7) % 60,
                die(8) % 60,
                die(9) % 1_000_000
            ),
            settings: format!(
                "{{\"theme\": \"{}\", \"language\": \"{}\", \"score\": {}.{:02}, \"tags\": [{}, {}]}}",
                pick(10, &["dark", "light"]),
                pick(11, LANGUAGES),
                die(12) % 100,
                die(13) % 100,
                die(14) % 1000,
                die(15) % 1000
            ),
            note,
        }
    }
}

fn copy_narrow(number: u64, sql: &mut String) {
    let die = scattered(number);
    let (article, amount, price) = (die % 20_000, (die >> 20) % 9 + 1, (die >> 30) % 100_000);
    let _ = writeln!(sql, "{number}\t{article}\t{amount}\t{price}");
}

fn copy_wide(number: u64, sql: &mut String) {
    let row = Client::new(number);
    let _ = writeln!(
        sql,
        "{number}\t{}\t{}\t{}\t{}\t{}",
        row.uuid, row.mail, row.since, row.settings, row.note
    );
}

fn insert_narrow(number: u64, sql: &mut String) {
    let die = scattered(number);
    let (article, amount, price) = (die % 20_000, (die >> 20) % 9 + 1, (die >> 30) % 100_000);
    let _ = writeln!(
        sql,
        "INSERT INTO shop.line VALUES ({number}, {article}, {amount}, {price});"
    );
}

fn insert_wide(number: u64, sql: &mut String) {
    let row = Client::new(number);
    let _ = writeln!(
        sql,
        "INSERT INTO shop.client VALUES ({number}, '{}', '{}', '{}', '{}', '{}');",
        row.uuid, row.mail, row.since, row.settings, row.note
    );
}

fn insert_many(number: u64, sql: &mut String) {
    sql.push_str("INSERT INTO shop.client VALUES\n");
    for at in 0..100 {
        let row = Client::new(number * 100 + at);
        let _ = writeln!(
            sql,
            "\t({number}, '{}', '{}', '{}', '{}', '{}'){}",
            row.uuid,
            row.mail,
            row.since,
            row.settings,
            row.note,
            if at == 99 { ';' } else { ',' }
        );
    }
}

fn insert_commented(number: u64, sql: &mut String) {
    let row = Client::new(number);
    let _ = writeln!(
        sql,
        "INSERT INTO \"client\" (\"id\", \"mail\", \"note\") VALUES ({number}, $s${}$s$, $s${}$s$) ON CONFLICT DO NOTHING;",
        row.mail, row.uuid
    );
    sql.push_str("--> statement-breakpoint\n");
}

fn insert_in_turn(number: u64, sql: &mut String) {
    let die = scattered(number);
    let _ = writeln!(
        sql,
        "INSERT INTO shop.line_{} VALUES ({number}, {}, {});",
        die % 50,
        (die >> 10) % 20_000,
        (die >> 30) % 100_000
    );
}

/// What a dump of large objects or of many settings holds.
fn others(number: u64, sql: &mut String) {
    let die = scattered(number);
    let _ = match number % 3 {
        0 => writeln!(
            sql,
            "SELECT pg_catalog.lowrite(0, '\\x{die:016x}{:016x}');",
            scattered(die)
        ),
        1 => writeln!(
            sql,
            "GRANT SELECT ON TABLE shop.line_{} TO reader;",
            die % 1000
        ),
        _ => writeln!(
            sql,
            "SELECT pg_catalog.setval('shop.line_{}_id_seq', {die}, true);",
            die % 1000
        ),
    };
}

fn repeated_copy(_: u64, sql: &mut String) {
    sql.push_str("1\t1\t1\t100\n");
}

fn repeated_insert(_: u64, sql: &mut String) {
    sql.push_str("INSERT INTO shop.line VALUES (1, 1, 1, 100);\n");
}
