//! Which rows a role sees.

use super::behaviour::{Behaviour, Sees};
use crate::check::privilege::{could_not_try, says_nothing};
use crate::database::{DatabaseError, Session};
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::{QualifiedName, quote_ident};
use crate::units::{show_count, show_counted};

impl Behaviour {
    /// Compares the rows that the role sees with those that it must see.
    pub(super) async fn compare_rows(
        &self,
        superuser: &mut Session,
        own: &mut Session,
        table: &QualifiedName,
        looked_at: &QualifiedName,
        total: u64,
    ) -> Result<Option<Finding>, CouldNotRun> {
        let object = self.object(looked_at);
        if self.denied == Some(true) {
            return Ok(match count_visible(own, looked_at, None).await? {
                Err(error) if error.denied() => None,
                Err(error) => Some(Finding::about(
                    object,
                    "refused, because a right is missing (42501)",
                    format!("it failed otherwise: {error}"),
                )),
                Ok(count) => Some(
                    Finding::about(
                        object,
                        "refused, because a right is missing (42501)",
                        format!("it sees {}", show_counted(count, "row")),
                    )
                    .hint(format!(
                        "REVOKE SELECT ON {looked_at}, from PUBLIC and from the roles that {} is in too",
                        quote_ident(&self.role)
                    )),
                ),
            });
        }
        let (expected, all, condition) = match (&self.sees_where, self.sees_rows, self.sees) {
            (Some(condition), _, _) => {
                let all = count_expected(superuser, table, condition, total).await?;
                (
                    format!("the {} where {condition}", show_counted(all, "row")),
                    all,
                    Some(condition),
                )
            }
            (None, Some(rows), _) => (show_counted(rows, "row"), rows, None),
            (None, None, Some(Sees::None)) => ("no row".to_owned(), 0, None),
            (None, None, None) => return Ok(None),
        };
        let visible = match count_visible(own, looked_at, None).await? {
            Ok(visible) => visible,
            Err(error) => return Ok(Some(query_failed(object, &expected, &error))),
        };
        let matching = match condition {
            Some(condition) => match count_visible(own, looked_at, Some(condition)).await? {
                Ok(matching) => matching,
                Err(error) => {
                    return Err(could_not_try(
                        &format!("the condition of `sees-where` on {looked_at}"),
                        &error,
                    )
                    .hint("a view must have the columns of the condition; where it has not, give `sees-rows`"));
                }
            },
            None => visible,
        };
        Ok(compare(object, expected, all, visible, matching))
    }
}

/// Counts what a session sees; an error of the statement is an answer too.
async fn count_visible(
    session: &mut Session,
    relation: &QualifiedName,
    condition: Option<&String>,
) -> Result<Result<u64, DatabaseError>, CouldNotRun> {
    let condition = condition.map_or(String::new(), |text| format!(" WHERE ({text}\n)"));
    let sql = format!("SELECT pg_catalog.count(*) FROM {relation}{condition}");
    match session.count(&sql).await {
        Err(error) if error.lost || says_nothing(&error) => {
            Err(could_not_try(&format!("counting {relation}"), &error))
        }
        answer => Ok(answer),
    }
}

/// Counts, as superuser, the rows that the role must see.
async fn count_expected(
    superuser: &mut Session,
    table: &QualifiedName,
    condition: &str,
    total: u64,
) -> Result<u64, CouldNotRun> {
    let sql = format!("SELECT pg_catalog.count(*) FROM {table} WHERE ({condition}\n)");
    let all = superuser.count(&sql).await.map_err(|error| {
        could_not_try(&format!("the condition of `sees-where` on {table}"), &error)
            .hint("as superuser it is read with search_path = pg_catalog: write schemas in front of functions")
    })?;
    if all == 0 {
        return Err(CouldNotRun::new(format!(
            "no row of {table} is one where {condition}: nothing shows that the role sees them"
        ))
        .hint("name a value that the restored data has"));
    }
    if all == total {
        return Err(CouldNotRun::new(format!(
            "every row of {table} is one where {condition}: nothing shows that others are hidden"
        ))
        .hint("name a value that only some rows have"));
    }
    Ok(all)
}

fn query_failed(object: String, expected: &str, error: &DatabaseError) -> Finding {
    Finding::about(object, format!("it sees {expected}"), format!("its query fails: {error}")).hint(
        if error.denied() {
            "GRANT SELECT, and USAGE on the schema"
        } else {
            "a policy may use a function or a setting that was not restored: `ALTER DATABASE … SET` and `ALTER ROLE … IN DATABASE SET` are only in a dump with --create"
        },
    )
}

/// Compares what is seen with what must be: `all` rows, and each of them one that matches.
fn compare(
    object: String,
    expected: String,
    all: u64,
    visible: u64,
    matching: u64,
) -> Option<Finding> {
    if visible == all && matching == all {
        return None;
    }
    let actual = if visible == matching {
        show_counted(visible, "row")
    } else {
        format!(
            "{}, {} of them others",
            show_counted(visible, "row"),
            show_count(visible.saturating_sub(matching))
        )
    };
    let hint = if visible > matching || visible > all {
        "a restrictive policy is missing, row security is off, or a view or function reads with its owner's rights"
    } else {
        "a permissive policy or a grant is missing, or a setting of the session"
    };
    Some(
        Finding::about(
            object,
            format!("it sees {expected}"),
            format!("it sees {actual}"),
        )
        .hint(hint),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(10, 10, 10, None)]
    #[case(10, 30, 10, Some("30 rows, 20 of them others"))]
    #[case(10, 10, 9, Some("10 rows, 1 of them others"))]
    #[case(10, 8, 8, Some("it sees 8 rows"))]
    #[case(0, 0, 0, None)]
    #[case(0, 1, 1, Some("it sees 1 row"))]
    fn exactly_these_rows(
        #[case] all: u64,
        #[case] visible: u64,
        #[case] matching: u64,
        #[case] says: Option<&str>,
    ) {
        let finding = compare(String::new(), String::new(), all, visible, matching);
        match (finding, says) {
            (None, None) => {}
            (Some(finding), Some(says)) => assert!(finding.actual.contains(says), "{finding:?}"),
            other => panic!("{other:?}"),
        }
    }
}
