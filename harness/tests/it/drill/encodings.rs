//! Every encoding that pg_dump can write: what is in a dump is found again by its name, and missed where it is gone.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use pgdump::encoding::Encoding;

use super::builder::{Ended, none, redrill};
use super::dumps::{docker, started};
use crate::support::shared;

/// How a case is dumped, see `encodings.sh`.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Server,
    Client,
    Unnamed,
}

use Kind::{Client, Server, Unnamed};

/// Letters whose last byte is a backslash, where an encoding has such.
const CASES: &[(&str, Kind, &str)] = &[
    ("UTF8", Server, "größe表"),
    ("SQL_ASCII", Server, "größe"),
    ("LATIN1", Server, "größe"),
    ("LATIN2", Server, "żółw"),
    ("LATIN3", Server, "ĉapelo"),
    ("LATIN4", Server, "ķēniņš"),
    ("LATIN5", Server, "ığdır"),
    ("LATIN6", Server, "ŧĸŋ"),
    ("LATIN7", Server, "žąsis"),
    ("LATIN8", Server, "ŵyŷ"),
    ("LATIN9", Server, "œuvre€"),
    ("LATIN10", Server, "țară"),
    ("WIN1250", Server, "żółw"),
    ("WIN1251", Server, "таблица"),
    ("WIN1252", Server, "größe€"),
    ("WIN1253", Server, "πίνακας"),
    ("WIN1254", Server, "ığdır"),
    ("WIN1255", Server, "שלום"),
    ("WIN1256", Server, "جدول"),
    ("WIN1257", Server, "žąsis"),
    ("WIN1258", Server, "đươ"),
    ("WIN866", Server, "таблица"),
    ("WIN874", Server, "ตาราง"),
    ("KOI8R", Server, "таблица"),
    ("KOI8U", Server, "їжак"),
    ("ISO_8859_5", Server, "таблица"),
    ("ISO_8859_6", Server, "جدول"),
    ("ISO_8859_7", Server, "πίνακας"),
    ("ISO_8859_8", Server, "שלום"),
    ("EUC_JP", Server, "表ソ能"),
    ("EUC_CN", Server, "表格"),
    ("EUC_KR", Server, "표가"),
    ("EUC_TW", Unnamed, "表格"),
    ("EUC_JIS_2004", Unnamed, "表ソ能"),
    ("SJIS", Client, "表ソ能"),
    ("SHIFT_JIS_2004", Unnamed, "表ソ能"),
    ("BIG5", Client, "功許蓋"),
    ("GBK", Client, "誠表"),
    ("UHC", Client, "표똠"),
    ("GB18030", Client, "誠ā𠀀"),
    ("JOHAB", Unnamed, "쒲ㅑ"),
];

/// A database for each case: its name, and the table in it.
fn table(encoding: &str) -> (String, String) {
    let case = CASES.iter().find(|(name, ..)| *name == encoding).unwrap();
    let name = if case.1 == Unnamed { "plain" } else { case.2 };
    let database = encoding.to_ascii_lowercase().replace('_', "-");
    (database, format!("public.\"t {name}\""))
}

static DUMPS: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = shared::folder();
    let container = started(17, "encodings");
    let lines: String = CASES
        .iter()
        .map(|(encoding, kind, name)| {
            let kind = match kind {
                Server => "server",
                Client => "client",
                Unnamed => "unnamed",
            };
            format!("{encoding} {kind} {name}\n")
        })
        .collect();
    for (name, text) in [
        ("cases", lines.as_str()),
        ("make.sh", include_str!("encodings.sh")),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        let inside = format!("{}:/tmp/{name}", container.0);
        docker(&["cp", &path.to_string_lossy(), &inside]).unwrap();
    }
    let make = "bash /tmp/make.sh </tmp/cases";
    docker(&["exec", "--user=postgres", &container.0, "bash", "-c", make]).unwrap();
    let inside = format!("{}:/tmp/dumps", container.0);
    docker(&["cp", &inside, &folder.to_string_lossy()]).unwrap();
    folder
});

fn folder(name: &str) -> PathBuf {
    DUMPS.join("dumps").join(name)
}

/// One drill for the dumps of all encodings: each is restored into the database that its file is named after.
fn drilled(path: &Path) -> Ended {
    redrill()
        .scenario(
            "schema = 1\nname = \"drilled\"\n[backup]\npath = \"named-by-the-command-line\"\n[server.container]\n\
             [[check.row-count]]\ntable = 'public.\"t größe\"'\ndatabase = \"latin1\"\nexact = 4\n",
        )
        .copy(path, "dumps")
        .names("dumps")
        .run()
}

