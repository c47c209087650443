//! Questions in Cypher, in a fresh session, only on a graph whose catalog is sound.

use super::catalog;
use crate::check::Restored;
use crate::check::count_bound::CountBound;
use crate::check::sessions::Lent;
use crate::database::{DatabaseError, Session};
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::{QualifiedName, quote_literal};
use crate::units::show_counted;

/// Closes and opens the quotes around Cypher, so a pattern may not hold it.
pub const QUOTE: &str = "$redrill$";

/// A pattern and how often it must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The pattern after `MATCH`.
    pub pattern: String,
    /// The expression after `RETURN`. A query that returns a vertex or an edge needs more of AGE's catalog than
    /// whoever counts: with a stale id AGE 1.8.0 answers the one and not the other.
    pub returns: &'static str,
    /// How many rows.
    pub bound: CountBound,
    /// Whether the number is what SQL counted, which row security may cut for a role.
    pub by_sql: bool,
    /// Whether it reads the base tables, which a least-privilege role may not.
    pub whole_graph: bool,
}

/// What came of the questions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// How many were asked.
    pub questions: usize,
    /// How many were answered.
    pub answered: usize,
    /// What is not as it must be.
    pub findings: Vec<Finding>,
}

const CYPHER: &str = "
SELECT * FROM ag_catalog.cypher({graph}, $redrill$
MATCH {pattern}
RETURN {returns}
$redrill$) AS (n ag_catalog.agtype)";

const ROLE: &str =
    "SELECT rolsuper OR rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = {role}";

const READS_ALL: &str = "
SELECT pg_catalog.has_table_privilege({role}, {vertices}, 'SELECT')
   AND pg_catalog.has_table_privilege({role}, {edges}, 'SELECT')";

/// Asks everything: as the role where there is one, else as superuser.
pub async fn ask(
    check: &super::Graph,
    graph: &catalog::Graph,
    restored: &Restored<'_>,
    catalog: &mut Session,
) -> Result<Asked, CouldNotRun> {
    let questions = check.questions(graph);
    let mut asked = Asked {
        questions: questions.len(),
        ..Asked::default()
    };
    let Some(role) = &check.role else {
        let mut session = superuser(restored).await?;
        for question in &questions {
            asked
                .put(check, "the superuser", &mut session, question, true)
                .await?;
        }
        session.close().await;
        return Ok(asked);
    };
    let literal = quote_literal(role);
    let Some(exempt) = catalog.value(&ROLE.replace("{role}", &literal)).await? else {
        let object = format!("role {role}");
        let missing = "there is none in the restored cluster";
        asked.findings.push(
            Finding::about(object, "the role that the application connects as", missing)
                .hint("restore the roles (`pg_dumpall --globals-only`) before the database"),
        );
        return Ok(asked);
    };
    let sees_all = exempt == "t" || !graph.row_security();
    let base = |name: &str| {
        QualifiedName {
            schema: graph.schema.clone(),
            name: name.to_owned(),
        }
        .literal()
    };
    let sql = READS_ALL
        .replace("{role}", &literal)
        .replace("{vertices}", &base("_ag_label_vertex"))
        .replace("{edges}", &base("_ag_label_edge"));
    let reads_all = catalog.value(&sql).await?.as_deref() == Some("t");
    let settings: Vec<(String, String)> = check.settings.clone().into_iter().collect();
    let mut session = match restored.session_as(role, &settings).await {
        Ok(session) => session,
        Err(error) if error.denied() => {
            let object = format!("role {role}");
            asked.findings.push(
                Finding::about(object, "a session in this database", error.to_string())
                    .hint("CONNECT on the database is not restored without `--create`"),
            );
            return Ok(asked);
        }
        Err(error) => return Err(error.into()),
    };
    let mut above = None;
    for question in &questions {
        if question.whole_graph && !reads_all {
            let session = match &mut above {
                Some(session) => session,
                None => above.insert(superuser(restored).await?),
            };
            asked
                .put(check, "the superuser", session, question, true)
                .await?;
        } else {
            let compare = sees_all || !question.by_sql;
            asked
                .put(check, role, &mut session, question, compare)
                .await?;
        }
    }
    session.close().await;
    if let Some(session) = above {
        session.close().await;
    }
    Ok(asked)
}

/// Opens a superuser's session in which Cypher runs whatever the database's settings are.
async fn superuser<'a>(restored: &'a Restored<'_>) -> Result<Lent<'a>, CouldNotRun> {
    let mut session = restored.session().await?;
    // AGE names its operators without a schema.
    session
        .run("LOAD 'age'; SET search_path = pg_catalog, ag_catalog")
        .await?;
    Ok(session)
}

