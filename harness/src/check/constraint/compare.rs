//! Compares the constraints that are there with those of the check.

use super::Constraint;
use super::catalog::{FoundConstraint, unusable};
use crate::check::absent;
use crate::outcome::Finding;
use crate::sql::{QualifiedName, is_same_definition, quote_ident};
use crate::units::show_counted;

impl Constraint {
    /// Compares the constraints of one table and of what is below it with what is asked for.
    pub(super) fn compare(&self, table: &QualifiedName, all: &[FoundConstraint]) -> Vec<Finding> {
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
                    .hint(absent::why("ADD CONSTRAINT")),
                );
            }
            for found in here {
                findings.extend(unusable(found));
                if found.of_root {
                    findings.extend(self.compare_definition(found));
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
                    .hint(absent::why("ADD CONSTRAINT … PRIMARY KEY")),
            );
        }
        findings
    }

    /// Compares one constraint with its definition.
    fn compare_definition(&self, found: &FoundConstraint) -> Vec<Finding> {
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
    pub(super) fn compare_counts(&self, all: &[FoundConstraint]) -> Vec<Finding> {
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
                        show_counted(wanted, words),
                        show_counted(number, words),
                    )
                    .hint(absent::why("ADD CONSTRAINT"))
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::constraint::Deferrable;
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
    fn a_table_is_compared_with_the_check(#[case] toml: &str, #[case] broken: usize) {
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
        let findings = check.compare_counts(&[found(), below]);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].actual, "0 CHECK constraints");
    }
}
