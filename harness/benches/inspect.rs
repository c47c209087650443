//! How much longer it takes to inspect a compressed dump than to decompress it.
//!
//! Ratios on the same data in one run, so that a busy machine changes them little:
//! `cargo bench --bench inspect`. The aim is 1.3 for every kind of rows.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement prints, and stops by panicking"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{BufReader, Read as _, Write as _};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use redrill::backup::format::plain;
use sha2::{Digest as _, Sha256};

/// Uncompressed bytes of every dump.
const SIZE: usize = 96 * 1024 * 1024;

/// The best of these many rounds counts.
const ROUNDS: usize = 5;

type Row = fn(u64, &mut String);

/// Dumps by kind: what stands before the rows, one row, what stands behind them.
const KINDS: &[(&str, &str, Row, &str)] = &[
    (
        "COPY, narrow rows",
        "COPY app.t (a, b) FROM stdin;\n",
        narrow,
        "\\.\n",
    ),
    (
        "COPY, wide rows",
        "COPY app.t (a, b, c) FROM stdin;\n",
        wide,
        "\\.\n",
    ),
    ("INSERT, narrow rows", "", insert_narrow, ""),
    ("INSERT, wide rows", "", insert_wide, ""),
    ("INSERT, 100 rows each", "", insert_many, ""),
    ("INSERT between comments", "", insert_commented, ""),
];

fn main() {
    println!(
        "{:<26} {:>10} {:>9} {:>9} {:>9}",
        "", "decompress", "read", "digest", "ratio"
    );
    for (name, head, row, tail) in KINDS {
        let file = dump(head, *row, tail);
        let mut best = [Duration::MAX; 3];
        for _ in 0..ROUNDS {
            for (time, run) in best.iter_mut().zip([decompress, inspect, digest]) {
                let begun = Instant::now();
                run(&file);
                *time = begun.elapsed().min(*time);
            }
        }
        let [alone, read, digest] = best.map(|time| time.as_secs_f64());
        println!(
            "{name:<26} {:>7.0} ms {:>6.0} ms {:>6.0} ms {:>9.2}",
            alone * 1e3,
            read * 1e3,
            digest * 1e3,
            read / alone,
        );
    }
}

fn decompress(file: &[u8]) {
    let mut members = BufReader::with_capacity(256 * 1024, MultiGzDecoder::new(file));
    let mut buffer = vec![0; 256 * 1024];
    while members.read(&mut buffer).expect("good gzip") > 0 {
        black_box(&buffer);
    }
}

fn inspect(file: &[u8]) {
    let members = BufReader::with_capacity(256 * 1024, MultiGzDecoder::new(file));
    let (contents, ..) = plain::read(members).expect("good gzip");
    assert_eq!(black_box(contents).rows.len(), 1);
}

/// What the digest of the compressed file costs beside it.
fn digest(file: &[u8]) {
    black_box(Sha256::digest(file));
}

/// A compressed dump of about [`SIZE`] bytes.
fn dump(head: &str, row: Row, tail: &str) -> Vec<u8> {
    let mut sql = format!("--\n-- PostgreSQL database dump\n--\n\n{head}");
    let mut number = 0;
    while sql.len() < SIZE {
        row(number, &mut sql);
        number += 1;
    }
    sql.push_str(tail);
    sql.push_str("--\n-- PostgreSQL database dump complete\n--\n");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(sql.as_bytes()).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// Numbers without a pattern that gzip would find.
fn scattered(number: u64) -> u64 {
    let mixed = (number ^ (number >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

fn narrow(number: u64, sql: &mut String) {
    let _ = writeln!(sql, "{number}\t{}", scattered(number) % 1000);
}

fn words(number: u64, sql: &mut String) {
    const WORDS: &[&str] = &[
        "the", "engram", "it's", "of", "naïve", "(a)", "row;", "memory", "$5", "x-y",
    ];
    for at in 0..40 {
        let word = scattered(number * 64 + at);
        let _ = write!(
            sql,
            "{} {:x} ",
            WORDS[(word % 10) as usize].replace('\'', "''"),
            word % 4096
        );
    }
}

fn wide(number: u64, sql: &mut String) {
    let _ = write!(sql, "{number}\t2026-11-21 00:00:00+00\t");
    words(number, sql);
    sql.push('\n');
}

fn insert_narrow(number: u64, sql: &mut String) {
    let _ = writeln!(
        sql,
        "INSERT INTO app.t VALUES ({number}, {});",
        scattered(number) % 1000
    );
}

fn insert_wide(number: u64, sql: &mut String) {
    let _ = write!(
        sql,
        "INSERT INTO app.t VALUES ({number}, '2026-11-21 00:00:00+00', '"
    );
    words(number, sql);
    sql.push_str("');\n");
}

fn insert_many(number: u64, sql: &mut String) {
    sql.push_str("INSERT INTO app.t VALUES\n");
    for at in 0..100 {
        let comma = if at == 99 { ";" } else { "," };
        let _ = writeln!(
            sql,
            "\t({number}, {}, 'row'){comma}",
            scattered(number * 100 + at)
        );
    }
}

fn insert_commented(number: u64, sql: &mut String) {
    let _ = writeln!(
        sql,
        "INSERT INTO app.t (\"id\", \"text\") VALUES ({number}, $s${:x}$s$);",
        scattered(number)
    );
    sql.push_str("-- a line between statements 69f6f3f1\n");
}
