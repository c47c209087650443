//! The encoding that a dump states, compared with its rows.

use std::collections::BTreeSet;

use super::Gather;
use crate::digest::{show_count, show_counted};
use crate::encoding::{Encoding, UNKNOWN};
use crate::fault::{Fault, FaultKind};

impl Gather {
    /// The encoding of what follows.
    #[must_use]
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The encoding of a session that sets none: that of the database, which is made in the first one of the dump
    /// where the dump does not make it.
    pub(super) fn default_encoding(&self) -> Encoding {
        let made = self.databases.get(&self.database).copied();
        let first = || {
            let first = self
                .contents
                .encoding
                .as_deref()
                .filter(|_| self.database.is_empty())?;
            Encoding::named(first).filter(|encoding| !encoding.is_client_only())
        };
        made.or_else(first).unwrap_or_default()
    }

    /// Handles a setting of `client_encoding`; an empty name is for the default.
    pub(super) fn set_encoding(&mut self, name: &str) {
        let encoding = match name {
            "" => self.default_encoding(),
            name => match Encoding::named(name) {
                Some(encoding) => encoding,
                // The server refuses it.
                None => return,
            },
        };
        // INSERTs are collected by the bytes of their names.
        self.flush();
        self.encoding = encoding;
        if encoding != Encoding::default() {
            self.encodings.insert(encoding.name());
        }
        // The first one counts: the header of the next dump is still in this database.
        let encodings = &mut self.contents.encodings;
        let own = encodings.entry(self.database.clone());
        own.or_insert_with(|| encoding.name().to_owned());
        let of_file = &mut self.contents.encoding;
        of_file.get_or_insert_with(|| encoding.name().to_owned());
    }

    /// Inspects a row for names of graphs and for its encoding.
    pub(super) fn inspect_row(&mut self, row: &[u8]) {
        if let Some(column) = self.graph_column
            && let Some(name) = row.split(|byte| *byte == b'\t').nth(column)
        {
            let name = String::from_utf8_lossy(name).replace("\\\\", "\\");
            self.contents.graphs.insert(name);
        }
        // Counts the rows that are valid UTF-8 in spite of an encoding of one byte per letter.
        if self.encoding.is_one_byte() && !row.is_ascii() {
            let database = self.databases.get(&self.database);
            self.into_utf8 |= database == Some(&Encoding::default());
            match std::str::from_utf8(row) {
                Ok(_) => self.letters.0 += 1,
                Err(_) => self.letters.1 += 1,
            }
        }
    }

    /// Reports rows that are UTF-8 and not in the stated encoding: text in another encoding is hardly ever
    /// valid UTF-8, and never all of it.
    pub(super) fn check_encoding(&mut self) {
        let (utf8 @ 1.., 0) = self.letters else {
            return;
        };
        let one_byte = |name: &&&str| Encoding::named(name).is_some_and(Encoding::is_one_byte);
        let encodings: Vec<&str> = self.encodings.iter().filter(one_byte).copied().collect();
        let encoding = encodings.join(", ");
        let fault = Fault::new(
            FaultKind::Encoding,
            format!("rows in {encoding}, as `client_encoding` says"),
            format!(
                "{} rows with letters beyond ASCII, all in UTF-8: they restore as other letters, without an error",
                show_count(utf8)
            ),
        );
        if self.into_utf8 {
            self.found.problems.push(fault);
        } else {
            // A database in that encoding may have contained such bytes.
            self.found.warnings.push(fault);
        }
    }

    /// Reports names that are not decoded: what they name was neither counted nor can it be found again.
    pub(super) fn check_names(&mut self) {
        // A letter that is wrong in UTF8 is refused by the server.
        if self.encodings.is_empty() {
            return;
        }
        let contents = &self.contents;
        let unknown = |name: &&str| name.contains(UNKNOWN);
        let relations = contents
            .rows
            .keys()
            .map(|(database, table)| (database, table));
        let relations = relations
            .chain(
                contents
                    .tables
                    .iter()
                    .map(|(database, table)| (database, table)),
            )
            .chain(
                contents
                    .sequences
                    .keys()
                    .map(|(database, table)| (database, table)),
            )
            .chain(
                contents
                    .refreshed
                    .iter()
                    .map(|(database, table)| (database, table)),
            )
            .flat_map(|(database, table)| [database.as_str(), &table.schema, &table.name]);
        let objects = contents.objects.list.iter().flat_map(|object| {
            [
                object.database.as_str(),
                &object.schema,
                &object.name,
                &object.owner,
            ]
        });
        let others = contents
            .roles
            .iter()
            .chain(&contents.creates)
            .chain(&contents.connects);
        let others = others
            .chain(&contents.schemas)
            .chain(&contents.origin)
            .map(String::as_str);
        let names: BTreeSet<&str> = relations
            .chain(objects)
            .chain(others)
            .filter(unknown)
            .collect();
        let Some(first) = names.first() else {
            return;
        };
        let encodings: Vec<&str> = self.encodings.iter().copied().collect();
        let count = show_counted(names.len(), "name");
        let found = format!(
            "{count} in {} with letters that this version does not decode, such as `{first}`",
            encodings.join(", ")
        );
        let fault = Fault::new(
            FaultKind::UnreadNames,
            "names with letters that are known",
            found,
        );
        self.found.unread.push(fault);
    }
}
