//! What a role sees and may write, tried as that role.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::privilege::{could_not_try, one_statement, says_nothing};
use crate::check::{Complaint, Restored};
use crate::database::{Attempt, DatabaseError, Session};
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::{QualifiedName, quote_ident};
use crate::units::show_count;

/// What a role sees and may write.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Behaviour {
    /// The role, in a session of its own.
    pub role: String,
    /// Settings of that session, as the application makes them.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// A view through which the role reads, instead of the table.
    pub through: Option<String>,
    /// It sees exactly this many rows.
    pub sees_rows: Option<u64>,
    /// `none`: it sees no row, although there are some.
    pub sees: Option<Sees>,
    /// It sees the rows for which this condition holds, all of them and no other.
    pub sees_where: Option<String>,
    /// `true`: it may not read at all (SQLSTATE 42501).
    pub denied: Option<bool>,
    /// A statement that must be refused (SQLSTATE 42501), or be an UPDATE or DELETE that reaches no
    /// row although it does as superuser.
    pub refuses: Option<String>,
    /// A statement that must go through and touch a row.
    pub allows: Option<String>,
}

/// A word for what is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sees {
    /// No row.
    None,
}

impl Behaviour {
    /// Finds what asserts nothing, or two things that exclude each other.
    #[must_use]
    pub fn complaints(&self) -> Vec<Complaint> {
        let key = "behaviour";
        let mut complaints = Vec::new();
        let views = [
            self.sees_rows.is_some(),
            self.sees.is_some(),
            self.sees_where.is_some(),
            self.denied.is_some(),
        ];
        let looks = views.iter().filter(|given| **given).count();
        if looks == 0 && self.refuses.is_none() && self.allows.is_none() {
            complaints.push(
                Complaint::about(
                    key,
                    format!("a behaviour of `{}` asserts nothing", self.role),
                )
                .hint("add `sees-where`, `sees-rows`, `sees`, `denied`, `refuses` or `allows`"),
            );
        }
        if looks > 1 {
            complaints.push(
                Complaint::about(
                    key,
                    "`sees-rows`, `sees`, `sees-where` and `denied` say the same thing differently",
                )
                .hint("give one of them"),
            );
        }
        if self.denied == Some(false) {
            complaints.push(
                Complaint::about(key, "`denied = false` does not say what is seen")
                    .hint("write `sees-rows` or `sees-where`"),
            );
        }
        if let Some(view) = &self.through {
            if looks == 0 {
                complaints.push(Complaint::about(key, "`through` needs something to see"));
            }
            if let Err(message) = QualifiedName::parse(view) {
                complaints.push(Complaint::about(key, message).hint("write `schema.view`"));
            }
        }
        for statement in [&self.refuses, &self.allows].into_iter().flatten() {
            if let Err(message) = one_statement(statement) {
                complaints.push(Complaint::about(key, message));
            }
        }
        if let Some(condition) = &self.sees_where
            && one_statement(&format!("select {condition}")).is_err()
        {
            complaints.push(Complaint::about(key, "`sees-where` is one condition"));
        }
        complaints
    }

    /// Tells whether it names rows of one particular table.
    #[must_use]
    pub fn is_of_one_table(&self) -> bool {
        self.through.is_some()
            || self.sees_rows.is_some()
            || self.refuses.is_some()
            || self.allows.is_some()
    }

    /// How a finding names it.
    fn object(&self, looked_at: &QualifiedName) -> String {
        let settings: Vec<String> = self
            .settings
            .iter()
            .map(|(name, value)| format!("{name} = {value}"))
            .collect();
        if settings.is_empty() {
            format!("{looked_at} as {}", self.role)
        } else {
            format!("{looked_at} as {} with {}", self.role, settings.join(", "))
        }
    }

    /// Looks at `table`, which holds `total` rows, as the role.
    ///
    /// # Errors
    /// When it could not look, or would have passed whatever the policies are.
    pub async fn look(
        &self,
        restored: &Restored<'_>,
        superuser: &mut Session,
        table: &QualifiedName,
        total: u64,
    ) -> Result<Vec<Finding>, CouldNotRun> {
        let looked_at = match &self.through {
            Some(view) => QualifiedName::parse(view).map_err(CouldNotRun::new)?,
            None => table.clone(),
        };
        let settings: Vec<(String, String)> = self.settings.clone().into_iter().collect();
        let mut own = match restored.session_as(&self.role, &settings).await {
            Ok(own) => own,
            Err(error) if error.denied() => {
                return Ok(vec![
                    Finding::about(
                        self.object(&looked_at),
                        "a session of the role",
                        format!("it is not let in: {error}"),
                    )
                    .hint("GRANT CONNECT on the database"),
                ]);
            }
            Err(error) => return Err(error.into()),
        };
        let mut findings = Vec::new();
        findings.extend(
            self.sees(superuser, &mut own, table, &looked_at, total)
                .await?,
        );
        if let Some(sql) = &self.refuses {
            let tried = own.attempt(sql).await?;
            if tried == Attempt::Allowed(0) && picks_rows(sql) {
                reaches_a_row(restored, &mut own, sql, &settings).await?;
            }
            let finding = refused(&tried, sql)?;
            findings.extend(finding.map(|f| self.named(f, table)));
        }
        if let Some(sql) = &self.allows {
            let tried = own.attempt(sql).await?;
            findings.extend(allowed(&tried, sql)?.map(|f| self.named(f, table)));
        }
        own.close().await;
        Ok(findings)
    }

