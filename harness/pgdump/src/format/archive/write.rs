//! Writes small archives for tests, as pg_dump writes them: every version, compression and kind.

use std::collections::BTreeMap;
use std::io::Write as _;

use ::tar::{Builder, Header};
use flate2::write::{GzEncoder, ZlibEncoder};
use lz4_flex::frame::FrameEncoder;

use super::Archive;
use crate::layout::{Compression, Kind};

/// The files of a directory archive.
pub(super) type Folder = BTreeMap<String, Vec<u8>>;

/// What an archive holds.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub minor: u8,
    pub compression: Compression,
    /// Whether rows are INSERT statements.
    pub inserts: bool,
    /// Whether the places of data were written into the table of contents.
    pub seekable: bool,
    /// Rows of the tables `app.t0`, `app.t1`, …
    pub tables: Vec<Vec<String>>,
    pub large_objects: Vec<Vec<u8>>,
}

impl Default for Sample {
    fn default() -> Self {
        let row = |number| format!("{number}\tsome text of row {number}");
        Self {
            minor: 16,
            compression: Compression::Gzip,
            inserts: false,
            seekable: true,
            tables: vec![(0..30).map(row).collect(), Vec::new(), vec!["1".to_owned()]],
            large_objects: vec![b"hello".to_vec(), Vec::new()],
        }
    }
}

/// One entry, as far as the samples differ.
struct Entry {
    id: usize,
    tag: String,
    kind: &'static str,
    definition: Option<String>,
    copy: Option<String>,
    namespace: Option<&'static str>,
    data: bool,
}

const OWNER: &str = "app_owner";
const FIRST_DATA: usize = 100;
const BLOBS: usize = 900;
const FIRST_CONSTRAINT: usize = 1000;
const FIRST_OID: usize = 4711;

impl Sample {
    /// A custom archive, and the byte at which its data begins.
    pub fn custom(&self) -> (Vec<u8>, usize) {
        let places = BTreeMap::new();
        let head = self.contents(Kind::Custom, &places).len();
        let (mut data, mut places) = (Vec::new(), BTreeMap::new());
        for table in 0..self.tables.len() {
            places.insert(FIRST_DATA + table, head + data.len());
            data.push(1);
            int(&mut data, FIRST_DATA + table);
            self.chunks(&mut data, &self.rows(table));
        }
        if !self.large_objects.is_empty() {
            places.insert(BLOBS, head + data.len());
            data.push(3);
            int(&mut data, BLOBS);
            for (number, object) in self.large_objects.iter().enumerate() {
                int(&mut data, FIRST_OID + number);
                self.chunks(&mut data, object);
            }
            int(&mut data, 0);
        }
        let mut archive = self.contents(Kind::Custom, &places);
        archive.extend(data);
        (archive, head)
    }

    pub fn directory(&self) -> Folder {
        let mut files = BTreeMap::new();
        let suffix = match self.compression {
            Compression::None => "",
            Compression::Gzip => ".gz",
            Compression::Lz4 => ".lz4",
            Compression::Zstd => ".zst",
        };
        for (name, bytes) in self.files() {
            let (name, bytes) = if name.ends_with(".dat") {
                (name + suffix, compress(&bytes, self.compression, false))
            } else {
                (name, bytes)
            };
            files.insert(name, bytes);
        }
        let contents = self.contents(Kind::Directory, &BTreeMap::new());
        files.insert("toc.dat".to_owned(), contents);
        files
    }

