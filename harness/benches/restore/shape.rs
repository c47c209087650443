//! Data made by a generator with a seed: the same dump every time.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

/// What the data looks like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Partitioned rows with a GIN index, accounts, vectors with HNSW: one of each.
    Mixed,
    /// Partitioned rows with a GIN index.
    Audit,
    /// Wide jsonb.
    Wide,
    /// Vectors with HNSW.
    Vectors,
    /// 2 000 tables with 500 rows each.
    Many,
    /// One table with four indexes.
    Giant,
    /// 10 000 tables without a row.
    Empty,
}

impl Shape {
    pub const ALL: [Self; 7] = [
        Self::Mixed,
        Self::Audit,
        Self::Wide,
        Self::Vectors,
        Self::Many,
        Self::Giant,
        Self::Empty,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Mixed => "mixed",
            Self::Audit => "audit",
            Self::Wide => "wide",
            Self::Vectors => "vectors",
            Self::Many => "many",
            Self::Giant => "giant",
            Self::Empty => "empty",
        }
    }
}

/// How much was written.
#[derive(Default)]
pub struct Written {
    pub rows: u64,
    pub bytes: u64,
}

impl std::fmt::Display for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.rows.fmt(f)
    }
}

/// A dump that is being written, compressed.
struct Dump {
    file: GzEncoder<BufWriter<File>>,
    written: Written,
    /// Statements that come after all rows.
    after: String,
    scale: f64,
}

/// Writes the dump of a shape, with this part of its rows.
pub fn write(shape: Shape, scale: f64, path: &Path) -> Written {
    let file = BufWriter::new(File::create(path).expect("a file"));
    let mut dump = Dump {
        file: GzEncoder::new(file, Compression::new(6)),
        written: Written::default(),
        after: String::new(),
        scale,
    };
    dump.sql(HEAD);
    match shape {
        Shape::Mixed => {
            dump.audit(3_000_000);
            dump.accounts(400_000);
            dump.vectors(60_000);
        }
        Shape::Audit => dump.audit(3_000_000),
        Shape::Wide => dump.wide(300_000),
        Shape::Vectors => dump.vectors(60_000),
        Shape::Many => dump.tables(2_000, 500),
        Shape::Giant => dump.accounts(6_000_000),
        Shape::Empty => dump.tables(10_000, 0),
    }
    let after = std::mem::take(&mut dump.after);
    dump.sql(&after);
    dump.sql("--\n-- PostgreSQL database dump complete\n--\n");
    let file = dump.file.finish().and_then(|file| Ok(file.into_inner()?));
    file.and_then(|file| file.sync_all()).expect("room on disk");
    dump.written
}

const HEAD: &str = "--
-- PostgreSQL database dump
--

-- Dumped from database version 17.6
-- Dumped by pg_dump version 17.6

SET statement_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET client_min_messages = warning;
SET row_security = off;

CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;
CREATE TABLE public.marker (id integer);
COPY public.marker (id) FROM stdin;
1
\\.

";

impl Dump {
    fn sql(&mut self, text: &str) {
        self.file.write_all(text.as_bytes()).expect("room on disk");
        self.written.bytes += text.len() as u64;
    }

    /// Writes a COPY with so many rows, scaled.
    fn copy(&mut self, table: &str, from: u64, rows: u64, row: fn(u64, &mut Vec<u8>)) {
        self.sql(&format!("COPY {table} FROM stdin;\n"));
        let mut text = Vec::with_capacity(1 << 17);
        for number in from..from + rows {
            row(number, &mut text);
            if text.len() > 1 << 16 {
                self.rows(&mut text).expect("room on disk");
            }
        }
        self.rows(&mut text).expect("room on disk");
        self.sql("\\.\n\n");
        self.written.rows += rows;
    }

    fn rows(&mut self, text: &mut Vec<u8>) -> io::Result<()> {
        self.written.bytes += text.len() as u64;
        self.file.write_all(text)?;
        text.clear();
        Ok(())
    }

