//! The definitions of a database on two major versions.

use std::collections::BTreeSet;

use super::known::{Known, explain, reprinted};
use super::{Both, Differences, unreadable};
use crate::catalog::compare::{Change, Scope, compare as compare_catalogs, is_deparsed};
use crate::catalog::{Catalog, ObjectId, ObjectKind};
use crate::database::DatabaseError;
use crate::outcome::{CouldNotRun, ExplainedChange, Finding};
use crate::server::ThrowawayServer;

/// Compares the catalogs of a database; those of the cluster too, which all its databases have.
pub(super) async fn compare(
    both: &Both<'_>,
    database: &str,
    with_cluster: bool,
    differences: &mut Differences,
) -> Result<(), CouldNotRun> {
    let catalogs = tokio::try_join!(read(both.old, database), read(both.new, database));
    let (old, new) = catalogs.map_err(|error| unreadable(&error))?;
    let scope = Scope {
        roles: (!with_cluster).then(BTreeSet::new),
        cluster: with_cluster,
        comments: true,
        ..Scope::default()
    };
    differences.objects += old.objects.len() as u64;
    let changes = compare_catalogs(&old, &new, &scope);
    for change in &changes {
        if is_of_another_list(change) {
            continue;
        }
        let object = change.object.to_string();
        let finding = change.finding();
        let known = explain(change, both.majors());
        if known.is_empty() {
            differences.add(object, finding);
        } else {
            differences.explained(finding.object.as_deref().unwrap_or(&object), known);
        }
    }
    // What the comparison of two majors takes for the same, word by word.
    for (object, property, was, is) in reprinted_texts(&old, &new) {
        let is_listed = |change: &Change| {
            let itself = (&change.object, change.property.as_deref());
            let implied = change.implied.iter();
            itself == (object, Some(property))
                || implied
                    .map(|(object, property)| (object, property.as_deref()))
                    .any(|one| one == (object, Some(property)))
        };
        if changes.iter().any(is_listed) {
            continue;
        }
        let named = format!("{object}: {property}");
        match reprinted(was, is, both.majors()) {
            Some(known) => differences.explained(&named, known),
            None => differences.add(object.to_string(), Finding::about(named, was, is)),
        }
    }
    Ok(())
}

/// Texts of both catalogs that differ, where the server prints them from their parsed form.
fn reprinted_texts<'a>(
    old: &'a Catalog,
    new: &'a Catalog,
) -> impl Iterator<Item = (&'a ObjectId, &'a str, &'a str, &'a str)> {
    let objects = old.objects.iter();
    let both = objects.filter_map(|(object, was)| Some((object, was, new.objects.get(object)?)));
    both.flat_map(|(object, was, is)| {
        let texts = was.iter();
        texts.filter_map(move |(property, was)| {
            let is = is.get(property).filter(|is| *is != was)?;
            is_deparsed(object, property, Some(is)).then_some((
                object,
                property.as_str(),
                was.as_str(),
                is.as_str(),
            ))
        })
    })
}

impl Differences {
    fn add(&mut self, object: String, finding: Finding) {
        let hint = format!(
            "the same backup defines it on both; find out what depends on the version. If it is harmless: `explained = {{ \"{object}\" = \"…\" }}` in `[server]`"
        );
        self.found.push((object, finding.hint(hint)));
    }

    fn explained(&mut self, object: &str, known: Vec<&'static Known>) {
        self.explained
            .extend(known.into_iter().map(|known| ExplainedChange {
                object: object.to_owned(),
                why: known.why.to_owned(),
                since: Some(known.since),
            }));
    }
}

async fn read(server: &ThrowawayServer, database: &str) -> Result<Catalog, DatabaseError> {
    let mut session = server.session(database).await?;
    let catalog = Catalog::read(&mut session).await?;
    session.close().await;
    Ok(catalog)
}

/// Whether it is the version itself, or compared by `collation` or `extension`.
fn is_of_another_list(change: &Change) -> bool {
    let property = change.property.as_deref();
    match change.object.kind {
        ObjectKind::Server => true,
        ObjectKind::Collation | ObjectKind::Database | ObjectKind::Extension
            if property == Some("version") =>
        {
            change.object.part.is_none()
        }
        // Of another version of the extension, which is a step.
        ObjectKind::Extension => matches!(property, Some("comment" | "dumped tables")),
        _ => false,
    }
}