#[rstest::rstest]
#[ignore = "slow: ci/slow.sh"]
#[case("plain", &[])]
#[ignore = "slow: ci/slow.sh"]
#[case("custom", &[])]
// Their text cannot be decoded, which the reload of INSERTs needs.
#[ignore = "slow: ci/slow.sh"]
#[case("inserts", &["johab", "shift-jis-2004"])]
fn every_encoding_is_proven(#[case] name: &str, #[case] counted: &[&str]) {
    let ended = drilled(&folder(name));
    ended.is_proven().unwrap();
    let mut wrong = Vec::new();
    let rows = ended.drill()["restore"]["rows"].as_array().unwrap();
    for (encoding, ..) in CASES {
        let (database, table) = table(encoding);
        let found = rows
            .iter()
            .find(|one| one["database"] == database && one["table"] == table);
        let expected = if counted.contains(&database.as_str()) {
            "not-compared"
        } else {
            "same"
        };
        match found {
            Some(one) if one["restored"] == 4 && one["values"] == expected => {}
            other => wrong.push(format!("{encoding}: {other:?}")),
        }
    }
    none(wrong);
}

#[rstest::rstest]
#[case("changed")]
#[ignore = "slow: ci/slow.sh"]
#[case("changed-custom")]
fn a_row_that_is_lost_is_seen_in_every_encoding(#[case] name: &str) {
    let ended = drilled(&folder(name));
    let found = ended.fails_in("proof", &["4 rows", "3 rows"]);
    found.unwrap();
    let rows = ended.drill()["restore"]["rows"].as_array().unwrap();
    let mut wrong = Vec::new();
    for (encoding, ..) in CASES {
        let (database, table) = table(encoding);
        let found = rows
            .iter()
            .find(|one| one["database"] == database && one["table"] == table);
        if !found.is_some_and(|one| one["backup"] == 4 && one["restored"] == 3) {
            wrong.push(format!("{encoding}: {found:?}"));
        }
    }
    none(wrong);
}

#[test]
#[ignore = "slow: ci/slow.sh"]
fn a_value_that_is_changed_is_seen_in_every_encoding() {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(self::folder("plain")).unwrap() {
        let path = entry.unwrap().path();
        let mut dump = std::fs::read(&path).unwrap();
        let mark = b"--\n-- PostgreSQL database dump complete";
        let at = memchr::memmem::rfind(&dump, mark).unwrap();
        let change = b"DO $$ DECLARE t regclass; c name; BEGIN SELECT attrelid::regclass, attname INTO t, c \
            FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class r ON r.oid = attrelid \
            WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND attnum = 2; \
            EXECUTE pg_catalog.format('UPDATE %s SET %I = %I || ''x'' WHERE id = 2', t, c, c); END $$;\n";
        dump.splice(at..at, change.iter().copied());
        std::fs::write(folder.path().join(path.file_name().unwrap()), dump).unwrap();
    }
    let ended = drilled(folder.path());
    ended.fails_in("proof", &["at least 1 of"]).unwrap();
    let rows = ended.drill()["restore"]["rows"].as_array().unwrap();
    let same = rows.iter().filter(|one| one["values"] != "differ");
    none(same.map(|one| format!("{one:?}")).collect());
}

#[test]
#[ignore = "slow: ci/slow.sh"]
fn rows_that_are_gone_since_the_previous_backup_are_seen_in_every_encoding() {
    let mut wrong = Vec::new();
    for (encoding, ..) in CASES {
        let (database, table) = table(encoding);
        let dump = std::fs::read(folder("plain").join(format!("{database}.sql"))).unwrap();
        let copy = memchr::memmem::find(&dump, b"\nCOPY ").unwrap();
        let rows = copy + memchr::memmem::find(&dump[copy..], b"stdin;\n").unwrap() + 7;
        let end = rows + memchr::memmem::find(&dump[rows..], b"\\.\n").unwrap();
        let emptied = [&dump[..rows], &dump[end..]].concat();
        // Of few rows all may go.
        let many = [&dump[..rows], &dump[rows..end].repeat(500), &dump[end..]].concat();
        let ended = redrill()
            .scenario("schema = 1\nname = \"drilled\"\n[backup]\nnewest = \"b/*.sql\"\n[[check.row-count]]\ntable = \"t\"\nmin = 1\n")
            .file("b/shop-2026-05-24.sql", many)
            .file("b/shop-2026-05-25.sql", emptied)
            .run();
        wrong.extend(
            ended
                .fails_in("backup", &[&table])
                .err()
                .map(|why| format!("{encoding}: {why}")),
        );
    }
    none(wrong);
}

