//! `constraint`: constraints are there, validated, as they were defined, and hold on the data.
//!
//! - `catalog` reads the constraints
//! - `compare` compares them with the check
//! - `holds` reads the rows

mod catalog;
mod compare;
mod holds;

use std::time::Instant;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use self::catalog::{find, switched_off};
use crate::check::privilege::{add_unclear, tree};
use crate::check::target::{Targets, is_listed};
use crate::check::{Check, Entry, Observation, ParameterErrors, Parameters, Restored};
use crate::outcome::{CouldNotRun, Finding};
use crate::units::show_counted;

/// Constraints of tables are there, validated, as they were defined, and hold on the data.
///
/// Which ones is said by name (`constraint`, `constraints`) or by `all-valid`, for each table of `table`
/// or `tables`, with its partitions and whatever inherits from it.
///
/// ## What it proves
/// - A named constraint is there, validated, enforced, and none of the triggers that carry out a foreign
///   key is switched off, on either table. A restore that finds rows which break a foreign key goes on
///   without it, with nothing but a message.
/// - `definition`, `deferrable`: it is the one that was meant. Definitions are compared as
///   `pg_get_constraintdef` writes them, white space aside; a name without a schema in the expected one
///   stands for one in any schema.
/// - `all-valid`: this holds for every constraint of the tables, those in `not-valid` aside.
/// - `primary-key`: each table has one.
/// - `count`: so many of each sort on all the tables together, partitions and inherited ones not
///   counted twice. It shows that one is lost without naming all of them.
/// - `holds`: the rows themselves. No row of a foreign key is without its other end (MATCH SIMPLE and
///   FULL, several columns, partitioned tables on both sides); no row makes a CHECK false; no key is
///   there twice, read from the table and not from its index.
///
/// ## What it does not prove
/// That a constraint is one that the application needs. `holds` does not read exclusion
/// constraints, constraints of domains, keys with PERIOD or WITHOUT OVERLAPS (it says so where
/// there is one), and unique indexes without a constraint. A CHECK whose function finds its own tables
/// by `search_path` cannot be tried.
///
/// ## Example
/// ```toml
/// [[check.constraint]]
/// name = "foreign keys, checks and keys hold on every row"
/// tables = ["app.*"]
/// all-valid = true
/// not-valid = ["users_email_shape"]
/// holds = true
///
/// [[check.constraint]]
/// table = "app.orders"
/// constraint = "orders_customer_fkey"
/// definition = "FOREIGN KEY (customer_id) REFERENCES app.customers(id) ON DELETE CASCADE"
///
/// [[check.constraint]]
/// tables = ["app.*"]
/// except = ["app.raw_*"]
/// primary-key = true
/// count = { foreign-key = 12, check = 4 }
/// ```
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Constraint {
    /// One table.
    pub table: Option<String>,
    /// Several tables; `*` and `?` match in schema and name.
    #[serde(default)]
    pub tables: Vec<String>,
    /// Tables that are left out; `*` and `?` match.
    #[serde(default)]
    pub except: Vec<String>,
    /// One constraint, which each of the tables has.
    pub constraint: Option<String>,
    /// Several constraints, which each of the tables has.
    #[serde(default)]
    pub constraints: Vec<String>,
    /// The definition of `constraint`, as `pg_get_constraintdef` writes it.
    pub definition: Option<String>,
    /// Whether and when `constraint` may be deferred.
    pub deferrable: Option<Deferrable>,
    /// Whether every constraint of the tables must be validated, enforced and switched on.
    #[serde(default)]
    pub all_valid: bool,
    /// Constraints, by name, that may be NOT VALID or NOT ENFORCED, and need not hold.
    #[serde(default)]
    pub not_valid: Vec<String>,
    /// Whether each table must have a primary key.
    #[serde(default)]
    pub primary_key: bool,
    /// How many of each sort all the tables have together.
    pub count: Option<Numbers>,
    /// Whether the rows are read and compared with the constraints.
    #[serde(default)]
    pub holds: bool,
}

/// Whether and when a constraint may be deferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Deferrable {
    /// It may not.
    No,
    /// It may, and is not by itself.
    InitiallyImmediate,
    /// It is, by itself.
    InitiallyDeferred,
}

