//! `constraint`: constraints are there, validated, as they were defined, and hold on the data.
//!
//! - `catalog` reads the constraints
//! - `holds` reads the rows

mod catalog;
mod holds;

use std::time::Instant;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use self::catalog::{FoundConstraint, find, switched_off, unusable};
use crate::check::privilege::tree;
use crate::check::target::{Targets, is_listed, pattern_in_one, unreadable};
use crate::check::{Check, Complaint, Entry, Observation, Parameters, Restored};
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::{QualifiedName, is_same_definition, quote_ident};

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
            ('p', "primary keys", self.primary_key),
            ('f', "foreign keys", self.foreign_key),
            ('u', "unique constraints", self.unique),
            ('c', "CHECK constraints", self.check),
            ('x', "exclusion constraints", self.exclude),
        ]
    }
}

impl Parameters for Constraint {
    const KIND: &'static str = "constraint";
    const LOOKS_AT_DATA: bool = false;

    fn complaints(&self) -> Vec<Complaint> {
        let mut complaints = self.targets().complaints();
        complaints.extend(pattern_in_one("table", "tables", self.table.as_deref()));
        if self.constraint.is_none() {
            let of_one = [
                ("definition", self.definition.is_some()),
                ("deferrable", self.deferrable.is_some()),
            ];
            complaints.extend(Complaint::about_each(
                of_one,
                "is about one constraint",
                "name it: `constraint = \"…\"`",
            ));
        }
        if self.constraint.is_some() && !self.constraints.is_empty() {
            complaints.push(Complaint::about(
                "constraints",
                "`constraint` and `constraints` do not go together; list all in `constraints`",
            ));
        }
        if !self.not_valid.is_empty() && !self.all_valid && !self.holds {
            complaints.push(Complaint::about(
                "not-valid",
                "`not-valid` takes away from `all-valid` or `holds`, and neither is there",
            ));
        }
        if !self.except.is_empty() && self.tables.is_empty() {
            complaints.push(Complaint::about(
                "except",
                "`except` takes away from `tables`",
            ));
        }
        complaints.extend(unreadable("except", &self.except, "schema.table"));
        let counts = self
            .count
            .is_some_and(|count| count.of().iter().any(|(_, _, number)| number.is_some()));
        let asserts = self.names().next().is_some()
            || self.all_valid
            || self.primary_key
            || self.holds
            || counts;
        if !asserts {
            complaints.push(Complaint::whole("this check asserts nothing").hint(
                "add `constraint`, `constraints`, `all-valid`, `primary-key`, `count` or `holds`",
            ));
        }
        complaints
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
            many => format!("{} constraints of {of}", many.len()),
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
            let mut actual = format!("{} constraints", found.len());
            if self.holds {
                let held = holds::look(&mut session, &relations, &self.not_valid).await?;
                actual.push_str(&format!(", {} compared with the rows", held.read));
                read += held.read;
                wrong.extend(held.findings);
                unclear.extend(held.unclear);
            }
            all.extend(found);
            entries.push(Entry::new(table, self.expectation(), actual, wrong, began));
        }
        session.close().await;
        findings.extend(self.numbers(&all));
        let wrong = findings.len() + entries.iter().map(|e| e.findings.len()).sum::<usize>();
        if wrong == 0 {
            if entries.is_empty() {
                return Err(CouldNotRun::new("`except` leaves no table to check")
                    .hint("leave out fewer, or remove the check"));
            }
            if let Some(first) = unclear.into_iter().next() {
                return Err(first);
            }
            self.saw_something(all.len(), read)?;
        } else {
            findings.extend(unclear.into_iter().map(|unclear| Finding {
                hint: unclear.hint,
                ..Finding::new("a look at every constraint", unclear.reason)
            }));
        }
        let mut actual = format!("{} constraints of {} tables", all.len(), entries.len());
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

