//! The text of the scenario: a head with what it was written from, then a section for each feature.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::Description;
use super::block::{Value, commented, quote};
use super::location::BackupLocation;
use super::section::Section;
use crate::units::show_counted;

/// What is written above the checks.
#[derive(Debug, Clone)]
pub struct Head {
    /// The scenario's name.
    pub name: String,
    /// What was described, without any secret.
    pub from: String,
    /// When that backup was made.
    pub made: Option<Timestamp>,
    /// Where the backup is.
    pub location: BackupLocation,
    /// Roles that the backup requires and does not contain.
    pub create_roles: Vec<String>,
    /// Whether the checks are run on the backup.
    pub run: bool,
    /// The requested database.
    pub database: Option<String>,
}

/// Formats the scenario.
#[must_use]
pub fn scenario(head: &Head, descriptions: &[Description]) -> String {
    let mut text = incomplete(descriptions).map_or_else(String::new, |why| commented(&why));
    let mut may_shrink: Vec<String> = Vec::new();
    let tables = |one: &Description| {
        let tables = one.may_shrink.iter().map(ToString::to_string);
        tables.chain(one.old_partitions.clone()).collect::<Vec<_>>()
    };
    for table in descriptions.iter().flat_map(tables) {
        if !may_shrink.contains(&table) {
            may_shrink.push(table);
        }
    }
    text.push_str(&head.write(may_shrink));
    for one in descriptions {
        if let Some(database) = &one.database {
            let _ = write!(text, "\n# === database {database}\n");
        }
        for (what, why) in &one.omitted {
            text.push('\n');
            text.push_str(&commented(&format!(
                "Not described, and so not checked: {what}: {why}"
            )));
        }
        for section in one.sections.iter().filter(|section| !section.is_empty()) {
            write_section(&mut text, section, one.database.as_deref());
        }
    }
    text
}

/// That a part of the database could not be read, and which right gives it; `None` if all of it was.
#[must_use]
pub fn incomplete(descriptions: &[Description]) -> Option<String> {
    let omitted: usize = descriptions.iter().map(|one| one.omitted.len()).sum();
    (omitted > 0).then(|| {
        format!(
            "NOT COMPLETE: {} of the database could not be read, and nothing checks what is there. Each is listed below as \
             \"Not described\". Run `redrill init` again as a superuser, or as a role that has \
             `GRANT pg_read_all_data TO …` and, where tables have row security, `ALTER ROLE … BYPASSRLS`.",
            show_counted(omitted, "part")
        )
    })
}

fn write_section(text: &mut String, section: &Section, database: Option<&str>) {
    let _ = write!(text, "\n# --- {}\n", section.title);
    text.push_str(&commented(section.about));
    for note in &section.notes {
        text.push_str(&commented(note));
    }
    for block in &section.blocks {
        let mut block = block.clone();
        block.database = database.map(str::to_owned);
        text.push('\n');
        text.push_str(&block.render());
    }
}

impl Head {
    /// Formats it; `may_shrink` are tables whose rows are removed regularly.
    #[must_use]
    pub fn write(&self, may_shrink: Vec<String>) -> String {
        let made = self.made.map_or_else(String::new, |made| {
            format!(", a backup of {}", made.strftime("%Y-%m-%d %H:%M UTC"))
        });
        let mut text = commented(&format!(
            "Written by `redrill init` {} from {}{made}. Its checks compare a restored backup with the database as it was then.",
            env!("CARGO_PKG_VERSION"),
            self.from
        ));
        text.push_str(&commented(
            "Review it once: remove what need not be so, change what was guessed (\"Guessed:\"), and add what only you know, \
             such as a query whose result shows that it is this database (`redrill explain sql`), or the application itself \
             (`redrill explain api`). Then commit it.",
        ));
        if !self.run {
            text.push_str(&commented(
                "The checks were not run. `redrill run` with a backup shows which of them fail.",
            ));
        }
        let _ = write!(text, "\nschema = 1\nname = {}\n", quote(&self.name));
        text.push_str(&self.location.write());
        if !may_shrink.is_empty() && !self.location.is_base() {
            text.push_str("\n[backup.previous]\n");
            text.push_str(&commented(
                "Guessed: rows of these tables are removed regularly, as their names suggest, with such rows by ON DELETE CASCADE, or with old \
                 partitions; any other that loses nine tenths of its rows since the previous backup fails.",
            ));
            let list: Value = may_shrink.into();
            let _ = writeln!(text, "{}", list.write("may-shrink"));
        }
        if !self.create_roles.is_empty() || self.database.is_some() {
            text.push_str("\n[restore]\n");
        }
        if let Some(database) = &self.database {
            let _ = writeln!(text, "database = {}", quote(database));
        }
        if !self.create_roles.is_empty() {
            text.push_str(&commented(
                "The backup requires these roles and does not contain them: they are created without attributes. Add `login = true` \
                 to those that an application logs in as. Better: add the output of `pg_dumpall --globals-only` to the backup.",
            ));
            let roles = self.create_roles.iter();
            let roles: Vec<String> = roles
                .map(|role| format!("    {{ name = {} }},\n", quote(role)))
                .collect();
            let _ = write!(text, "role = [\n{}]\n", roles.concat());
        }
        text
    }
}
