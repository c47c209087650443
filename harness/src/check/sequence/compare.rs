//! What is wrong with a sequence by itself, and with the rows of its columns.

use super::Sequence;
use super::catalog::{ColumnUse, SequenceState};
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::quote_ident;
use crate::units::show_counted;

/// Rows that the sequence has yet to come to.
const AHEAD: &str = "
SELECT pg_catalog.count(*) FROM {only}{table}
 WHERE {column} {past} {next} AND {column} {within} {end}{lattice}";

impl Sequence {
    /// Finds what is wrong with a sequence by itself.
    pub fn compare(&self, found: &SequenceState) -> Vec<Finding> {
        let name = found.name.to_string();
        let mut findings = Vec::new();
        let takers: Vec<&ColumnUse> = found.uses.iter().filter(|using| using.is_fed()).collect();
        let owner = found.uses.iter().find(|using| using.owns);
        let by = |uses: &[&ColumnUse]| {
            let names: Vec<String> = uses.iter().map(|using| using.describe()).collect();
            names.join(", ")
        };
        let mend =
            |using: &ColumnUse| format!("ALTER SEQUENCE {name} OWNED BY {}", using.describe());
        match (owner, takers.first()) {
            (Some(owner), Some(taker)) if !owner.is_fed() => findings.push(
                Finding::about(
                    &name,
                    format!("owned by {}, which takes from it", by(&takers)),
                    format!("owned by {}, which does not", owner.describe()),
                )
                .hint(mend(taker)),
            ),
            (None, Some(taker)) if self.owned => findings.push(
                Finding::about(
                    &name,
                    format!("owned by {}, which takes from it", by(&takers)),
                    "no column owns it: it stays behind when the table is dropped",
                )
                .hint(mend(taker)),
            ),
            _ => {}
        }
        findings.extend(self.room(found));
        findings
    }

    /// Finds a sequence that is used up, or nearly.
    fn room(&self, found: &SequenceState) -> Option<Finding> {
        if found.cycles {
            return None;
        }
        let (end, first) = found.range();
        let next = found.next();
        let left = if found.increment > 0 {
            end - next + 1
        } else {
            next - end + 1
        };
        let size = (end - first).abs() + 1;
        let name = found.name.to_string();
        let hint = "make the column bigint and ALTER SEQUENCE … AS bigint MAXVALUE …, before it is used up";
        if left <= 0 {
            return Some(
                Finding::about(
                    name,
                    format!("a next value of at most {end}"),
                    format!("the next value would be {next}: nextval() or the INSERT fails"),
                )
                .hint(hint),
            );
        }
        let room = self.room?;
        #[expect(clippy::cast_precision_loss, reason = "a share is approximate")]
        let share = left as f64 / size as f64 * 100.0;
        (share < room.0).then(|| {
            Finding::about(
                name,
                format!("{} % of its range left", room.0),
                format!("{share:.1} % left up to {end}"),
            )
            .hint(hint)
        })
    }
}

/// Writes the query that counts the rows that the sequence has yet to come to.
fn ahead(found: &SequenceState, using: &ColumnUse) -> String {
    let up = found.increment > 0;
    let (next, step) = (found.next(), found.increment.abs());
    let column = quote_ident(&using.column);
    let lattice = if step > 1 {
        format!(" AND ({column} - ({next})) % {step} = 0")
    } else {
        String::new()
    };
    AHEAD
        .replace("{only}", if using.with_children { "" } else { "ONLY " })
        .replace("{table}", &using.table.to_string())
        .replace("{column}", &column)
        .replace("{past}", if up { ">=" } else { "<=" })
        .replace("{next}", &format!("({next})"))
        .replace("{within}", if up { "<=" } else { ">=" })
        .replace(
            "{end}",
            &format!("({})", if up { found.most } else { found.least }),
        )
        .replace("{lattice}", &lattice)
}

/// Finds rows that the sequence has yet to come to.
pub async fn behind(
    session: &mut Session,
    found: &SequenceState,
    using: &ColumnUse,
) -> Result<Option<Finding>, CouldNotRun> {
    if found.cycles {
        return Ok(None);
    }
    let rows = session.count(&ahead(found, using)).await.map_err(|error| {
        CouldNotRun::new(format!("{} cannot be read: {error}", using.describe()))
    })?;
    Ok((rows > 0).then(|| {
        Finding::about(
            found.name.to_string(),
            format!("a next value after every row of {}", using.describe()),
            format!("the next value is {}, with {} at or after it", found.next(), show_counted(rows, "row")),
        )
        .hint(format!(
            "the next INSERT uses a number that is taken; look for its setval() in the restore: SELECT setval({}, max({})) FROM {}",
            found.name.literal().trim(),
            quote_ident(&using.column),
            using.table
        ))
    }))
}

#[cfg(test)]
mod tests {
    use super::super::catalog::tests::{found, used};
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(5, 1, "id >= (6) AND id <= (100)")]
    #[case(5, 10, "id >= (15) AND id <= (100) AND (id - (15)) % 10 = 0")]
    #[case(-5, -1, "id <= (-6) AND id >= (-100)")]
    fn what_is_counted(#[case] last: i128, #[case] increment: i128, #[case] expected: &str) {
        let found = found(last, increment);
        let sql = ahead(&found, &found.uses[0]);
        assert!(sql.contains(expected), "{sql}");
        assert!(sql.contains("FROM app.t\n"), "{sql}");
    }

    #[rstest]
    #[case(50, 1, "", 0)]
    #[case(100, 1, "", 1)]
    #[case(99, 1, "", 0)]
    #[case(95, 1, "room = '10%'", 1)]
    #[case(50, 1, "room = '10%'", 0)]
    #[case(-100, -1, "", 1)]
    #[case(-95, -1, "room = '10%'", 1)]
    #[case(-50, -1, "room = '10%'", 0)]
    fn room_is_what_is_left(
        #[case] last: i128,
        #[case] increment: i128,
        #[case] toml: &str,
        #[case] broken: usize,
    ) {
        let check: Sequence = toml::from_str(toml).unwrap();
        assert_eq!(check.compare(&found(last, increment)).len(), broken);
    }

    #[test]
    fn a_column_too_narrow_for_its_sequence_ends_it() {
        let mut found = SequenceState {
            most: i128::from(i64::MAX),
            ..found(32_767, 1)
        };
        assert_eq!(Sequence::default().compare(&found), []);
        found.uses[0].most = 32_767;
        assert_eq!(Sequence::default().compare(&found).len(), 1);
        found.cycles = true;
        assert_eq!(Sequence::default().compare(&found), []);
    }

    #[rstest]
    #[case::serial(true, true, false, false, 0)]
    #[case::identity(true, false, true, true, 0)]
    #[case::not_owned(false, true, false, false, 0)]
    #[case::not_owned_but_asked_for(false, true, false, true, 1)]
    #[case::owned_by_one_that_does_not_take(true, false, false, false, 1)]
    fn a_sequence_belongs_to_who_takes_from_it(
        #[case] owns: bool,
        #[case] takes: bool,
        #[case] identity: bool,
        #[case] owned: bool,
        #[case] broken: usize,
    ) {
        let check = Sequence {
            owned,
            ..Sequence::default()
        };
        let mut found = found(5, 1);
        found.uses = vec![ColumnUse {
            owns,
            takes,
            identity,
            ..used("id")
        }];
        if owns && !takes && !identity {
            found.uses.push(ColumnUse {
                owns: false,
                ..used("other")
            });
        }
        assert_eq!(check.compare(&found).len(), broken);
    }
}
