//! What was stored as a backup and is none: nothing, errors, pages, dumps of other servers, pointers.

use crate::outcome::Finding;

const STORED_ANSWER: &str =
    "the job stored a response or an error message instead of a backup: see its log";
const OTHER_SERVER: &str =
    "it is a backup of another database system: check the address in the job";

/// What such a text begins with in any case, what it is, and what to do.
const BEGINNINGS: &[(&str, &str, &str)] = &[
    ("<!doctype", "an HTML or XML page", STORED_ANSWER),
    ("<html", "an HTML or XML page", STORED_ANSWER),
    ("<?xml", "an HTML or XML page", STORED_ANSWER),
    ("<error>", "an HTML or XML page", STORED_ANSWER),
    // No statement begins with either.
    ("{", "a JSON document", STORED_ANSWER),
    ("[", "a JSON document", STORED_ANSWER),
    (
        "pg_dump dumps a",
        "the help text of pg_dump",
        "an option of pg_dump in the job is wrong: see its log",
    ),
    (
        "pg_dumpall extracts",
        "the help text of pg_dumpall",
        "an option of pg_dumpall in the job is wrong: see its log",
    ),
    ("pg_dump: ", "the error message of a program", STORED_ANSWER),
    (
        "pg_dumpall: ",
        "the error message of a program",
        STORED_ANSWER,
    ),
    ("pg_dump (", "the error message of a program", STORED_ANSWER),
    ("psql: ", "the error message of a program", STORED_ANSWER),
    ("error: ", "the error message of a program", STORED_ANSWER),
    ("bash: ", "the error message of a program", STORED_ANSWER),
    ("sh: ", "the error message of a program", STORED_ANSWER),
    ("/bin/sh: ", "the error message of a program", STORED_ANSWER),
    (
        "version https://git-lfs.github.com/",
        "a git-lfs pointer, not the file that it points to",
        "fetch the file itself: `git lfs pull`",
    ),
    ("-- mysql dump", "a MySQL dump", OTHER_SERVER),
    ("-- mariadb dump", "a MariaDB dump", OTHER_SERVER),
    ("/*m!999999", "a MariaDB dump", OTHER_SERVER),
    ("-- phpmyadmin sql dump", "a MySQL dump", OTHER_SERVER),
    ("pragma foreign_keys", "a SQLite dump", OTHER_SERVER),
    ("sqlite format 3", "a SQLite database", OTHER_SERVER),
    ("use [", "a SQL Server script", OTHER_SERVER),
    ("/****** object:", "a SQL Server script", OTHER_SERVER),
    ("set ansi_nulls", "a SQL Server script", OTHER_SERVER),
    (
        "-- +goose",
        "a migration file",
        "it defines changes of an application, and is not a backup",
    ),
    (
        "-- migrate:",
        "a migration file",
        "it defines changes of an application, and is not a backup",
    ),
];

/// What the first bytes of a file are that no format claims, where they are no PostgreSQL backup.
pub(super) fn recognise(head: &[u8]) -> Option<Finding> {
    let finding = |actual: &str, hint: &str| {
        Some(Finding::new("a PostgreSQL backup", actual).hint(hint.to_owned()))
    };
    match head {
        [] => {
            return finding(
                "an empty file",
                "the backup job wrote nothing: check its exit code and the disk",
            );
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            return finding(
                "UTF-16 text",
                "a PowerShell redirection re-encodes: write with `pg_dump --file` instead of `>`",
            );
        }
        _ => {}
    }
    let text = String::from_utf8_lossy(head);
    let start = text.trim_start_matches('\u{feff}').trim_start();
    let lower = start.to_ascii_lowercase();
    if start.is_empty() {
        return finding("blank text", STORED_ANSWER);
    }
    if let Some(code) = storage_error(start) {
        return finding(
            &format!("the error `{code}` of an object storage"),
            "the job stored the response of the storage: check the key and its permissions",
        );
    }
    if let Some((_, actual, hint)) = BEGINNINGS
        .iter()
        .find(|(beginning, ..)| lower.starts_with(beginning))
    {
        return finding(actual, hint);
    }
    if lower.contains("--> statement-breakpoint")
        && !lower.contains(" database backup")
        && !lower.contains("insert into")
    {
        return finding(
            "a migration file",
            "it defines changes of an application, and is not a backup",
        );
    }
    if head.contains(&0) {
        return finding("binary data of an unknown kind", STORED_ANSWER);
    }
    None
}

/// The code in `<Error><Code>NoSuchKey</Code>…`, as S3 and its likes answer.
fn storage_error(text: &str) -> Option<&str> {
    let (before, rest) = text.split_once("<Error>")?;
    if !(before.is_empty() || before.starts_with("<?xml")) {
        return None;
    }
    let (_, rest) = rest.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let good = (1..=40).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric());
    good.then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "<?xml version=\"1.0\"?>\n<Error><Code>NoSuchKey</Code><Message>x</Message></Error>",
        "the error `NoSuchKey` of an object storage"
    )]
    #[case("<?xml version=\"1.0\"?><x/>", "an HTML or XML page")]
    #[case("-- MySQL dump 10.13  Distrib 8.0.36\n--\n", "a MySQL dump")]
    #[case(
        "/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19\n",
        "a MariaDB dump"
    )]
    #[case("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n", "a SQLite dump")]
    #[case("SQLite format 3\0\u{10}", "a SQLite database")]
    #[case("USE [shop]\nGO\n", "a SQL Server script")]
    #[case(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "a git-lfs pointer, not the file that it points to"
    )]
    #[case(
        "pg_dump dumps a database as a text file or to other formats.\n\nUsage:\n",
        "the help text of pg_dump"
    )]
    #[case(
        "CREATE TABLE \"a\" ();\n--> statement-breakpoint\nCREATE TABLE \"b\" ();\n",
        "a migration file"
    )]
    #[case("-- migrate:up\nCREATE TABLE a ();\n", "a migration file")]
    #[case("/bin/sh: 1: pg_dump: not found\n", "the error message of a program")]
    fn what_is_no_backup_is_named(#[case] text: &str, #[case] actual: &str) {
        assert_eq!(
            recognise(text.as_bytes()).unwrap().actual,
            actual,
            "F09, F10"
        );
    }

    #[rstest]
    #[case(b"", "an empty file")]
    #[case(b"<!DOCTYPE html><html>", "an HTML or XML page")]
    #[case(b"{\"error\": 1}", "a JSON document")]
    #[case(b"{\n  \"error\": 1}", "a JSON document")]
    #[case(b"[\n]", "a JSON document")]
    #[case(b"pg_dump: error: connection failed", "the error message of a program")]
    #[case(b"\xff\xfe-\0-\0", "UTF-16 text")]
    #[case(b"\x00\x01\x02", "binary data of an unknown kind")]
    #[case(b" \n\n", "blank text")]
    fn bytes_that_are_no_backup_are_named(#[case] head: &[u8], #[case] actual: &str) {
        assert_eq!(recognise(head).unwrap().actual, actual);
    }

    #[rstest]
    #[case("--\n-- PostgreSQL database dump\n--\n")]
    #[case("-- Shop database backup\nBEGIN;\n--> statement-breakpoint\nSET x = 1;\n")]
    #[case("INSERT INTO t VALUES (1);\n--> statement-breakpoint\n")]
    #[case("SET client_encoding = 'UTF8';\n-- MySQL dump\n")]
    #[case("\u{feff}-- made by hand\nCREATE TABLE t ();\n")]
    fn what_may_be_one_is_read(#[case] text: &str) {
        assert_eq!(recognise(text.as_bytes()), None, "F35 {text}");
    }
}