    fn scaled(&self, rows: u64) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "numbers of rows that a person chooses"
        )]
        let scaled = (rows as f64 * self.scale) as u64;
        scaled.max(u64::from(rows > 0))
    }

    /// A log by months: jsonb with a GIN index, two B-trees.
    fn audit(&mut self, rows: u64) {
        const MONTHS: u64 = 12;
        let columns = "id bigint NOT NULL, at timestamp with time zone NOT NULL, actor bigint, action text, detail jsonb";
        self.sql(&format!(
            "CREATE TABLE public.audit ({columns}) PARTITION BY RANGE (at);\n"
        ));
        for month in 1..=MONTHS {
            let to = match month {
                MONTHS => "2027-01-01".to_owned(),
                month => format!("2026-{:02}-01", month + 1),
            };
            self.sql(&format!(
                "CREATE TABLE public.audit_{month:02} ({columns});\n\
                 ALTER TABLE ONLY public.audit ATTACH PARTITION public.audit_{month:02} FOR VALUES FROM ('2026-{month:02}-01 00:00:00+00') TO ('{to} 00:00:00+00');\n"
            ));
        }
        let each = self.scaled(rows / MONTHS);
        for month in 1..=MONTHS {
            let table = format!("public.audit_{month:02} (id, at, actor, action, detail)");
            self.copy(&table, month * 100_000_000, each, audit);
        }
        let mut attached = String::new();
        self.after.push_str(
            "ALTER TABLE ONLY public.audit ADD CONSTRAINT audit_pkey PRIMARY KEY (id, at);\n",
        );
        let parents = "CREATE INDEX audit_actor ON ONLY public.audit USING btree (actor, at);\n\
                       CREATE INDEX audit_detail ON ONLY public.audit USING gin (detail jsonb_path_ops);\n";
        for month in 1..=MONTHS {
            let table = format!("public.audit_{month:02}");
            self.after.push_str(&format!(
                "ALTER TABLE ONLY {table} ADD CONSTRAINT audit_{month:02}_pkey PRIMARY KEY (id, at);\n"
            ));
            attached.push_str(&format!(
                "ALTER INDEX public.audit_pkey ATTACH PARTITION public.audit_{month:02}_pkey;\n"
            ));
        }
        self.after.push_str(parents);
        for month in 1..=MONTHS {
            let table = format!("public.audit_{month:02}");
            for (index, how) in [
                ("actor", "btree (actor, at)"),
                ("detail", "gin (detail jsonb_path_ops)"),
            ] {
                self.after.push_str(&format!(
                    "CREATE INDEX audit_{month:02}_{index} ON {table} USING {how};\n"
                ));
                attached.push_str(&format!(
                    "ALTER INDEX public.audit_{index} ATTACH PARTITION public.audit_{month:02}_{index};\n"
                ));
            }
        }
        self.after.push_str(&attached);
    }

    fn accounts(&mut self, rows: u64) {
        self.sql("CREATE TABLE public.accounts (id bigint NOT NULL, mail text NOT NULL, since timestamp with time zone, state text, balance numeric(12,2), note text);\n");
        let rows = self.scaled(rows);
        let table = "public.accounts (id, mail, since, state, balance, note)";
        self.copy(table, 0, rows, account);
        self.after.push_str(
            "ALTER TABLE ONLY public.accounts ADD CONSTRAINT accounts_pkey PRIMARY KEY (id);\n\
             ALTER TABLE ONLY public.accounts ADD CONSTRAINT accounts_mail_key UNIQUE (mail);\n\
             CREATE INDEX accounts_since ON public.accounts USING btree (since);\n\
             CREATE INDEX accounts_state ON public.accounts USING btree (state, since);\n",
        );
    }

    fn wide(&mut self, rows: u64) {
        self.sql("CREATE TABLE public.documents (id bigint NOT NULL, body jsonb NOT NULL);\n");
        let rows = self.scaled(rows);
        self.copy("public.documents (id, body)", 0, rows, document);
        self.after.push_str(
            "ALTER TABLE ONLY public.documents ADD CONSTRAINT documents_pkey PRIMARY KEY (id);\n\
             CREATE INDEX documents_kind ON public.documents USING btree (((body ->> 'kind'::text)));\n",
        );
    }

    fn vectors(&mut self, rows: u64) {
        self.sql("CREATE TABLE public.engrams (id bigint NOT NULL, body text, embedding public.vector(384));\n");
        let rows = self.scaled(rows);
        self.copy("public.engrams (id, body, embedding)", 0, rows, engram);
        self.after.push_str(
            "ALTER TABLE ONLY public.engrams ADD CONSTRAINT engrams_pkey PRIMARY KEY (id);\n\
             CREATE INDEX engrams_embedding ON public.engrams USING hnsw (embedding public.vector_cosine_ops);\n",
        );
    }

    fn tables(&mut self, tables: u64, rows: u64) {
        let tables = self.scaled(tables);
        for number in 0..tables {
            self.sql(&format!(
                "CREATE TABLE public.t{number} (id bigint NOT NULL, mail text NOT NULL, since timestamp with time zone, state text, balance numeric(12,2), note text);\n"
            ));
        }
        for number in 0..tables {
            let table = format!("public.t{number} (id, mail, since, state, balance, note)");
            self.copy(&table, number * rows, rows, account);
        }
        for number in 0..tables {
            self.after.push_str(&format!(
                "ALTER TABLE ONLY public.t{number} ADD CONSTRAINT t{number}_pkey PRIMARY KEY (id);\n\
                 CREATE INDEX t{number}_since ON public.t{number} USING btree (since);\n"
            ));
        }
    }
}