    /// Refuses to pass without having seen anything.
    fn saw_something(&self, there: usize, read: usize) -> Result<(), CouldNotRun> {
        if there == 0 && self.all_valid {
            return Err(CouldNotRun::new(format!(
                "{} has no constraint, so none was checked",
                self.targets().describe()
            ))
            .hint("name those that must be there in `constraints`"));
        }
        if read == 0 && self.holds {
            return Err(CouldNotRun::new(format!(
                "{} has no key and no CHECK that rows could be held to",
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
                parts.push(format!("{number} {words}"));
            }
        }
        if self.holds {
            parts.push("every row keeps to them".to_owned());
        }
        parts.join(", ")
    }

    /// Compares the constraints of one table and of what is below it with what is asked for.
    fn compare(&self, table: &QualifiedName, all: &[FoundConstraint]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for name in self.names() {
            let here: Vec<&FoundConstraint> =
                all.iter().filter(|found| found.name == name).collect();
            if !here.iter().any(|found| found.of_root) {
                findings.push(
                    Finding::about(
                        format!("constraint {} on {table}", quote_ident(name)),
                        "a constraint",
                        "there is none",
                    )
                    .hint(
                        "look for its ADD CONSTRAINT in the restore's errors: a key is left out \
                         when rows break it, and when the dump was cut after the data",
                    ),
                );
            }
            for found in here {
                findings.extend(unusable(found));
                if found.of_root {
                    findings.extend(self.differs(found));
                }
            }
        }
        if self.all_valid {
            findings.extend(
                all.iter()
                    .filter(|found| !self.names().any(|name| name == found.name))
                    .filter(|found| !self.not_valid.contains(&found.name))
                    .filter_map(unusable),
            );
        }
        if self.primary_key && !all.iter().any(|found| found.of_root && found.sort == 'p') {
            findings.push(
                Finding::about(table.to_string(), "a primary key", "it has none")
                    .hint("look for ADD CONSTRAINT … PRIMARY KEY in the restore's errors"),
            );
        }
        findings
    }

    /// Compares one constraint with its definition.
    fn differs(&self, found: &FoundConstraint) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let Some(definition) = &self.definition
            && !is_same_definition(definition, &found.definition)
        {
            findings.push(Finding::about(
                found.to_string(),
                definition,
                &found.definition,
            ));
        }
        if let Some(deferrable) = self.deferrable
            && deferrable != found.deferrable
        {
            findings.push(Finding::about(
                found.to_string(),
                deferrable.word(),
                found.deferrable.word(),
            ));
        }
        findings
    }

    /// Counts the constraints of each sort.
    fn numbers(&self, all: &[FoundConstraint]) -> Vec<Finding> {
        let Some(count) = self.count else {
            return Vec::new();
        };
        count
            .of()
            .into_iter()
            .filter_map(|(sort, words, wanted)| {
                let wanted = wanted?;
                let number = all.iter().filter(|f| f.of_root && f.sort == sort).count();
                (number != wanted).then(|| {
                    Finding::about(
                        self.targets().describe(),
                        format!("{wanted} {words}"),
                        format!("{number} {words}"),
                    )
                    .hint("look for ADD CONSTRAINT in the restore's errors")
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn check(toml: &str) -> Constraint {
        toml::from_str(toml).unwrap()
    }

    fn found() -> FoundConstraint {
        FoundConstraint {
            table: QualifiedName::parse("app.t").unwrap(),
            of_root: true,
            name: "t_fkey".to_owned(),
            sort: 'f',
            validated: true,
            deferrable: Deferrable::No,
            enforced: true,
            definition: "FOREIGN KEY (a) REFERENCES app.b(id)".to_owned(),
        }
    }

    #[rstest]
    #[case("constraint = 't_fkey'", 0)]
    #[case("constraint = 'lost'", 1)]
    #[case("constraints = ['t_fkey', 'lost']", 1)]
    #[case(
        "constraint = 't_fkey'\ndefinition = 'FOREIGN KEY (a)  REFERENCES b(id)'",
        0
    )]
    #[case(
        "constraint = 't_fkey'\ndefinition = 'FOREIGN KEY (a) REFERENCES b(id) ON DELETE CASCADE'",
        1
    )]
    #[case("constraint = 't_fkey'\ndeferrable = 'no'", 0)]
    #[case("constraint = 't_fkey'\ndeferrable = 'initially-deferred'", 1)]
    #[case("primary-key = true", 1)]
    #[case("all-valid = true", 0)]
    fn a_table_is_held_to_what_is_asked(#[case] toml: &str, #[case] broken: usize) {
        let table = found().table;
        assert_eq!(check(toml).compare(&table, &[found()]).len(), broken);
    }

    #[rstest]
    #[case("all-valid = true", 1)]
    #[case("constraint = 't_fkey'\nall-valid = true", 1)]
    #[case("all-valid = true\nnot-valid = ['t_fkey']", 0)]
    fn what_is_not_valid_is_found(#[case] toml: &str, #[case] broken: usize) {
        for bad in [
            FoundConstraint {
                validated: false,
                ..found()
            },
            FoundConstraint {
                enforced: false,
                validated: false,
                ..found()
            },
        ] {
            let table = bad.table.clone();
            assert_eq!(check(toml).compare(&table, &[bad]).len(), broken);
        }
    }

    #[test]
    fn constraints_are_counted_once() {
        let check = check("count = { foreign-key = 1, check = 1 }");
        let below = FoundConstraint {
            of_root: false,
            ..found()
        };
        let findings = check.numbers(&[found(), below]);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].actual, "0 CHECK constraints");
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
    fn parameters_must_make_sense(#[case] toml: &str, #[case] complaints: usize) {
        let made = check(toml).complaints();
        assert_eq!(made.len(), complaints, "{made:#?}");
    }
}