impl Deferrable {
    const fn word(self) -> &'static str {
        match self {
            Self::No => "not deferrable",
            Self::InitiallyImmediate => "deferrable initially immediate",
            Self::InitiallyDeferred => "deferrable initially deferred",
        }
    }
}

/// How many constraints there are of each sort.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Numbers {
    /// PRIMARY KEY.
    pub primary_key: Option<usize>,
    /// FOREIGN KEY.
    pub foreign_key: Option<usize>,
    /// UNIQUE.
    pub unique: Option<usize>,
    /// CHECK.
    pub check: Option<usize>,
    /// EXCLUDE.
    pub exclude: Option<usize>,
}

impl Numbers {
    fn of(&self) -> [(char, &'static str, Option<usize>); 5] {
        [
            ('p', "primary key", self.primary_key),
            ('f', "foreign key", self.foreign_key),
            ('u', "unique constraint", self.unique),
            ('c', "CHECK constraint", self.check),
            ('x', "exclusion constraint", self.exclude),
        ]
    }
}

impl Parameters for Constraint {
    const KIND: &'static str = "constraint";
    const LOOKS_AT_DATA: bool = false;

    fn validate(&self, errors: &mut ParameterErrors<'_>) {
        self.targets().validate(errors);
        errors.refuse_pattern("table", "tables", self.table.as_ref());
        if self.constraint.is_none() {
            let of_one = [
                ("definition", self.definition.is_some()),
                ("deferrable", self.deferrable.is_some()),
            ];
            errors.each(
                of_one,
                "is about one constraint",
                "name it: `constraint = \"…\"`",
            );
        }
        if self.constraint.is_some() && !self.constraints.is_empty() {
            errors.at(
                "constraints",
                "`constraint` and `constraints` do not go together; list all in `constraints`",
            );
        }
        if !self.not_valid.is_empty() && !self.all_valid && !self.holds {
            errors.at("not-valid", "`not-valid` needs `all-valid` or `holds`");
        }
        if !self.except.is_empty() && self.tables.is_empty() {
            errors.at("except", "`except` needs `tables`");
        }
        errors.require_names("except", &self.except, "schema.table");
        let asserted = [
            self.names().next().is_some(),
            self.all_valid,
            self.primary_key,
            self.holds,
            self.count.is_some_and(|count| count != Numbers::default()),
        ];
        errors.require_assertion(
            asserted,
            "add `constraint`, `constraints`, `all-valid`, `primary-key`, `count` or `holds`",
        );
    }
}

#[async_trait]
impl Check for Constraint {
    fn describe(&self) -> String {
        let names: Vec<&str> = self.names().collect();
        let of = self.targets().describe();
        match names.as_slice() {
            [] => format!("constraints of {of}"),
            [one] => format!("constraint {one} of {of}"),
            many => format!("{} of {of}", show_counted(many.len(), "constraint")),
        }
    }

    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        let mut session = restored.session().await?;
        let resolved = self.targets().resolve(&mut session).await?;
        let mut findings = resolved.missing;
        let mut entries = Vec::new();
        let mut unclear = Vec::new();
        let mut all = Vec::new();
        let mut read = 0;
        for table in &resolved.tables {
            if is_listed(&self.except, table) {
                continue;
            }
            let began = Instant::now();
            let relations = tree(&mut session, table).await?;
            if relations.is_empty() {
                findings.push(Finding::about(
                    table.to_string(),
                    "a table",
                    "it is none, and so has no constraints",
                ));
                continue;
            }
            let found = find(&mut session, &relations).await?;
            let mut wrong = self.compare(table, &found);
            if self.all_valid || self.names().next().is_some() {
                let is_asked = |name: &str| self.all_valid || self.names().any(|own| own == name);
                wrong.extend(switched_off(&mut session, &relations, is_asked).await?);
            }
            let mut actual = show_counted(found.len(), "constraint");
            if self.holds {
                let held = holds::compare_rows(&mut session, &relations, &self.not_valid).await?;
                actual.push_str(&format!(", {} compared with the rows", held.read));
                read += held.read;
                wrong.extend(held.findings);
                unclear.extend(held.unclear);
            }
            all.extend(found);
            entries.push(Entry::new(table, self.expectation(), actual, wrong, began));
        }
        session.close().await;
        findings.extend(self.compare_counts(&all));
        let is_wrong = !findings.is_empty() || entries.iter().any(|e| !e.findings.is_empty());
        if !is_wrong && entries.is_empty() {
            return Err(CouldNotRun::new("`except` leaves no table to check")
                .hint("leave out fewer, or remove the check"));
        }
        add_unclear(&mut findings, is_wrong, unclear)?;
        if !is_wrong {
            self.require_constraints(all.len(), read)?;
        }
        let tables = show_counted(entries.len(), "table");
        let mut actual = format!("{} of {tables}", show_counted(all.len(), "constraint"));
        if self.holds {
            actual.push_str(&format!(", {read} compared with the rows"));
        }
        let whole = Observation::new(self.expectation(), actual, findings);
        Ok(self.targets().in_entries(whole, entries))
    }
}

