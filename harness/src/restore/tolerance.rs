//! Which errors of a restore are tolerated, and why.

use std::collections::BTreeSet;

use super::log::Message;
use super::settings::Tolerate;

/// Which errors are tolerated, and why.
pub struct Tolerance<'a> {
    /// By the scenario.
    pub scenario: &'a [Tolerate],
    /// The bootstrap superuser, which every cluster has: its `CREATE ROLE` must fail.
    pub superuser: &'a str,
    /// Lines of the dump that only drop what it then creates.
    pub drops: &'a BTreeSet<u64>,
}

impl Tolerance<'_> {
    /// Returns the reason to tolerate a message, and whether the scenario gives it.
    pub(super) fn reason(&self, message: &Message) -> Option<(String, bool)> {
        let own = (!message.raised)
            .then(|| self.own_reason(message))
            .flatten();
        if let Some(why) = own {
            return Some((why.to_owned(), false));
        }
        self.scenario
            .iter()
            .find(|entry| {
                entry
                    .sqlstate
                    .as_deref()
                    .is_none_or(|state| state == message.sqlstate)
                    && entry
                        .message
                        .as_deref()
                        .is_none_or(|part| message.raw.contains(part))
            })
            .map(|entry| (entry.reason.clone(), true))
    }

    /// Errors that every restore of such a dump has. Code of the database can raise the same texts.
    fn own_reason(&self, message: &Message) -> Option<&'static str> {
        // `pg_dumpall --clean` drops every role, including the one that restores.
        if message.raw == "current user cannot be dropped" {
            return Some("the bootstrap superuser runs the restore and cannot be dropped");
        }
        if message.raw == format!("role \"{}\" already exists", self.superuser) {
            return Some("every cluster already has its bootstrap superuser");
        }
        if message.is_of_database() && message.lacks_role() {
            return Some(
                "the database itself has an owner, a right or a setting for a role that the backup does not need otherwise",
            );
        }
        if message.raw == "schema \"public\" already exists" {
            return Some("every database already has the schema public");
        }
        let absent = matches!(
            message.sqlstate.as_str(),
            "42P01" | "42704" | "42883" | "3F000" | "3D000"
        );
        (absent && self.drops.contains(&message.line))
            .then_some("`--clean` drops what the dump then creates, and the database is empty")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Redactor;
    use crate::restore::log::{Log, Mask};
    use crate::sqlstate::Names;

    #[test]
    fn only_what_is_listed_is_tolerated() {
        let scenario = [Tolerate {
            sqlstate: Some("42710".into()),
            message: Some("plpgsql".into()),
            reason: "built in".into(),
        }];
        let tolerance = Tolerance {
            scenario: &scenario,
            superuser: "postgres",
            drops: &[9].into(),
        };
        let mut log = Log::default();
        for (state, raw) in [
            ("42710", "role \"postgres\" already exists"),
            ("42710", "extension \"plpgsql\" already exists"),
            ("42710", "role \"app\" already exists"),
            ("42P07", "relation \"plpgsql\" already exists"),
            ("42P06", "schema \"public\" already exists"),
            ("42P06", "schema \"app\" already exists"),
        ] {
            let message = Message {
                sqlstate: state.into(),
                raw: raw.into(),
                ..Message::default()
            };
            let mask = Mask {
                redactor: &Redactor::default(),
                names: &Names::default(),
            };
            log.add(message, &tolerance, mask);
        }
        assert_eq!((log.count, log.tolerated.len()), (3, 3));
    }

    #[test]
    fn only_drops_of_what_does_not_exist_are_tolerated() {
        let drops = [3].into();
        let tolerance = Tolerance {
            scenario: &[],
            superuser: "postgres",
            drops: &drops,
        };
        let tolerated = |line: u64, sqlstate: &str, raised: bool| {
            let message = Message {
                sqlstate: sqlstate.to_owned(),
                raw: "table \"t\" does not exist".to_owned(),
                line,
                raised,
                ..Message::default()
            };
            tolerance.reason(&message).is_some()
        };
        assert!(tolerated(3, "42P01", false));
        assert!(!tolerated(4, "42P01", false), "another line");
        assert!(!tolerated(3, "2BP01", false), "another error");
        assert!(
            !tolerated(3, "42P01", true),
            "raised by code of the database"
        );
    }
}