    pub fn tar(&self) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        let mut add = |name: &str, bytes: &[u8]| {
            let mut header = Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o600);
            builder.append_data(&mut header, name, bytes).unwrap();
        };
        add("toc.dat", &self.contents(Kind::Tar, &BTreeMap::new()));
        for (name, bytes) in self.files() {
            add(&name, &bytes);
        }
        add("restore.sql", b"-- for people");
        builder.into_inner().unwrap()
    }

    /// The files that hold data, uncompressed.
    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        for table in 0..self.tables.len() {
            files.push((format!("{}.dat", FIRST_DATA + table), self.rows(table)));
        }
        let mut list = String::new();
        for (number, object) in self.large_objects.iter().enumerate() {
            let oid = FIRST_OID + number;
            list += &format!("{oid} blob_{oid}.dat\n");
            files.push((format!("blob_{oid}.dat"), object.clone()));
        }
        if !list.is_empty() {
            files.push((self.list(), list.into_bytes()));
        }
        files
    }

    /// The list of large objects.
    pub fn list(&self) -> String {
        if self.minor < 16 {
            "blobs.toc".to_owned()
        } else {
            format!("blobs_{BLOBS}.toc")
        }
    }

    fn rows(&self, table: usize) -> Vec<u8> {
        let rows = self.tables[table].iter();
        let text: String = if self.inserts {
            let quoted = |row: &String| row.replace('\'', "''");
            rows.map(|row| format!("INSERT INTO app.t{table} VALUES ('{}');\n", quoted(row)))
                .collect()
        } else {
            rows.map(|row| format!("{row}\n")).collect::<String>() + "\\.\n"
        };
        (text + "\n\n").into_bytes()
    }

    fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut add = |id: usize, kind, tag: &str, definition: Option<String>| {
            entries.push(Entry {
                id,
                tag: tag.to_owned(),
                kind,
                definition,
                copy: None,
                namespace: None,
                data: false,
            });
        };
        let sql = |text: &str| Some(text.to_owned());
        add(
            1,
            "ENCODING",
            "ENCODING",
            sql("SET client_encoding = 'UTF8';\n"),
        );
        add(
            2,
            "STDSTRINGS",
            "STDSTRINGS",
            sql("SET standard_conforming_strings = 'on';\n"),
        );
        add(
            3,
            "DATABASE",
            "shop",
            sql("CREATE DATABASE shop ENCODING = 'UTF8';\n"),
        );
        add(
            4,
            "EXTENSION",
            "vector",
            sql("CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;\n"),
        );
        for table in 0..self.tables.len() {
            let definition = format!("CREATE TABLE app.t{table} (\n    v text\n);\n");
            add(10 + table, "TABLE", &format!("t{table}"), Some(definition));
        }
        add(
            50,
            "ACL",
            "TABLE t0",
            sql("GRANT SELECT ON TABLE app.t0 TO reader;\n"),
        );
        if self.minor >= 16 && !self.large_objects.is_empty() {
            let oids = FIRST_OID..FIRST_OID + self.large_objects.len();
            let definition = oids.clone().map(|oid| format!("{oid}\n")).collect();
            add(
                60,
                "BLOB METADATA",
                &format!("{FIRST_OID}..{}", oids.end - 1),
                Some(definition),
            );
        } else {
            for oid in FIRST_OID..FIRST_OID + self.large_objects.len() {
                let definition = format!("SELECT pg_catalog.lo_create('{oid}');\n");
                add(60 + oid, "BLOB", &oid.to_string(), Some(definition));
            }
        }
        for table in 0..self.tables.len() {
            let copy = format!("COPY app.t{table} (v) FROM stdin;\n");
            entries.push(Entry {
                id: FIRST_DATA + table,
                tag: format!("t{table}"),
                kind: "TABLE DATA",
                definition: None,
                copy: (!self.inserts).then_some(copy),
                namespace: Some("app"),
                data: true,
            });
        }
        if !self.large_objects.is_empty() {
            entries.push(Entry {
                id: BLOBS,
                tag: "BLOBS".to_owned(),
                kind: "BLOBS",
                definition: None,
                copy: None,
                namespace: None,
                data: true,
            });
        }
        for table in 0..self.tables.len() {
            entries.push(Entry {
                id: FIRST_CONSTRAINT + table,
                tag: format!("t{table} t{table}_v_key"),
                kind: "CONSTRAINT",
                definition: Some(format!(
                    "ALTER TABLE ONLY app.t{table}\n    ADD CONSTRAINT t{table}_v_key UNIQUE (v);\n"
                )),
                copy: None,
                namespace: Some("app"),
                data: false,
            });
        }
        entries
    }

    /// Head and table of contents.
    fn contents(&self, kind: Kind, places: &BTreeMap<usize, usize>) -> Vec<u8> {
        let mut out = b"PGDMP".to_vec();
        let format = if kind == Kind::Custom { 1 } else { 3 };
        out.extend([1, self.minor, 0, 4, 8, format]);
        let compression = match kind {
            Kind::Tar => Compression::None,
            Kind::Custom | Kind::Directory => self.compression,
        };
        match (self.minor >= 15, compression) {
            (true, compression) => out.push(compression as u8),
            (false, Compression::None) => int(&mut out, 0),
            // -1: the default level.
            (false, _) => out.extend([1, 1, 0, 0, 0]),
        }
        for part in [56, 52, 11, 21, 10, 126, 0] {
            int(&mut out, part);
        }
        for part in ["shop", "17.6", "17.6"] {
            text(&mut out, Some(part));
        }
        let entries = self.entries();
        int(&mut out, entries.len());
        for entry in entries {
            int(&mut out, entry.id);
            int(&mut out, usize::from(entry.data));
            for part in ["0", "0", &entry.tag, entry.kind] {
                text(&mut out, Some(part));
            }
            int(&mut out, 3);
            text(&mut out, entry.definition.as_deref());
            text(
                &mut out,
                (entry.kind == "TABLE").then_some("DROP TABLE app.t;"),
            );
            text(&mut out, entry.copy.as_deref());
            text(&mut out, entry.namespace);
            text(&mut out, None);
            if self.minor >= 14 {
                text(&mut out, None);
            }
            if self.minor >= 16 {
                int(&mut out, 0);
            }
            text(&mut out, Some(OWNER));
            text(&mut out, Some("false"));
            text(&mut out, Some("1"));
            text(&mut out, None);
            match kind {
                Kind::Custom => {
                    let place = places.get(&entry.id).filter(|_| self.seekable);
                    out.push(match (entry.data, place) {
                        (false, _) => 3,
                        (true, None) => 1,
                        (true, Some(_)) => 2,
                    });
                    out.extend(place.map_or([0; 8], |at| at.to_le_bytes()));
                }
                Kind::Directory | Kind::Tar => {
                    let file = match (entry.data, entry.kind) {
                        (false, _) => String::new(),
                        (true, "BLOBS") if kind == Kind::Directory => self.list(),
                        (true, _) => format!("{}.dat", entry.id),
                    };
                    text(&mut out, Some(&file));
                }
            }
        }
        out
    }

    /// One stream of a custom archive, in small chunks.
    fn chunks(&self, out: &mut Vec<u8>, bytes: &[u8]) {
        for chunk in compress(bytes, self.compression, true).chunks(40) {
            int(out, chunk.len());
            out.extend(chunk);
        }
        int(out, 0);
    }
}