impl Constraint {
    fn targets(&self) -> Targets<'_> {
        Targets::new(self.table.as_deref(), &self.tables)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let several = self.constraints.iter().map(String::as_str);
        self.constraint.as_deref().into_iter().chain(several)
    }

    /// Refuses to pass where there was nothing to check.
    fn require_constraints(&self, there: usize, read: usize) -> Result<(), CouldNotRun> {
        if there == 0 && self.all_valid {
            return Err(CouldNotRun::new(format!(
                "{} has no constraint, so none was checked",
                self.targets().describe()
            ))
            .hint("name those that must be there in `constraints`"));
        }
        if read == 0 && self.holds {
            return Err(CouldNotRun::new(format!(
                "{} has no key and no CHECK that rows could be compared with",
                self.targets().describe()
            ))
            .hint("leave `holds` out, or check whether the constraints were lost"));
        }
        Ok(())
    }

    /// Says what is expected, in one line.
    fn expectation(&self) -> String {
        let mut parts = Vec::new();
        let names: Vec<&str> = self.names().collect();
        if !names.is_empty() {
            parts.push(format!("{} there and valid", names.join(", ")));
        }
        if self.definition.is_some() {
            parts.push("as defined".to_owned());
        }
        if let Some(deferrable) = self.deferrable {
            parts.push(deferrable.word().to_owned());
        }
        if self.all_valid {
            parts.push("every constraint validated and switched on".to_owned());
        }
        if self.primary_key {
            parts.push("a primary key".to_owned());
        }
        for (_, words, number) in self.count.unwrap_or_default().of() {
            if let Some(number) = number {
                parts.push(show_counted(number, words));
            }
        }
        if self.holds {
            parts.push("no row violates them".to_owned());
        }
        parts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parameters::errors_of;
    use rstest::rstest;

    fn check(toml: &str) -> Constraint {
        toml::from_str(toml).unwrap()
    }

    #[rstest]
    #[case("table = 'app.t'\nconstraint = 'a'\ndefinition = 'x'", 0)]
    #[case(
        "tables = ['app.*']\nall-valid = true\nnot-valid = ['a']\nholds = true",
        0
    )]
    #[case("tables = ['app.*']\nexcept = ['app.raw']\nprimary-key = true", 0)]
    #[case("table = 'app.t'", 1)]
    #[case("all-valid = true", 1)]
    #[case("table = 'app.*'\nholds = true", 1)]
    #[case("table = 'app.t'\nholds = true\ndefinition = 'x'", 1)]
    #[case("table = 'app.t'\nprimary-key = true\nnot-valid = ['a']", 1)]
    #[case("table = 'app.t'\ncount = {}", 1)]
    #[case("table = 'app.t'\nconstraint = 'a'\nconstraints = ['b']", 1)]
    #[case("table = 'app.t'\nholds = true\nexcept = ['app.x']", 1)]
    fn parameters_must_make_sense(#[case] toml: &str, #[case] expected: usize) {
        let made = errors_of(|errors| check(toml).validate(errors));
        assert_eq!(made.len(), expected, "{made:#?}");
    }
}
