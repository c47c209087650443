//! The scenario as a person reads it: a head that says what made it, then the parts in the order of a
//! runbook. Pure: the same data gives the same text.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::Looked;
use super::block::{Value, commented, quote};
use super::place::Place;
use super::section::Section;

/// What stands above the checks.
#[derive(Debug, Clone)]
pub struct Head {
    /// The scenario's name.
    pub name: String,
    /// What was looked at, without any secret.
    pub from: String,
    /// When the backup was made that was looked at.
    pub of: Option<Timestamp>,
    /// Where the backup lies.
    pub place: Place,
    /// Roles that the backup names and does not hold.
    pub create_roles: Vec<String>,
    /// Whether the checks were tried.
    pub tried: bool,
    /// The database that is asked for.
    pub database: Option<String>,
}

/// Writes the file.
#[must_use]
pub fn scenario(head: &Head, looked: &[Looked]) -> String {
    let mut text = head.write();
    for one in looked {
        if let Some(database) = &one.database {
            let _ = write!(text, "\n# === the database {database}\n");
        }
        for (what, why) in &one.missed {
            text.push('\n');
            text.push_str(&commented(&format!("Not looked at: {what}: {why}")));
        }
        for section in one.sections.iter().filter(|section| !section.is_empty()) {
            write_section(&mut text, section, one.database.as_deref());
        }
    }
    text
}

fn write_section(text: &mut String, section: &Section, database: Option<&str>) {
    let _ = write!(text, "\n# --- {}\n", section.title);
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
    fn write(&self) -> String {
        let of = self.of.map_or_else(String::new, |made| {
            format!(", a backup of {}", made.strftime("%Y-%m-%d %H:%M UTC"))
        });
        let mut text = commented(&format!(
            "Written by `redrill init` {} from {}{of}. It holds the database to what it was then.",
            env!("CARGO_PKG_VERSION"),
            self.from
        ));
        text.push_str(&commented(
            "It is yours now: read it once, keep what you mean, change what was guessed (\"Guessed:\"), and add what only you \
             know, such as a query that tells this database from every other (`redrill explain sql`) or the application itself \
             (`redrill explain api`).",
        ));
        if !self.tried {
            text.push_str(&commented(
                "Nothing of it was tried yet: `redrill run` with a backup shows what does not hold.",
            ));
        }
        let _ = write!(text, "\nschema = 1\nname = {}\n", quote(&self.name));
        text.push_str(&self.place.write());
        if !self.create_roles.is_empty() || self.database.is_some() {
            text.push_str("\n[restore]\n");
        }
        if let Some(database) = &self.database {
            let _ = writeln!(text, "database = {}", quote(database));
        }
        if !self.create_roles.is_empty() {
            text.push_str(&commented(
                "The backup names these roles and does not hold them. Those that an application logs in as belong in \
                 `login-roles`; better still, put the roles beside the dump: pg_dumpall --globals-only.",
            ));
            let list: Value = self.create_roles.clone().into();
            let _ = writeln!(text, "{}", list.write("create-roles"));
        }
        text
    }
}