/// Numbers without a pattern.
fn scattered(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Day and time within a month, as a server in UTC writes it.
fn day_and_time(die: u64) -> String {
    format!(
        "{:02} {:02}:{:02}:{:02}.{:06}+00",
        (die >> 8) % 28 + 1,
        (die >> 16) % 24,
        (die >> 24) % 60,
        (die >> 32) % 60,
        // The server leaves out zeros at the end.
        (die >> 40) % 99_999 * 10 + 1
    )
}

fn audit(number: u64, row: &mut Vec<u8>) {
    const ACTIONS: [&str; 5] = ["login", "read", "write", "export", "delete"];
    let die = scattered(number);
    let month = number / 100_000_000;
    let action = ACTIONS[usize::try_from(die % 5).expect("small")];
    let _ = writeln!(
        row,
        "{number}\t2026-{month:02}-{}\t{}\t{action}\t{{\"ip\": \"10.{}.{}.{}\", \"tags\": [\"t{}\", \"t{}\"], \"session\": \"{die:016x}\"}}",
        day_and_time(die),
        die % 50_000,
        (die >> 3) % 256,
        (die >> 11) % 256,
        (die >> 19) % 256,
        (die >> 5) % 400,
        (die >> 15) % 400,
    );
}

fn account(number: u64, row: &mut Vec<u8>) {
    let die = scattered(number);
    let state = ["new", "active", "closed"][usize::try_from(die % 3).expect("small")];
    let _ = writeln!(
        row,
        "{number}\tuser{number}@example.org\t2026-{:02}-{}\t{state}\t{}.{:02}\t{die:016x} {:016x}",
        die % 12 + 1,
        day_and_time(die),
        die % 100_000,
        (die >> 20) % 100,
        scattered(die),
    );
}

fn document(number: u64, row: &mut Vec<u8>) {
    let die = scattered(number);
    let _ = write!(row, "{number}\t{{\"kind\": \"k{}\", \"parts\": [", die % 40);
    for part in 0..12 {
        let comma = if part == 0 { "" } else { ", " };
        let word = scattered(die + part);
        let _ = write!(
            row,
            "{comma}{{\"id\": {}, \"text\": \"{word:016x} {:016x}\"}}",
            word % 1_000_000,
            scattered(word)
        );
    }
    row.extend_from_slice(b"]}\n");
}

fn engram(number: u64, row: &mut Vec<u8>) {
    let _ = write!(row, "{number}\t{:064x}\t[", scattered(number));
    for at in 0..384 {
        let comma = if at == 0 { "" } else { "," };
        // Three digits, none of them a zero at the end.
        let value = scattered(number * 384 + at) % 900 / 10 * 10 + 101 + at % 9;
        let _ = write!(row, "{comma}0.{value}");
    }
    row.extend_from_slice(b"]\n");
}
