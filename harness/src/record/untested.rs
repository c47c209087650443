//! What no check and no stage of a drill tests.

use crate::outcome::{DrillResult, NotTested, TimeSource};
use crate::proof::settings::Level;
use crate::scenario::Scenario;

/// What no check and no stage tests.
pub(super) fn untested(scenario: &Scenario, result: &DrillResult) -> Vec<NotTested> {
    let entry = |what: &str, why: &str| NotTested {
        what: what.to_owned(),
        why: why.to_owned(),
    };
    let mut untested = Vec::new();
    let servers = || {
        let others = result.other_servers.iter().map(|(_, server)| server);
        result.server.iter().chain(others)
    };
    let contents = result.backup.iter().flat_map(|backup| &backup.extensions);
    let contents: Vec<&String> = contents.collect();
    for stub in &scenario.restore.stub {
        let is_stubbed = contents.contains(&&stub.extension)
            && servers().any(|server| !server.has_extension(&stub.extension));
        if is_stubbed {
            let schema = stub.schema.iter();
            let schema: String = schema
                .map(|schema| {
                    format!(", with the rows, sequences and rights in its schema {schema}")
                })
                .collect();
            let what = format!("the extension {}{schema}", stub.extension);
            untested.push(entry(
                &what,
                &format!("`[[restore.stub]]`: {}", stub.reason),
            ));
        }
    }
    // Without a restore none was created.
    if result.restore.is_some() {
        let made = scenario.restore.made_roles();
        for (login, why) in [
            (false, "without login and rights"),
            (true, "with login and no other right"),
        ] {
            let of_sort = made.iter().filter(|role| role.login == login);
            let names: Vec<&str> = of_sort.map(|role| role.name.as_str()).collect();
            if !names.is_empty() {
                let noun = if names.len() == 1 { "role" } else { "roles" };
                untested.push(entry(
                    &format!("the {noun} {}", names.join(", ")),
                    &format!("not in the backup; `[[restore.role]]` created them {why}"),
                ));
            }
        }
    }
    if result.restore.is_some() {
        untested.extend(unproven(scenario, result));
        if let Some(major) = scenario.server.major
            && scenario.proof == Level::Off
        {
            untested.push(entry(
                &format!("what an upgrade to PostgreSQL {major} changes"),
                "it is a part of the proof, which is off",
            ));
        }
        if scenario.checks.is_empty() {
            untested.push(entry(
                "how the restored database behaves",
                "the scenario has no check, so the verdict rests on the comparison with the backup",
            ));
        }
        untested.push(entry(
            "objects that no check names",
            "a restore cannot show that the backup lacks an object",
        ));
    }
    let weak = |source| source == TimeSource::ModificationTime;
    if result
        .backup
        .as_ref()
        .and_then(|backup| backup.made)
        .is_some_and(|(_, source)| weak(source))
    {
        untested.push(entry(
            "the age of the backup as recorded in it",
            "neither its name nor its header has the time of the backup; the time of the file was used",
        ));
    }
    untested
}

/// What the proof did not compare.
fn unproven(scenario: &Scenario, result: &DrillResult) -> Vec<NotTested> {
    if !scenario.facts.only.is_empty() {
        return of_selection(scenario, result);
    }
    let (what, why) = match scenario.proof {
        Level::Off => ("the rows", "`proof = \"off\"`: only checks read them"),
        Level::Objects => ("the rows", "`proof = \"objects\"`: only checks read them"),
        Level::Counts => (
            "the values of rows",
            "`proof = \"counts\"`: rows are counted; only checks read values",
        ),
        Level::Full => {
            let proof = result.proof.iter();
            return proof.flat_map(|proof| proof.not_compared.clone()).collect();
        }
    };
    vec![NotTested {
        what: what.to_owned(),
        why: why.to_owned(),
    }]
}

/// How many of the tables whose rows were left out an entry names.
const NAMED: usize = 20;

/// What a drill of selected checks did not test.
fn of_selection(scenario: &Scenario, result: &DrillResult) -> Vec<NotTested> {
    let mut untested = vec![NotTested::new(
        "that the database is equal to the backup",
        "`--only`: only the selected checks read it",
    )];
    let left_out = result.restore.iter().flat_map(|restore| &restore.left_out);
    let names: Vec<&str> = left_out.map(|table| table.table.as_str()).collect();
    if !names.is_empty() {
        let (named, others) = names.split_at(names.len().min(NAMED));
        let more = match others.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        untested.push(NotTested::new(
            format!("the rows of {}{more}", named.join(", ")),
            "`--only`: no selected check needs them, so they were not restored",
        ));
    }
    for (limit, name) in [
        (scenario.restore_within, "the objective `restore-within`"),
        (scenario.runbook_within, "the objective `runbook-within`"),
    ] {
        if limit.is_some() {
            untested.push(NotTested::new(
                name,
                "`--only`: only a restore of all rows has a time to compare with it",
            ));
        }
    }
    untested
}
