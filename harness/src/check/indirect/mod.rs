//! Indirect ways to write a table, as [`rights`](crate::rights) finds them: tried where a statement can try them, otherwise
//! listed. What can be neither tried nor ruled out makes a check INCONCLUSIVE.

mod attempt;
mod policies;

pub use self::policies::{Allowed, PastPolicies, Under};

use std::collections::{BTreeMap, BTreeSet};

use self::attempt::{PathEnd, Trial};
use crate::check::function::{FunctionName, resolve};
use crate::check::{ParameterErrors, Restored};
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding, NotTested};
use crate::rights::{
    Actor, Facts, FunctionFacts, KnownRights, Named, Roles, Step, WriteEntry, WriteEvent,
    WriteFacts, WritePath, WriteReach, WriteTarget,
};

/// Why a function of `trusted-functions` is not tested.
const TRUSTED: &str =
    "`trusted-functions` declares that it gives no caller what this check excludes";

/// Finds entries of `trusted-functions` that do not name one function.
pub fn validate(trusted_functions: &[String], errors: &mut ParameterErrors<'_>) {
    for function in trusted_functions {
        errors.require("trusted-functions", parse(function));
    }
}

/// The functions that are not tested.
pub fn not_tested(trusted_functions: &[String]) -> Vec<NotTested> {
    let all = trusted_functions.iter();
    all.map(|name| NotTested::new(format!("function {name}"), TRUSTED))
        .collect()
}

fn parse(text: &str) -> Result<FunctionName, String> {
    let name = FunctionName::parse(text)?;
    match name.has_types() && !name.is_pattern() {
        true => Ok(name),
        false => Err(format!(
            "`{text}` does not name one function; write `schema.name(types)`"
        )),
    }
}

/// SECURITY DEFINER functions that may do what a check excludes; `ways` is whose ways whither, `what` why it is one.
#[must_use]
pub fn could_not_rule_out(ways: &str, what: &str, functions: &[&FunctionFacts]) -> CouldNotRun {
    let names: Vec<String> = functions.iter().map(|one| one.show()).collect();
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    CouldNotRun::new(format!(
        "these ways of {ways} could neither be tried nor ruled out: EXECUTE on {} (SECURITY DEFINER, with an owner {what})",
        names.join(", ")
    ))
    .hint(format!(
        "REVOKE EXECUTE on the functions; where a review shows that they do not, add `trusted-functions = [{}]` to the check",
        quoted.join(", ")
    ))
}

/// What indirect ways follow from.
#[derive(Debug, Clone)]
pub struct Indirect {
    /// Views, foreign keys, rules, triggers and functions.
    pub writes: WriteFacts,
    /// The OIDs of the functions of `trusted-functions`.
    pub trusted: BTreeSet<String>,
}

/// What a role must not do.
#[derive(Debug, Clone)]
pub struct Limit<'a> {
    /// The tables, in findings.
    pub object: String,
    /// What is expected, in findings.
    pub expected: String,
    /// What the ways are to, in words: `change app.audit`.
    pub purpose: String,
    /// The table as an entry of `indirect` names it, where there is such a key.
    pub indirect: Option<String>,
    /// The commands.
    pub targets: &'a [WriteTarget],
}

/// What was found about ways.
#[derive(Debug, Default)]
pub struct Ways {
    /// Ways by which a role does what it must not.
    pub findings: Vec<Finding>,
    /// Ways that could neither be tried nor ruled out, with their purposes.
    open: BTreeMap<String, BTreeSet<String>>,
    /// Functions among them.
    functions: BTreeSet<String>,
}

impl Limit<'_> {
    /// The commands, each once: `DELETE, TRUNCATE`.
    #[must_use]
    pub fn commands(&self) -> String {
        let has = |event: &WriteEvent| self.targets.iter().any(|(_, target)| target == event);
        WriteEvent::list(WriteEvent::ALL.into_iter().filter(has))
    }
}

impl Indirect {
    /// Reads it; also gives a finding for each trusted function that is not there.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn read(
        session: &mut Session,
        trusted_functions: &[String],
    ) -> Result<(Self, Vec<Finding>), CouldNotRun> {
        let (mut trusted, mut missing) = (BTreeSet::new(), Vec::new());
        for text in trusted_functions {
            let name = parse(text).map_err(CouldNotRun::new)?;
            match resolve(session, &name).await? {
                Some(oid) => drop(trusted.insert(oid)),
                None => missing.push(
                    Finding::about(text, "a function of `trusted-functions`", "there is none")
                        .hint("remove it from `trusted-functions`, or correct its argument types"),
                ),
            }
        }
        let writes = WriteFacts::read(session).await?;
        Ok((Self { writes, trusted }, missing))
    }

    /// Reads the rights of these roles and of all owners.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn rights<'n>(
        &'n self,
        session: &mut Session,
        roles: &Roles,
        names: impl IntoIterator<Item = &'n str>,
        named: &[Named],
    ) -> Result<Facts, CouldNotRun> {
        let names: BTreeSet<&str> = names.into_iter().chain(self.writes.owners()).collect();
        let found = names.into_iter().filter_map(|name| roles.all.get(name));
        let actors: Vec<Actor<'_>> = found.map(|role| Actor::new(roles, role)).collect();
        Ok(Facts::read(session, roles, &actors, named).await?)
    }
}

