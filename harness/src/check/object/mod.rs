//! `object`: objects are there, and others are not.
//!
//! - `kind` is the kinds of objects that have a name, `name` a name or pattern of one
//! - `compare` says what is missing and what must not be there

mod compare;
mod kind;
mod name;

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use self::compare::FoundObjects;
pub use self::kind::NamedKind;
use self::name::NameEntry;
use crate::catalog::{self, ObjectKind};
use crate::check::columns::Columns as _;
use crate::check::function::resolve;
use crate::check::privilege::conclude;
use crate::check::{Check, Observation, ParameterErrors, Parameters, Restored};
use crate::database::{DatabaseError, Session};
use crate::outcome::{CouldNotRun, summarize};
use crate::units::{listed, show_counted};

/// Objects of one kind are there by name, and retired ones are not there any more.
///
/// | `kind` | a name is written |
/// | --- | --- |
/// | `table`, `view`, `materialized-view`, `foreign-table`, `sequence`, `type`, `domain`, `index`, `statistics`, `collation`, `conversion`, `text-search-configuration`, `text-search-dictionary`, `text-search-parser`, `text-search-template` | `schema.name` |
/// | `function`, `procedure`, `aggregate` | `schema.name(types)`, or `schema.name` for all that have the name |
/// | `column`, `constraint`, `trigger`, `policy`, `rule` | `schema.table.name`; a constraint of a domain `schema.domain.name` |
/// | `schema`, `extension`, `role`, `event-trigger`, `publication`, `language`, `access-method`, `foreign-data-wrapper`, `foreign-server`, `tablespace` | `name` |
///
/// `*` and `?` match in each part. An enum, a range and a composite type are a `type`; a partition is a `table`; the index of
/// a primary key is an `index` too. A name without its schema is in `public`.
///
/// ## What it proves
/// - `present`: each name is there, and each pattern matches something.
/// - `absent`: no name is there, and no pattern matches anything. Where the whole schema, or the table of a column, is
///   missing, that is no sign of it: the report lists the entry as not tested, and a check that has no other could not run.
/// - `no-others-in`: of the objects that these patterns match, none but those of `present` is there.
///
/// Objects that belong to an extension are the extension's: they are not found here, neither as missing nor as retired.
/// A role counts as there when the backup creates it, and not when `[[restore.role]]` did.
///
/// ## What it does not prove
/// How an object is defined, and whether an index is valid or a trigger enabled: `baseline`, `index`, `constraint`, `trigger`,
/// `function` and `rls` compare that. Whether a table holds rows: `row-count`. Every new database has the schema `public` and
/// the extension plpgsql: that they are there says little.
///
/// ## Example
/// ```toml
/// [[check.object]]
/// name = "every table of the schema, and no other"
/// kind = "table"
/// present = ["app.customers", "app.orders", "app.audit_20*"]
/// no-others-in = ["app.*"]
///
/// [[check.object]]
/// name = "what was retired stays retired"
/// kind = "table"
/// absent = ["public.legacy_*", "app.orders_old"]
///
/// [[check.object]]
/// kind = "column"
/// present = ["app.orders.currency"]
/// absent = ["app.customers.password_plain"]
/// ```
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ObjectCheck {
    /// The kind of all objects that are named: `table`, `policy`, …
    pub kind: NamedKind,
    /// Names that must be there, and patterns that must match something.
    #[serde(default)]
    pub present: Vec<String>,
    /// Names that must not be there, and patterns that must match nothing.
    #[serde(default)]
    pub absent: Vec<String>,
    /// Names and patterns that may match nothing but what `present` matches.
    #[serde(default)]
    pub no_others_in: Vec<String>,
}

impl Parameters for ObjectCheck {
    const KIND: &'static str = "object";
    const LOOKS_AT_DATA: bool = false;

    fn validate(&self, errors: &mut ParameterErrors<'_>) {
        let asserted = [!self.present.is_empty(), !self.absent.is_empty()];
        errors.require_assertion(asserted, "add `present` or `absent`");
        if self.present.is_empty() {
            let others = [("no-others-in", !self.no_others_in.is_empty())];
            errors.each(
                others,
                "needs `present`",
                "what must not be there is `absent`",
            );
        }
        let lists = [
            ("present", &self.present),
            ("absent", &self.absent),
            ("no-others-in", &self.no_others_in),
        ];
        for (key, list) in lists {
            for (index, text) in list.iter().enumerate() {
                if let Err(message) = NameEntry::parse(self.kind, text) {
                    let hint = format!("write `{}`", self.kind.shape());
                    errors.at_item(key, index, message).add_hint(hint);
                }
            }
        }
        let absent: Vec<NameEntry> = self.entries(&self.absent).collect();
        for (index, text) in self.present.iter().enumerate() {
            let Ok(present) = NameEntry::parse(self.kind, text) else {
                continue;
            };
            let excludes = |other: &&NameEntry| {
                present.text == other.text
                    || present.function.is_none()
                        && present.exact().is_some_and(|path| other.matches(&path))
            };
            if let Some(other) = absent.iter().find(excludes) {
                let message = format!("`{text}` is matched by `{}` of `absent` too", other.text);
                errors
                    .at_item("present", index, message)
                    .add_hint("keep one of them");
            }
        }
    }
}

/// Objects with a schema and a name that belong to an extension.
const MEMBERS: &str = "
SELECT e.extname, a.object_names[1], a.object_names[2]
  FROM pg_catalog.pg_depend d
  JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid,
       LATERAL pg_catalog.pg_identify_object_as_address(d.classid, d.objid, d.objsubid) a
 WHERE d.deptype = 'e' AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
   AND pg_catalog.cardinality(a.object_names) = 2";

