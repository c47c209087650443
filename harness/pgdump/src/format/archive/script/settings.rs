//! Settings of the session that restores an archive.

use std::io::{self, Write};

use super::super::Entry;
use crate::sql::quote_ident;

/// `relkind` of a partitioned table.
const PARTITIONED: i64 = b'p' as i64;

/// What was set last.
pub(super) struct Settings {
    /// Whether the archive says which search path it needs; older ones need that of each entry.
    has_search_path: bool,
    schema: String,
    tablespace: String,
    access_method: String,
}

impl Settings {
    /// Writes the settings of the whole restore. Timeouts are those of the server.
    pub fn begin(entries: &[Entry], out: &mut impl Write) -> io::Result<Self> {
        let of = |kind: &str| entries.iter().find(|entry| entry.kind == kind);
        if let Some(entry) = of("ENCODING") {
            writeln!(out, "{}", entry.definition.trim_end())?;
        }
        let off = of("STDSTRINGS").is_some_and(|entry| entry.definition.contains("off"));
        let state = if off { "off" } else { "on" };
        writeln!(out, "SET standard_conforming_strings = {state};")?;
        let search_path = of("SEARCHPATH").map(|entry| entry.definition.trim_end());
        let none = "SELECT pg_catalog.set_config('search_path', '', false);";
        writeln!(out, "{}", search_path.unwrap_or(none))?;
        out.write_all(
            b"SET check_function_bodies = false;\n\
              SET xmloption = content;\n\
              SET client_min_messages = warning;\n\
              SET row_security = off;\n",
        )?;
        if off {
            out.write_all(b"SET escape_string_warning = off;\n")?;
        }
        Ok(Self {
            has_search_path: search_path.is_some(),
            schema: String::new(),
            tablespace: String::new(),
            access_method: String::new(),
        })
    }

    /// Writes what has to be set before the statements of an entry.
    pub fn change(&mut self, entry: &Entry, out: &mut impl Write) -> io::Result<()> {
        let Entry {
            namespace,
            tablespace,
            access_method,
            ..
        } = entry;
        if !self.has_search_path && !namespace.is_empty() && *namespace != self.schema {
            let catalog = match namespace.as_str() {
                "pg_catalog" => "",
                _ => ", pg_catalog",
            };
            writeln!(
                out,
                "SET search_path = {}{catalog};",
                quote_ident(namespace)
            )?;
            self.schema.clone_from(namespace);
        }
        if *tablespace != self.tablespace {
            let name = match tablespace.as_str() {
                "" => "''".to_owned(),
                name => quote_ident(name),
            };
            writeln!(out, "SET default_tablespace = {name};")?;
            self.tablespace.clone_from(tablespace);
        }
        let is_set = !access_method.is_empty() && entry.relation_kind != PARTITIONED;
        if is_set && *access_method != self.access_method {
            let name = quote_ident(access_method);
            writeln!(out, "SET default_table_access_method = {name};")?;
            self.access_method.clone_from(access_method);
        }
        Ok(())
    }
}

/// The statement after that of a partitioned table, whose access method no setting gives it.
pub(super) fn access_method(entry: &Entry, out: &mut impl Write) -> io::Result<()> {
    if entry.relation_kind != PARTITIONED || entry.access_method.is_empty() {
        return Ok(());
    }
    let table = super::entry::qualified(entry);
    let method = quote_ident(&entry.access_method);
    writeln!(out, "ALTER TABLE {table} SET ACCESS METHOD {method};")
}
