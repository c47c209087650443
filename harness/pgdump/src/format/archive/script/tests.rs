use super::super::write::Sample;
use super::*;
use crate::layout::Compression;
use proptest::prelude::*;
use rstest::rstest;

#[derive(Default)]
struct Script {
    text: Vec<u8>,
    entries: Vec<String>,
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output for Script {
    fn entry(&mut self, entry: &Entry) {
        self.entries.push(entry.name());
    }
}

fn of_custom(sample: &Sample) -> Script {
    let mut script = Script::default();
    custom(sample.custom().0.as_slice(), "drilled", &mut script).unwrap();
    script
}

#[test]
fn an_archive_is_what_pg_restore_prints_of_it() {
    let sample = Sample {
        tables: vec![vec!["1\ta".to_owned(), "2\tb".to_owned()]],
        large_objects: vec![b"hi".to_vec(), Vec::new()],
        ..Sample::default()
    };
    let script = of_custom(&sample);
    let text = String::from_utf8(script.text).unwrap();
    let statements: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    let expected = [
        "SET client_encoding = 'UTF8';",
        "SET standard_conforming_strings = on;",
        "SELECT pg_catalog.set_config('search_path', '', false);",
        "SET check_function_bodies = false;",
        "SET xmloption = content;",
        "SET client_min_messages = warning;",
        "SET row_security = off;",
    ];
    assert_eq!(statements[..expected.len()], expected);
    // Neither the database nor what is of it; rights after everything else.
    assert!(!text.contains("DATABASE"), "{text}");
    let at = |part: &str| {
        text.find(part)
            .unwrap_or_else(|| panic!("no {part}: {text}"))
    };
    let order = [
        "CREATE EXTENSION",
        "CREATE TABLE app.t0",
        "ALTER TABLE t0 OWNER TO app_owner;",
        "COPY app.t0",
        "\n1\ta\n2\tb\n\\.\n\n\n",
        "BEGIN;",
        "SELECT pg_catalog.lo_open('4711', 131072);\nSELECT pg_catalog.lowrite(0, '\\x6869');\nSELECT pg_catalog.lo_close(0);",
        "SELECT pg_catalog.lo_open('4712', 131072);\nSELECT pg_catalog.lo_close(0);",
        "COMMIT;",
        "UNIQUE (v)",
        "GRANT",
    ];
    let places: Vec<usize> = order.into_iter().map(at).collect();
    assert!(places.is_sorted(), "{places:?}: {text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn all_three_kinds_of_archives_are_the_same_script(
        minor in 12_u8..=16,
        compression in 0..4,
        inserts: bool,
        tables in prop::collection::vec(prop::collection::vec("[^\\\\\n\r\0]{0,300}", 0..20), 1..5),
        large_objects in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20_000), 0..3),
    ) {
        let compression = match compression {
            2 if minor >= 15 => Compression::Lz4,
            3 if minor >= 15 => Compression::Zstd,
            0 => Compression::None,
            _ => Compression::Gzip,
        };
        let sample = Sample { minor, compression, inserts, tables, large_objects, ..Sample::default() };
        let expected = of_custom(&sample);
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in sample.directory() {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        let mut script = Script::default();
        let sha256 = directory(folder.path(), "drilled", &mut script).unwrap();
        prop_assert_eq!(&script.text, &expected.text);
        prop_assert_eq!(&script.entries, &expected.entries);
        let read = super::super::directory::read(folder.path()).unwrap();
        prop_assert_eq!(sha256, read.sha256);
        let plain = Sample { compression: Compression::None, ..sample };
        let mut script = Script::default();
        tar(plain.tar().as_slice(), "drilled", &mut script).unwrap();
        prop_assert_eq!(&script.text, &expected.text);
        prop_assert_eq!(&script.entries, &expected.entries);
        let archive = super::super::tar::read(plain.tar().as_slice()).unwrap();
        prop_assert_eq!(archive.contents.only_by_pg_restore, None);
    }
}

#[test]
fn a_damaged_archive_is_an_error() {
    let (bytes, _) = Sample::default().custom();
    for end in [0, 40, bytes.len() / 2, bytes.len() - 3] {
        let error = custom(&bytes[..end], "drilled", &mut Script::default());
        assert!(error.is_err(), "cut after {end}");
    }
}