/// Demands what the tables of [`Sample::default`] hold, and silence.
pub(super) fn assert_default(archive: &Archive) {
    let problems = &archive.problems;
    assert_eq!((&problems.problems, &problems.warnings), (&vec![], &vec![]));
    let rows = archive.contents.rows.values();
    let counts: Vec<u64> = rows.map(|rows| rows.count).collect();
    assert_eq!(counts, [30, 0, 1]);
    assert_eq!(archive.contents.large_objects, 2);
}

fn int(out: &mut Vec<u8>, value: usize) {
    out.push(0);
    out.extend(u32::try_from(value).unwrap().to_le_bytes());
}

fn text(out: &mut Vec<u8>, value: Option<&str>) {
    match value {
        None => out.extend([1, 1, 0, 0, 0]),
        Some(value) => {
            int(out, value.len());
            out.extend(value.as_bytes());
        }
    }
}

/// Compresses a stream; gzip is zlib within a custom archive.
pub(super) fn compress(bytes: &[u8], compression: Compression, custom: bool) -> Vec<u8> {
    let level = flate2::Compression::default();
    match compression {
        Compression::None => bytes.to_vec(),
        Compression::Gzip if custom => {
            let mut encoder = ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        // Of nothing pg_dump writes an empty file.
        Compression::Lz4 | Compression::Zstd if bytes.is_empty() && !custom => Vec::new(),
        Compression::Lz4 => {
            let mut encoder = FrameEncoder::new(Vec::new());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Zstd => zstd::encode_all(bytes, 3).unwrap(),
    }
}