impl Asked {
    /// Asks one question. The same error is reported once, however many questions end in it.
    async fn put(
        &mut self,
        check: &super::Graph,
        who: &str,
        session: &mut Session,
        question: &Question,
        compare: bool,
    ) -> Result<(), CouldNotRun> {
        let sql = CYPHER
            .replace("{graph}", &quote_literal(&check.graph))
            .replace("{returns}", question.returns)
            .replace("{pattern}", &question.pattern);
        let expected = format!("{} in Cypher as {who}", question.bound.show("row"));
        let object = format!("graph {}: MATCH {}", check.graph, question.pattern);
        match session.count(&sql).await {
            Ok(rows) => {
                self.answered += 1;
                if compare && !question.bound.allows(rows) {
                    let actual = show_counted(rows, "row");
                    self.findings.push(if question.by_sql {
                        let counted = format!("{expected}, as SQL counts");
                        Finding::about(object, counted, actual)
                    } else {
                        Finding::about(object, expected, actual)
                    });
                }
            }
            Err(error) => match judge(&error) {
                CypherJudgement::Mistake(hint) => {
                    return Err(CouldNotRun::new(format!("{object}: {error}")).hint(hint));
                }
                CypherJudgement::Unknown(why) => {
                    return Err(CouldNotRun::new(format!("{object}: {error}{why}")));
                }
                CypherJudgement::Fault(hint) => {
                    let actual = error.to_string();
                    if !self.findings.iter().any(|finding| finding.actual == actual) {
                        let mut finding = Finding::about(object, expected, actual);
                        finding.hint = hint.map(str::to_owned);
                        self.findings.push(finding);
                    }
                }
            },
        }
        Ok(())
    }
}

/// What an error says: about the restored graph, about the scenario, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CypherJudgement {
    /// The restored graph does not answer.
    Fault(Option<&'static str>),
    /// The scenario asks something that cannot be asked.
    Mistake(&'static str),
    /// It says nothing about the backup.
    Unknown(&'static str),
}

/// Judges an error of Cypher.
fn judge(error: &DatabaseError) -> CypherJudgement {
    if error.lost {
        return CypherJudgement::Unknown(
            ": the server ended the connection while it ran Cypher, so it probably crashed",
        );
    }
    let state = error.sqlstate.as_deref().unwrap_or("");
    match state {
        "42601" => {
            return CypherJudgement::Mistake("write what is between `MATCH` and `RETURN`");
        }
        "25006" => return CypherJudgement::Mistake("a pattern may not write"),
        _ => {}
    }
    // Resources and time limits of the drill's server, not the graph.
    if state.starts_with("53") || state.starts_with("57") {
        return CypherJudgement::Unknown("");
    }
    CypherJudgement::Fault(if error.mentions("unhandled cypher") {
        Some(
            "AGE is not loaded in this role's sessions: `session_preload_libraries` of the database \
             or the role is lost (a dump without `--create` does not hold it)",
        )
    } else if error.denied() {
        Some(
            "rights on ag_catalog or on the graph's schema and tables are lost; an extension's own \
             schema keeps only the grants that the dump holds",
        )
    } else if state == "42883" {
        Some(
            "ag_catalog is not in this role's search_path: a setting of the role or the database is \
             lost, or the application's own belongs in `settings`",
        )
    } else if error.mentions("graph with oid") {
        Some(
            "the graph's id in ag_catalog.ag_graph is not its schema's OID: a logical restore of AGE \
             needs `ag_graph.graphid` and `ag_label.graph` set to the new OIDs afterwards",
        )
    } else {
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlstate::Names;
    use rstest::rstest;

    fn error(sqlstate: &str, message: &str, lost: bool) -> DatabaseError {
        DatabaseError {
            lost,
            ..DatabaseError::answered(sqlstate, message, false, &Names::default())
        }
    }

    #[rstest]
    #[case("42501", "permission denied for schema ag_catalog", "rights on")]
    #[case("0A000", "unhandled cypher(cstring) function call", "session_preload")]
    #[case("42883", "operator does not exist: graphid = graphid", "search_path")]
    #[case("3F000", "graph with oid 17 does not exist", "graphid")]
    fn a_graph_that_does_not_answer_is_a_fault(
        #[case] state: &str,
        #[case] message: &str,
        #[case] hint: &str,
    ) {
        let CypherJudgement::Fault(Some(given)) = judge(&error(state, message, false)) else {
            panic!("no hint");
        };
        assert!(given.contains(hint), "{given}");
    }

    #[rstest]
    #[case("42601", false)]
    #[case("25006", false)]
    #[case("57014", false)]
    #[case("53200", false)]
    #[case("57P02", true)]
    fn what_says_nothing_about_the_backup_is_no_fault(#[case] state: &str, #[case] lost: bool) {
        assert!(!matches!(
            judge(&error(state, "no", lost)),
            CypherJudgement::Fault(_)
        ));
    }
}