#[test]
fn data_in_another_order_is_left_to_pg_restore() {
    let sample = Sample {
        compression: Compression::None,
        seekable: false,
        large_objects: Vec::new(),
        ..Sample::default()
    };
    let (bytes, data) = sample.custom();
    let block = |number: u8| [1, 0, number, 0, 0, 0];
    let at = |number| {
        let window = bytes.windows(6).position(|window| window == block(number));
        window.unwrap()
    };
    let (second, third) = (at(101), at(102));
    let moved = [
        &bytes[..data],
        &bytes[second..third],
        &bytes[data..second],
        &bytes[third..],
    ]
    .concat();
    let read = |bytes: &[u8]| custom::read(bytes).unwrap();
    assert_eq!(read(&bytes).contents.only_by_pg_restore, None);
    let archive = read(&moved);
    assert_eq!(archive.problems.problems, []);
    let why = archive.contents.only_by_pg_restore.unwrap();
    assert!(why.contains("another order"), "{why}");
    assert!(custom(moved.as_slice(), "drilled", &mut Script::default()).is_err());
}

pub(super) fn entry(kind: &str, tag: &str, drop: &str) -> Entry {
    Entry {
        id: 7,
        has_data: false,
        catalog: String::new(),
        oid: String::new(),
        tag: tag.to_owned(),
        kind: kind.to_owned(),
        section: 2,
        definition: "SELECT 1;\n".to_owned(),
        drop: drop.to_owned(),
        copy: String::new(),
        namespace: "app".to_owned(),
        tablespace: String::new(),
        access_method: String::new(),
        relation_kind: 0,
        owner: "Me".to_owned(),
        dependencies: Vec::new(),
        stored: Stored::Nothing,
    }
}

#[rstest]
#[case("TABLE", "T x", "DROP TABLE app.\"T x\";\n", Some("TABLE app.\"T x\""))]
#[case(
    "FUNCTION",
    "f(integer)",
    "DROP FUNCTION app.f(integer);\n",
    Some("FUNCTION app.f(integer)")
)]
#[case(
    "OPERATOR CLASS",
    "c",
    "DROP OPERATOR CLASS app.c USING btree;\n",
    Some("OPERATOR CLASS app.c USING btree")
)]
#[case(
    "BLOB",
    "4711",
    "SELECT pg_catalog.lo_unlink('4711');\n",
    Some("LARGE OBJECT 4711")
)]
#[case("INDEX", "i", "DROP INDEX app.i;\n", None)]
#[case("COMMENT", "TABLE t", "", None)]
fn an_object_gets_its_owner(
    #[case] kind: &str,
    #[case] tag: &str,
    #[case] drop: &str,
    #[case] expected: Option<&str>,
) {
    let entry = entry(kind, tag, drop);
    assert_eq!(entry::owner_of(&entry), Ok(expected.map(str::to_owned)));
    assert_eq!(obstacle(&entry, Encoding::default()), None);
}

#[test]
fn what_is_not_known_is_left_to_pg_restore() {
    let unknown = entry("TELEPHONE", "t", "DROP TELEPHONE t;\n");
    let why = obstacle(&unknown, Encoding::default());
    assert!(why.unwrap().contains("kind TELEPHONE"));
    let latin = Encoding::named("LATIN1").unwrap();
    let accented = entry("TABLE", "caf\u{e9}", "DROP TABLE app.caf\u{e9};\n");
    assert_eq!(obstacle(&accented, Encoding::default()), None);
    assert_eq!(
        obstacle(&accented, latin).unwrap(),
        "TABLE caf\u{e9} is written in LATIN1, not in UTF8"
    );
    let broken = entry("TABLE", "caf\u{fffd}", "");
    assert!(obstacle(&broken, Encoding::default()).is_some());
    let data = Entry {
        has_data: true,
        ..entry("BLOB COMMENTS", "BLOB COMMENTS", "")
    };
    assert!(obstacle(&data, Encoding::default()).is_some());
}