    fn named(&self, mut finding: Finding, table: &QualifiedName) -> Finding {
        finding.object = Some(self.object(table));
        finding
    }

    /// Looks at what the role sees.
    async fn sees(
        &self,
        superuser: &mut Session,
        own: &mut Session,
        table: &QualifiedName,
        looked_at: &QualifiedName,
        total: u64,
    ) -> Result<Option<Finding>, CouldNotRun> {
        let object = self.object(looked_at);
        if self.denied == Some(true) {
            return Ok(match seen(own, looked_at, None).await? {
                Err(error) if error.denied() => None,
                Err(error) => Some(Finding::about(
                    object,
                    "refused for lack of a right (42501)",
                    format!("it failed otherwise: {error}"),
                )),
                Ok(count) => Some(
                    Finding::about(
                        object,
                        "refused for lack of a right (42501)",
                        format!("it sees {} rows", show_count(count)),
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
                let all = expected_rows(superuser, table, condition, total).await?;
                (
                    format!("the {} rows where {condition}", show_count(all)),
                    all,
                    Some(condition),
                )
            }
            (None, Some(rows), _) => (format!("{} rows", show_count(rows)), rows, None),
            (None, None, Some(Sees::None)) => ("no row".to_owned(), 0, None),
            (None, None, None) => return Ok(None),
        };
        let visible = match seen(own, looked_at, None).await? {
            Ok(visible) => visible,
            Err(error) => return Ok(Some(cannot_look(object, &expected, &error))),
        };
        let matching = match condition {
            Some(condition) => match seen(own, looked_at, Some(condition)).await? {
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
async fn seen(
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
async fn expected_rows(
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
            "no row of {table} is one where {condition}: the role cannot be seen to see it"
        ))
        .hint("name a value that the restored data has"));
    }
    if all == total {
        return Err(CouldNotRun::new(format!(
            "every row of {table} is one where {condition}: nothing is there to be hidden"
        ))
        .hint("name a value that only some rows have"));
    }
    Ok(all)
}

fn cannot_look(object: String, expected: &str, error: &DatabaseError) -> Finding {
    Finding::about(object, format!("it sees {expected}"), format!("its query fails: {error}")).hint(
        if error.denied() {
            "GRANT SELECT, and USAGE on the schema"
        } else {
            "a policy may use a function or a setting that did not come back: `ALTER DATABASE … SET` and `ALTER ROLE … IN DATABASE SET` are only in a dump with --create"
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
        format!("{} rows", show_count(visible))
    } else {
        format!(
            "{} rows, {} of them others",
            show_count(visible),
            show_count(visible.saturating_sub(matching))
        )
    };
    let hint = if visible > matching || visible > all {
        "a restrictive policy is gone, row security is off, or a view or function reads with its owner's rights"
    } else {
        "a permissive policy or a grant is gone, or the session lacks a setting"
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

/// The first word of a statement, in lower case.
fn verb(sql: &str) -> String {
    sql.split_whitespace()
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase()
}

/// Tells whether a statement picks the rows that it touches, so that a policy can hide them from it.
fn picks_rows(sql: &str) -> bool {
    matches!(verb(sql).as_str(), "update" | "delete" | "merge" | "with")
}

/// Tells whether the server says how many rows a statement touched; it does not for TRUNCATE.
fn counts_rows(sql: &str) -> bool {
    picks_rows(sql) || matches!(verb(sql).as_str(), "insert" | "select" | "copy")
}

/// Sees that an UPDATE or DELETE that reached no row reaches one as superuser: else it says nothing.
/// Names are looked for as in the role's session, and with its settings.
async fn reaches_a_row(
    restored: &Restored<'_>,
    own: &mut Session,
    sql: &str,
    settings: &[(String, String)],
) -> Result<(), CouldNotRun> {
    let path = own
        .value("SELECT pg_catalog.current_setting('search_path')")
        .await?
        .unwrap_or_default();
    let mut all = settings.to_vec();
    all.push(("search_path".to_owned(), path));
    let superuser = &restored.server.endpoint().superuser;
    let mut session = restored.session_as(superuser, &all).await?;
    let tried = session.attempt(sql).await?;
    session.close().await;
    match tried {
        Attempt::Allowed(0) => Err(CouldNotRun::new(format!(
            "the {} of `refuses` reaches no row even as superuser, and so says nothing",
            verb(sql).to_ascii_uppercase()
        ))
        .hint("name rows that the restored data has")),
        // Something got in the way after the row was reached.
        Attempt::Allowed(_) => Ok(()),
        Attempt::Refused(error) => Err(could_not_try(
            "`refuses`, tried as superuser to see that it reaches a row,",
            &error,
        )),
    }
}

/// Judges a write that must be refused.
fn refused(tried: &Attempt, sql: &str) -> Result<Option<Finding>, CouldNotRun> {
    let expected = "the write is refused";
    match tried {
        Attempt::Refused(error) if error.denied() => Ok(None),
        Attempt::Refused(error) => Err(could_not_try("the statement of `refuses`", error)
            .hint("only 42501 shows that a right or a policy refuses it: correct the statement")),
        Attempt::Allowed(0) if picks_rows(sql) => Ok(None),
        Attempt::Allowed(0) if counts_rows(sql) => Err(CouldNotRun::new(
            "the statement of `refuses` went through and touched no row: this says nothing",
        )
        .hint("give an INSERT of one row, or an UPDATE or DELETE of rows that are there")),
        Attempt::Allowed(rows) => Ok(Some(
            Finding::new(
                expected,
                format!(
                    "it went through and touched {} rows (rolled back)",
                    show_count(*rows)
                ),
            )
            .hint("look at the policy's WITH CHECK, and at the grants"),
        )),
    }
}

/// Judges a write that must go through.
fn allowed(tried: &Attempt, sql: &str) -> Result<Option<Finding>, CouldNotRun> {
    let actual = match tried {
        Attempt::Allowed(0) if counts_rows(sql) => {
            format!("its {} touched no row", verb(sql).to_ascii_uppercase())
        }
        Attempt::Allowed(_) => return Ok(None),
        Attempt::Refused(error) if error.denied() => format!("it was refused: {error}"),
        Attempt::Refused(error) => {
            return Err(could_not_try("the statement of `allows`", error)
                .hint("correct the statement, so that it is valid on the restored data"));
        }
    };
    Ok(Some(Finding::new("the write goes through", actual).hint(
        "look at the grants on the table, its schema and its sequences, and at its policies",
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn app() -> Behaviour {
        Behaviour {
            role: "app".to_owned(),
            ..Behaviour::default()
        }
    }

    #[rstest]
    #[case(Behaviour { sees: Some(Sees::None), ..app() }, 0)]
    #[case(Behaviour { sees_rows: Some(3), refuses: Some("DELETE FROM t".to_owned()), ..app() }, 0)]
    #[case(app(), 1)]
    #[case(Behaviour { denied: Some(false), ..app() }, 1)]
    #[case(Behaviour { denied: Some(true), sees_rows: Some(1), ..app() }, 1)]
    #[case(Behaviour { through: Some("v".to_owned()), allows: Some("DELETE FROM t".to_owned()), ..app() }, 1)]
    #[case(Behaviour { refuses: Some("COMMIT".to_owned()), ..app() }, 1)]
    #[case(Behaviour { sees_where: Some("true; COMMIT".to_owned()), ..app() }, 1)]
    fn a_behaviour_says_one_thing(#[case] behaviour: Behaviour, #[case] complaints: usize) {
        assert_eq!(behaviour.complaints().len(), complaints);
    }

    #[rstest]
    #[case(10, 10, 10, None)]
    #[case(10, 30, 10, Some("30 rows, 20 of them others"))]
    #[case(10, 10, 9, Some("10 rows, 1 of them others"))]
    #[case(10, 8, 8, Some("it sees 8 rows"))]
    #[case(0, 0, 0, None)]
    #[case(0, 1, 1, Some("it sees 1 rows"))]
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

    fn error(state: &str) -> Attempt {
        Attempt::Refused(DatabaseError {
            sqlstate: Some(state.to_owned()),
            message: "no".to_owned(),
            lost: false,
        })
    }

    #[test]
    fn only_a_missing_right_is_a_refusal() {
        assert_eq!(refused(&error("42501"), "INSERT INTO t"), Ok(None));
        assert!(refused(&error("42601"), "INSERT INTO t").is_err());
        assert!(refused(&error("23505"), "INSERT INTO t").is_err());
        assert!(
            refused(&Attempt::Allowed(1), "INSERT INTO t")
                .unwrap()
                .is_some()
        );
        assert_eq!(refused(&Attempt::Allowed(0), "DELETE FROM t"), Ok(None));
        assert!(refused(&Attempt::Allowed(0), "INSERT INTO t").is_err());
        assert!(
            refused(&Attempt::Allowed(0), "TRUNCATE t")
                .unwrap()
                .is_some()
        );
    }

    #[test]
    fn a_write_that_must_go_through_touches_a_row() {
        assert_eq!(allowed(&Attempt::Allowed(1), "INSERT"), Ok(None));
        assert!(allowed(&Attempt::Allowed(0), "UPDATE t").unwrap().is_some());
        assert!(allowed(&error("42501"), "INSERT").unwrap().is_some());
        assert!(allowed(&error("23505"), "INSERT").is_err());
    }
}