#[async_trait]
impl Check for ObjectCheck {
    fn describe(&self) -> String {
        let word = self.kind.word();
        match (self.present.as_slice(), self.absent.as_slice()) {
            ([], absent) => format!("no {word} {}", listed(absent, 2)),
            (present, []) => format!("{word} {}", listed(present, 2)),
            (present, absent) => {
                format!("{word} {} and no {}", listed(present, 2), listed(absent, 2))
            }
        }
    }

    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        // Of its own, since reading identities changes its settings.
        let mut session = restored.own_session().await?;
        let all = catalog::identities(&mut session).await?;
        let mut found = FoundObjects::of_kind(self.kind, &all);
        self.add_facts(restored, &mut session, &mut found).await?;
        session.close().await;
        let present: Vec<NameEntry> = self.entries(&self.present).collect();
        let absent: Vec<NameEntry> = self.entries(&self.absent).collect();
        let others: Vec<NameEntry> = self.entries(&self.no_others_in).collect();
        let (mut findings, mut unclear) = (Vec::new(), Vec::new());
        for entry in &present {
            match found.missing(entry) {
                Ok(finding) => findings.extend(finding),
                Err(error) => unclear.push(error),
            }
        }
        findings.extend(absent.iter().flat_map(|entry| found.unexpected(entry)));
        findings.extend(
            others
                .iter()
                .flat_map(|entry| found.others(entry, &present)),
        );
        let excluding = absent.iter().chain(&others);
        let not_tested: Vec<_> = excluding
            .filter_map(|entry| found.not_tested(entry))
            .collect();
        if present.is_empty()
            && not_tested.len() == absent.len()
            && let Some(first) = not_tested.first()
        {
            let nothing = format!("no {} is there to be checked", self.kind.word());
            unclear.push(CouldNotRun::new(nothing).hint(first.why.clone()));
        }
        let findings = conclude(findings, unclear)?;
        let all = show_counted(found.found.len(), self.kind.word());
        let actual = if findings.is_empty() {
            format!("{all} in the database, as expected")
        } else {
            format!("{all} in the database; {}", summarize(&findings, "finding"))
        };
        let mut observation = Observation::new(self.expectation(), actual, findings);
        observation.not_tested = not_tested;
        Ok(observation)
    }
}

impl ObjectCheck {
    /// The entries of a list; one that cannot be read was refused with the scenario.
    fn entries(&self, list: &[String]) -> impl Iterator<Item = NameEntry> {
        let entries = list.iter().map(|text| NameEntry::parse(self.kind, text));
        entries.filter_map(Result::ok)
    }

    /// Says what is expected, in one line.
    fn expectation(&self) -> String {
        let lists = [
            ("there: ", &self.present),
            ("absent: ", &self.absent),
            ("no others in: ", &self.no_others_in),
        ];
        let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
        let parts = lists.map(|(word, list)| format!("{word}{}", listed(list, 5)));
        parts.collect::<Vec<_>>().join("; ")
    }

    /// Reads what identities do not say: which function a name with types is, what belongs to an extension, and who made a
    /// role.
    async fn add_facts(
        &self,
        restored: &Restored<'_>,
        session: &mut Session,
        found: &mut FoundObjects<'_>,
    ) -> Result<(), CouldNotRun> {
        let lists = [&self.present, &self.absent, &self.no_others_in];
        for entry in lists.into_iter().flat_map(|list| self.entries(list)) {
            if let Some(function) = &entry.function
                && let Some(oid) = resolve(session, function).await?
            {
                found.functions.insert(entry.text, format!("pg_proc {oid}"));
            }
        }
        found.members = members(session).await?;
        if self.kind == NamedKind::Object(ObjectKind::Role) {
            let made = restored.roles_of_backup();
            let superuser = &restored.server.endpoint().superuser;
            found.superuser = Some(superuser.clone()).filter(|name| !made.contains(name));
            let names = found.found.iter().filter_map(|object| object.path.first());
            let names = names.map(|name| (*name).to_owned());
            found.not_of_the_backup = names.filter(|name| !made.contains(name)).collect();
        }
        Ok(())
    }
}

async fn members(
    session: &mut Session,
) -> Result<BTreeMap<(String, String), String>, DatabaseError> {
    let rows = session.rows(MEMBERS).await?;
    let member = |row: &Vec<Option<String>>| {
        let name = row.name(1)?;
        Some(((name.schema, name.name), row.text(0)?))
    };
    Ok(rows.iter().filter_map(member).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parameters::errors_of;
    use rstest::rstest;

    fn check(kind: &str, present: &[&str], absent: &[&str], others: &[&str]) -> ObjectCheck {
        let list = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect();
        ObjectCheck {
            kind: kind.to_owned().try_into().unwrap(),
            present: list(present),
            absent: list(absent),
            no_others_in: list(others),
        }
    }

    #[rstest]
    #[case(check("table", &["app.t"], &["app.old_*"], &["app.*"]), 0)]
    #[case(check("table", &["app.*"], &["app.old_*"], &[]), 0)]
    #[case(check("function", &["app.f(integer)"], &["app.f"], &[]), 0)]
    #[case(check("table", &[], &[], &[]), 1)]
    #[case(check("table", &[], &["app.x"], &["app.*"]), 1)]
    #[case(check("table", &["app.t"], &["app.t"], &[]), 1)]
    #[case(check("table", &["app.old_t"], &["app.old_*"], &[]), 1)]
    #[case(check("table", &["app.t.id", "app."], &["a.b.c"], &[]), 3)]
    #[case(check("column", &["id"], &[], &[]), 1)]
    fn a_check_says_something_that_can_be(#[case] check: ObjectCheck, #[case] expected: usize) {
        assert_eq!(errors_of(|errors| check.validate(errors)).len(), expected);
    }
}