#[test]
fn rights_of_many_large_objects_are_those_of_each() {
    let metadata = Entry {
        id: 5,
        definition: "11\n12\n".to_owned(),
        ..entry(
            "BLOB METADATA",
            "11..12",
            "SELECT pg_catalog.lo_unlink('11');\n",
        )
    };
    let rights = Entry {
        dependencies: vec![5],
        definition: "REVOKE ALL ON LARGE OBJECT 11 FROM \"LARGE OBJECT 11; x\";\nGRANT SELECT ON LARGE OBJECT 11 TO b;".to_owned(),
        ..entry("ACL", "LARGE OBJECTS 11..12", "")
    };
    let entries = [metadata, rights];
    let mut text = Vec::new();
    for entry in &entries {
        entry::write(entry, &entries, &mut text).unwrap();
    }
    let text = String::from_utf8(text).unwrap();
    let expected = "SELECT pg_catalog.lo_create('11');
SELECT pg_catalog.lo_create('12');
ALTER LARGE OBJECT 11 OWNER TO \"Me\";
ALTER LARGE OBJECT 12 OWNER TO \"Me\";
REVOKE ALL ON LARGE OBJECT 11 FROM \"LARGE OBJECT 11; x\";
GRANT SELECT ON LARGE OBJECT 11 TO b;
REVOKE ALL ON LARGE OBJECT 12 FROM \"LARGE OBJECT 11; x\";
GRANT SELECT ON LARGE OBJECT 12 TO b;
";
    assert_eq!(text, expected);
}

#[test]
fn old_archives_name_a_schema_before_each_entry() {
    let first = entry("TABLE", "t", "");
    let second = Entry {
        namespace: "pg_catalog".to_owned(),
        tablespace: "fast".to_owned(),
        access_method: "heap".to_owned(),
        ..entry("TABLE", "u", "")
    };
    let third = Entry {
        relation_kind: i64::from(b'p'),
        access_method: "heap".to_owned(),
        ..entry("TABLE", "v", "")
    };
    let entries = [first, second, third];
    let mut script = Script::default();
    write(&entries, "drilled", &mut script, |_, _| Ok(())).unwrap();
    let text = String::from_utf8(script.text).unwrap();
    let changes: Vec<&str> = text
        .lines()
        .skip(6)
        .filter(|line| line.starts_with("SET ") || line.contains("ACCESS METHOD"))
        .collect();
    assert_eq!(
        changes,
        [
            "SET search_path = app, pg_catalog;",
            "SET search_path = pg_catalog;",
            "SET default_tablespace = fast;",
            "SET default_table_access_method = heap;",
            "SET search_path = app, pg_catalog;",
            "SET default_tablespace = '';",
            "ALTER TABLE app.v SET ACCESS METHOD heap;",
        ]
    );
}

#[test]
fn r06_a_database_of_the_same_name_gets_its_owner_and_settings() {
    let of = |kind: &str, tag: &str, definition: &str| Entry {
        namespace: String::new(),
        definition: definition.to_owned(),
        ..entry(kind, tag, "")
    };
    let entries = [
        of("DATABASE", "shop", "CREATE DATABASE shop;\n"),
        of(
            "DATABASE PROPERTIES",
            "shop",
            "ALTER DATABASE shop SET work_mem TO '8MB';\n",
        ),
        of(
            "ACL",
            "DATABASE shop",
            "REVOKE CONNECT ON DATABASE shop FROM PUBLIC;\n",
        ),
        of(
            "COMMENT",
            "DATABASE shop",
            "COMMENT ON DATABASE shop IS 'x';\n",
        ),
    ];
    let script = |database: &str| {
        let mut script = Script::default();
        write(&entries, database, &mut script, |_, _| Ok(())).unwrap();
        let text = String::from_utf8(script.text).unwrap();
        let lines = text.lines().filter(|line| line.contains("DATABASE"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(script("shop_drill"), [""; 0]);
    assert_eq!(
        script("shop"),
        [
            "ALTER DATABASE shop OWNER TO \"Me\";",
            "ALTER DATABASE shop SET work_mem TO '8MB';",
            "REVOKE CONNECT ON DATABASE shop FROM PUBLIC;",
            "COMMENT ON DATABASE shop IS 'x';",
        ]
    );
}

proptest! {
    #[test]
    fn any_change_is_written_to_an_end(at: prop::sample::Index, with: Vec<u8>, compression in 0..4) {
        let compression = [Compression::None, Compression::Gzip, Compression::Lz4, Compression::Zstd][compression as usize];
        let (mut bytes, _) = Sample { compression, ..Sample::default() }.custom();
        let at = at.index(bytes.len());
        let end = (at + with.len()).min(bytes.len());
        bytes.splice(at..end, with);
        let _ = custom(bytes.as_slice(), "drilled", &mut Script::default());
    }
}