impl Ways {
    /// Tries or lists the ways of a role to do what it must not.
    ///
    /// # Errors
    /// When a session cannot be opened, or an attempt says nothing.
    pub async fn find(
        &mut self,
        restored: &Restored<'_>,
        session: &mut Session,
        settings: &[(String, String)],
        (indirect, known): (&Indirect, &KnownRights<'_>),
        (actor, limit): (&Actor<'_>, &Limit<'_>),
    ) -> Result<(), CouldNotRun> {
        let (role, writes, targets) = (&actor.role.name, &indirect.writes, limit.targets);
        let paths = WriteReach::new(writes, known, targets, &indirect.trusted).paths(actor);
        if paths.is_empty() {
            return Ok(());
        }
        let mut own = match restored.session_as(role, settings).await {
            Ok(own) => Some(own),
            // A role that may not connect can try nothing; the ways are there.
            Err(error) if error.denied() => None,
            Err(error) => return Err(error.into()),
        };
        for path in &paths {
            let end = match (&path.entry, &mut own) {
                (WriteEntry::Function(_), _) => {
                    PathEnd::Unclear("what it does with its arguments is not known".to_owned())
                }
                (_, None) => PathEnd::Unclear("the role may not connect".to_owned()),
                (WriteEntry::Relation(relation, event), Some(own)) => {
                    let on = (*relation, *event);
                    let statements =
                        attempt::statements(session, writes, path, on, targets).await?;
                    let trial = Trial::of_tables(role, path, targets);
                    attempt::try_path(own, path, (role, *event), &statements, &trial).await?
                }
            };
            self.add(role, limit, path, end);
        }
        if let Some(own) = own {
            own.close().await;
        }
        Ok(())
    }

    /// Adds how trying a way ended.
    fn add(&mut self, role: &str, limit: &Limit<'_>, path: &WritePath<'_>, end: PathEnd) {
        match end {
            PathEnd::Stopped => {}
            PathEnd::Changed(what) => self.findings.push(finding(role, limit, path, &what)),
            PathEnd::Unclear(why) => {
                self.functions.extend(path.functions().map(str::to_owned));
                let way = format!("{} ({why})", describe(role, path));
                let purposes = self.open.entry(way).or_default();
                purposes.insert(limit.purpose.clone());
            }
        }
    }

    /// The findings, and all ways that could neither be tried nor ruled out as one error.
    #[must_use]
    pub fn finish(self) -> (Vec<Finding>, Option<CouldNotRun>) {
        if self.open.is_empty() {
            return (self.findings, None);
        }
        let mut by_purpose: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (way, purposes) in self.open {
            let purposes: Vec<String> = purposes.into_iter().collect();
            by_purpose.entry(purposes.join(", ")).or_default().push(way);
        }
        let ways = by_purpose.into_iter().map(|(purpose, ways)| {
            format!(
                "these ways to {purpose} could neither be tried nor ruled out: {}",
                ways.join("; ")
            )
        });
        let error = CouldNotRun::new(ways.collect::<Vec<_>>().join(". "));
        let names: Vec<String> = self
            .functions
            .iter()
            .map(|name| format!("{name:?}"))
            .collect();
        let error = match names.is_empty() {
            true => error.hint(
                "REVOKE the right that each begins with, or restore rows on which it can be tried",
            ),
            false => error.hint(format!(
                "REVOKE EXECUTE on the functions; where a review shows that they do not, add `trusted-functions = [{}]` to the check",
                names.join(", ")
            )),
        };
        (self.findings, Some(error))
    }
}

/// The role, what it may do, and what that leads through.
fn describe(role: &str, path: &WritePath<'_>) -> String {
    let may = match path.entry {
        WriteEntry::Function(function) => format!("EXECUTE on {}", function.show()),
        WriteEntry::Relation(relation, event) => format!("{} on {}", event.word(), relation.name),
    };
    format!("role {role} has {may}, {}", path.path.describe())
}

fn finding(role: &str, limit: &Limit<'_>, path: &WritePath<'_>, what: &str) -> Finding {
    let mut hint = match path.entry {
        WriteEntry::Function(function) => format!("REVOKE EXECUTE ON FUNCTION {}", function.show()),
        WriteEntry::Relation(relation, event) => {
            let right = path.path.steps.iter().find(|step| {
                matches!(
                    step,
                    Step::Public(_) | Step::Grant(_) | Step::Owner(_) | Step::Predefined(_)
                )
            });
            let grantee = right.map(Step::grantee).unwrap_or_default();
            let revoke = format!(
                "REVOKE {} ON {} FROM {grantee}",
                event.word(),
                relation.name
            );
            match relation.is_view && !relation.invoker {
                true => format!(
                    "{revoke}, or ALTER VIEW {} SET (security_invoker = true)",
                    relation.name
                ),
                false if path.cascades.is_empty() => revoke,
                false => format!("{revoke}, or make the foreign key NO ACTION"),
            }
        }
    };
    if let Some(table) = &limit.indirect {
        let commands = match &path.target {
            Some((_, event)) => WriteEvent::list([*event]),
            None => limit.commands(),
        };
        let entry = format!("{} on {table}", commands.to_lowercase());
        hint.push_str(&format!("; where it is meant, add {entry:?} to `indirect`"));
    }
    Finding::about(
        limit.object.clone(),
        limit.expected.clone(),
        format!("{}: {what}", describe(role, path)),
    )
    .hint(hint)
}