#[test]
fn names_that_are_not_decoded_make_a_drill_inconclusive() {
    let mut wrong = Vec::new();
    let unnamed = CASES.iter().filter(|(_, kind, _)| *kind == Unnamed);
    let mut dumps: Vec<(String, &str)> = unnamed.map(|case| (table(case.0).0, case.0)).collect();
    dumps.push(("bytes".to_owned(), "SQL_ASCII"));
    dumps.push(("mule".to_owned(), "MULE_INTERNAL"));
    for (database, encoding) in dumps {
        for file in [format!("{database}.sql"), format!("{database}.dump")] {
            let ended = drilled(&folder("unread").join(&file));
            let says = [encoding, "does not decode", "--encoding=UTF8"];
            wrong.extend(
                ended
                    .cannot_look_in("backup", &says)
                    .err()
                    .map(|why| format!("{file}: {why}")),
            );
        }
    }
    none(wrong);
}

/// Bytes and what the server makes of them, for all letters of up to three bytes and some of four.
const LETTERS: &str = r"
CREATE FUNCTION pg_temp.decoded(bytes bytea, encoding name) RETURNS text LANGUAGE plpgsql AS $$
BEGIN RETURN convert_from(bytes, encoding); EXCEPTION WHEN others THEN RETURN NULL; END $$;
CREATE TEMPORARY TABLE encodings AS SELECT pg_encoding_to_char(i) AS name, pg_encoding_max_length(i) AS bytes
  FROM generate_series(0, 60) i WHERE pg_encoding_to_char(i) NOT IN ('', 'UTF8', 'SQL_ASCII', 'MULE_INTERNAL');
CREATE TEMPORARY TABLE letters AS
SELECT name, set_byte('\x00', 0, i) AS bytes FROM encodings, generate_series(128, 255) i
UNION ALL
SELECT name, set_byte(set_byte('\x0000', 0, i), 1, j) FROM encodings, generate_series(128, 255) i, generate_series(48, 255) j
 WHERE bytes > 1
UNION ALL
SELECT name, set_byte(set_byte('\x8f0000', 1, i), 2, j) FROM encodings, generate_series(161, 254) i, generate_series(161, 254) j
 WHERE name IN ('EUC_JP', 'EUC_KR')
UNION ALL
SELECT name, set_byte(set_byte(set_byte(set_byte('\x00000000', 0, i), 1, j), 2, k), 3, l)
  FROM encodings, unnest('{129,130,131,132,148,149,227,254}'::int[]) i, generate_series(48, 57) j,
       generate_series(129, 254) k, generate_series(48, 57) l
 WHERE name = 'GB18030';
SELECT name || ' ' || encode(bytes, 'hex') || ' ' || encode(convert_to(letter, 'UTF8'), 'hex')
  FROM (SELECT name, bytes, pg_temp.decoded(bytes, name::name) AS letter FROM letters) l
 WHERE letter IS NOT NULL;
";

#[test]
fn letters_are_decoded_as_the_server_decodes_them() {
    let container = started(17, "letters");
    let mut psql = Command::new("docker")
        .args([
            "exec",
            "-i",
            "--user=postgres",
            &container.0,
            "psql",
            "-qAtX",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut psql.stdin.take().unwrap(), LETTERS.as_bytes()).unwrap();
    let output = psql.wait_with_output().unwrap();
    let (mut wrong, mut decoded) = (Vec::new(), std::collections::BTreeMap::new());
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let [name, bytes, letter] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let bytes = pgdump::digest::from_hex(bytes.as_bytes()).unwrap();
        let letter =
            String::from_utf8(pgdump::digest::from_hex(letter.as_bytes()).unwrap()).unwrap();
        let encoding = Encoding::named(name).unwrap_or_else(|| panic!("{name} is not known"));
        let (all, known) = decoded.entry(name.to_owned()).or_insert((0, 0));
        *all += 1;
        if let Some(text) = encoding.decode_fully(&bytes) {
            *known += 1;
            if text != letter {
                wrong.push(format!("{line}: {text}"));
            }
        }
    }
    assert_eq!(decoded.len(), 39, "{decoded:?}");
    for (name, (all, known)) in &decoded {
        // Nearly all letters, or none; two letters of the list may be one byte and an ASCII letter.
        let unknown = ["EUC_TW", "EUC_JIS_2004", "SHIFT_JIS_2004", "JOHAB"];
        if !unknown.contains(&name.as_str()) && known * 100 < all * 95 {
            wrong.push(format!("{name}: {known} of {all}"));
        }
    }
    none(wrong);
}
