//! The statements of an entry.

use std::io::{self, Write};

use super::super::Entry;
use super::settings;
use crate::sql::{self, QualifiedName, quote_ident};

/// When an entry is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    Main,
    /// Rights, once everything has its owner.
    Rights,
    /// What needs rights: event triggers, the contents of materialized views.
    AfterRights,
}

impl Pass {
    pub const ALL: [Self; 3] = [Self::Main, Self::Rights, Self::AfterRights];

    pub fn of(entry: &Entry) -> Self {
        const POST_DATA: i64 = 4;
        match entry.kind.as_str() {
            "ACL" | "ACL LANGUAGE" | "DEFAULT ACL" => Self::Rights,
            "EVENT TRIGGER" | "MATERIALIZED VIEW DATA" => Self::AfterRights,
            "COMMENT" | "SECURITY LABEL" if entry.tag.starts_with("EVENT TRIGGER ") => {
                Self::AfterRights
            }
            "STATISTICS DATA" if entry.section == POST_DATA => Self::AfterRights,
            _ => Self::Main,
        }
    }
}

/// Whether an entry is restored into a database that exists: neither settings, which come first, nor the database.
pub(super) fn is_restored(entry: &Entry) -> bool {
    match entry.kind.as_str() {
        "ENCODING" | "STDSTRINGS" | "SEARCHPATH" | "<Init>" => false,
        "ACL" | "COMMENT" | "SECURITY LABEL" => entry.is_within_database(),
        kind => !kind.starts_with("DATABASE"),
    }
}

/// Whether an entry is the database of this name.
pub(super) fn is_database(entry: &Entry, name: &str) -> bool {
    entry.kind == "DATABASE" && entry.tag == name
}

/// Writes what an entry says of a database that exists: its owner, its rights, its settings, its comment.
pub(super) fn write_of_database(entry: &Entry, out: &mut impl Write) -> io::Result<()> {
    if entry.kind != "DATABASE" {
        return writeln!(out, "{}", entry.definition);
    }
    if entry.owner.is_empty() {
        return Ok(());
    }
    let (name, owner) = (quote_ident(&entry.tag), quote_ident(&entry.owner));
    writeln!(out, "ALTER DATABASE {name} OWNER TO {owner};")
}

/// The name of an entry with its schema.
pub(super) fn qualified(entry: &Entry) -> String {
    match entry.namespace.as_str() {
        "" => quote_ident(&entry.tag),
        schema => QualifiedName {
            schema: schema.to_owned(),
            name: entry.tag.clone(),
        }
        .to_string(),
    }
}

/// Writes the statements of an entry; `entries` are all.
pub(super) fn write(entry: &Entry, entries: &[Entry], out: &mut impl Write) -> io::Result<()> {
    match entry.kind.as_str() {
        "BLOB METADATA" => {
            for oid in entry.definition.lines() {
                writeln!(out, "SELECT pg_catalog.lo_create('{oid}');")?;
            }
        }
        "ACL" if entry.tag.starts_with("LARGE OBJECTS") => rights_of_each(entry, entries, out)?,
        "TABLE DATA" | "BLOBS" => {}
        _ if entry.definition.is_empty() => {}
        _ => {
            out.write_all(entry.definition.as_bytes())?;
            out.write_all(b"\n\n")?;
        }
    }
    if entry.kind == "BLOB METADATA" && entry.sets_owner() && !entry.owner.is_empty() {
        let owner = quote_ident(&entry.owner);
        for oid in entry.definition.lines() {
            writeln!(out, "ALTER LARGE OBJECT {oid} OWNER TO {owner};")?;
        }
    } else if let Ok(Some(object)) = owner_of(entry) {
        let owner = quote_ident(&entry.owner);
        writeln!(out, "ALTER {object} OWNER TO {owner};\n")?;
    }
    settings::access_method(entry, out)
}

/// The object of an entry as `ALTER … OWNER TO` names it; `None` if it has no owner of its own.
///
/// # Errors
/// An owner of an object of an unknown kind, which `pg_restore` refuses too.
pub(super) fn owner_of(entry: &Entry) -> Result<Option<String>, String> {
    if entry.owner.is_empty() || !entry.sets_owner() || entry.kind == "BLOB METADATA" {
        return Ok(None);
    }
    match entry.kind.as_str() {
        "COLLATION"
        | "CONVERSION"
        | "DOMAIN"
        | "FOREIGN TABLE"
        | "MATERIALIZED VIEW"
        | "SEQUENCE"
        | "STATISTICS"
        | "TABLE"
        | "TEXT SEARCH DICTIONARY"
        | "TEXT SEARCH CONFIGURATION"
        | "TYPE"
        | "VIEW"
        | "PROCEDURAL LANGUAGE"
        | "SCHEMA"
        | "EVENT TRIGGER"
        | "FOREIGN DATA WRAPPER"
        | "SERVER"
        | "PUBLICATION"
        | "SUBSCRIPTION" => Ok(Some(format!("{} {}", entry.kind, qualified(entry)))),
        "BLOB" if entry.tag.bytes().all(|byte| byte.is_ascii_digit()) => {
            Ok(Some(format!("LARGE OBJECT {}", entry.tag)))
        }
        // Their arguments are in the statement that drops them.
        "AGGREGATE" | "FUNCTION" | "OPERATOR" | "OPERATOR CLASS" | "OPERATOR FAMILY"
        | "PROCEDURE" => {
            let object = entry.drop.strip_prefix("DROP ");
            let object = object.map(|text| text.trim_end_matches(['\n', ';']));
            // One statement, and not another behind it.
            let object = object.filter(|text| sql::tokens(text).all(|token| token.text != ";"));
            object
                .map(|text| Some(text.to_owned()))
                .ok_or_else(|| format!("the owner of {} cannot be set", entry.name()))
        }
        kind => Err(format!(
            "the owner of an object of the kind {kind} is not known"
        )),
    }
}

/// Rights of many large objects, written for one of them.
fn rights_of_each(entry: &Entry, entries: &[Entry], out: &mut impl Write) -> io::Result<()> {
    let objects = entry.dependencies.first();
    let objects = objects.and_then(|id| entries.iter().find(|entry| entry.id == *id));
    let Some(objects) = objects.filter(|objects| objects.kind == "BLOB METADATA") else {
        return out.write_all(entry.definition.as_bytes());
    };
    for oid in objects.definition.lines() {
        writeln!(out, "{}", renumbered(&entry.definition, oid))?;
    }
    Ok(())
}

/// Statements with another number behind each `LARGE OBJECT`, apart from names in quotes.
fn renumbered(statements: &str, oid: &str) -> String {
    const BEFORE: &str = "LARGE OBJECT ";
    let parts = statements.split('"').enumerate();
    let parts = parts.map(|(number, part)| {
        if number % 2 == 1 {
            return part.to_owned();
        }
        let mut pieces = part.split(BEFORE);
        let mut text = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let after = piece.trim_start_matches(|c: char| c.is_ascii_digit());
            text.push_str(&format!("{BEFORE}{oid}{after}"));
        }
        text
    });
    parts.collect::<Vec<_>>().join("\"")
}
