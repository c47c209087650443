//! Ways into the schemas of other tenants with the rights of another: commands are tried, functions listed.

use std::collections::BTreeSet;

use super::{Own, Tenants};
use crate::check::indirect::{Indirect, Limit, Ways, could_not_rule_out};
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding};
use crate::rights::{Actor, Facts, KnownRights, ReadReach, Roles, WriteEvent, write_targets};

/// What the ways follow from.
pub(super) struct OtherRights {
    indirect: Indirect,
    rights: Facts,
}

impl OtherRights {
    /// Reads it; also gives a finding for each trusted function that is not there.
    pub(super) async fn read(
        session: &mut Session,
        tenants: &Tenants<'_>,
        (roles, owns): (&Roles, &[Own<'_>]),
    ) -> Result<(Self, Vec<Finding>), CouldNotRun> {
        let trusted = &tenants.check.trusted_functions;
        let (indirect, missing) = Indirect::read(session, trusted).await?;
        let names = owns.iter().map(|own| own.actor.role.name.as_str());
        let rights = indirect.rights(session, roles, names, &[]).await?;
        Ok((Self { indirect, rights }, missing))
    }

    /// Tries or lists the ways of one tenant's role.
    pub(super) async fn find(
        &self,
        tenants: &Tenants<'_>,
        session: &mut Session,
        (roles, own): (&Roles, &Own<'_>),
        actor: &Actor<'_>,
    ) -> Result<(Vec<Finding>, Vec<CouldNotRun>), CouldNotRun> {
        let Indirect { writes, trusted } = &self.indirect;
        let known = KnownRights::new(writes, roles, &self.rights);
        let others: BTreeSet<&str> = tenants.others(own).map(String::as_str).collect();
        let tables = writes.of_schemas(|schema| others.contains(schema));
        let role = &actor.role.name;
        let able = known.readers(&tables);
        let reading = ReadReach::new(
            writes,
            &known,
            &tables,
            |owner| able.contains(owner),
            trusted,
        );
        let (_, functions) = reading.of_role(actor);
        let mut open = Vec::new();
        if !functions.is_empty() {
            let what = format!("role {role} into the schemas of other tenants");
            open.push(could_not_rule_out(
                &what,
                "may read or write them",
                &functions,
            ));
        }
        // What is listed for reading needs no second entry.
        let listed = functions.iter().map(|one| one.oid.clone());
        let indirect = Indirect {
            trusted: trusted.iter().cloned().chain(listed).collect(),
            ..self.indirect.clone()
        };
        let limit = Limit {
            object: format!("schema {}", own.schema),
            expected: format!("{role} writes no other tenant's schema"),
            purpose: "write another tenant's schema".to_owned(),
            indirect: None,
            targets: &write_targets(&tables, &WriteEvent::ALL),
        };
        let mut ways = Ways::default();
        ways.find(
            tenants.restored,
            session,
            &[],
            (&indirect, &known),
            (actor, &limit),
        )
        .await?;
        let (findings, unclear) = ways.finish();
        open.extend(unclear);
        Ok((findings, open))
    }
}
