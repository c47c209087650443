//! Compares two catalogs: what was added, removed, changed, and how grave that is.

mod accept;
mod excerpt;
mod fold;
mod partition;
mod reach;
mod scope;
mod weigh;

use std::collections::BTreeMap;

use super::{Catalog, ObjectId, ObjectKind, Properties};
use crate::outcome::Finding;
use crate::sql::{is_same_expression, is_same_of_two_majors};

pub use accept::accept;
pub use scope::{Scope, not_compared};
pub use weigh::is_right;

/// What became of an object or of one of its properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// Only the second catalog has it.
    Added,
    /// Only the first one has it.
    Removed,
    /// Both have it, and not the same.
    Changed,
}

/// How grave a change is, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// A right became wider: always a failure.
    Widened,
    /// The definition is not what it was: a failure.
    Broken,
    /// Life or the environment: told, never a failure.
    Note,
}

/// One difference between two catalogs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The object.
    pub object: ObjectId,
    /// The property; `None` for the object as a whole, with all that belongs to it.
    pub property: Option<String>,
    /// What became of it.
    pub what: What,
    /// The value in the first catalog; for a whole object its properties, one per line.
    pub old: Option<String>,
    /// The same in the second.
    pub new: Option<String>,
    /// How grave it is.
    pub weight: Weight,
    /// What it means, or why it is no failure.
    pub why: Option<String>,
    /// What follows from it and is not told by itself, such as the same on each partition: object and property.
    pub with: Vec<(ObjectId, Option<String>)>,
}

impl Change {
    /// The difference as a report shows it: of long texts only the part that differs.
    #[must_use]
    pub fn finding(&self) -> Finding {
        let subject = match &self.property {
            Some(property) => format!("{}: {property}", self.object),
            None => self.object.to_string(),
        };
        let absent = match (&self.property, self.what) {
            (None, _) => "there is none",
            (Some(_), _) => "not set",
        };
        let (expected, actual) = match (&self.old, &self.new) {
            (Some(old), Some(new)) => excerpt::both(old, new),
            (old, new) => {
                let side = |text: &Option<String>| match text {
                    None => absent.to_owned(),
                    Some(text) if text.is_empty() => "it is there".to_owned(),
                    Some(text) => excerpt::one(text),
                };
                (side(old), side(new))
            }
        };
        let finding = Finding::about(subject, expected, actual);
        match &self.why {
            Some(why) => finding.hint(why),
            None => finding,
        }
    }
}

/// Compares what both sides can speak of; gives the changes by object and property.
///
/// One added or removed object is one change, with all that belongs to it.
#[must_use]
pub fn compare(old: &Catalog, new: &Catalog, scope: &Scope) -> Vec<Change> {
    let sides = Sides {
        old: &scope.of(old, old, new),
        new: &scope.of(new, old, new),
        scope,
    };
    let mut changes = Vec::new();
    for (object, properties) in &sides.new.objects {
        match sides.old.objects.get(object) {
            Some(before) => sides.properties(object, before, properties, &mut changes),
            None => sides.added(object, properties, &mut changes),
        }
    }
    for (object, properties) in &sides.old.objects {
        if !sides.new.objects.contains_key(object) {
            sides.removed(object, properties, &mut changes);
        }
    }
    let mut changes = fold::fold(&sides, changes);
    if scope.privileges {
        reach::explain(sides.old, sides.new, &mut changes);
    }
    changes.sort_by_cached_key(|change| (change.object.to_string(), change.property.clone()));
    changes
}

/// Both catalogs, without what is not compared.
struct Sides<'a> {
    old: &'a Catalog,
    new: &'a Catalog,
    scope: &'a Scope,
}

impl Sides<'_> {
    /// Whether the servers are of two major versions, whose texts may differ for the same thing.
    fn other_major(&self) -> bool {
        let major = |catalog: &Catalog| {
            let version = catalog.get(&ObjectId::server(), "version")?;
            version.split('.').next().map(str::to_owned)
        };
        major(self.old) != major(self.new)
    }

    fn added(&self, object: &ObjectId, properties: &Properties, changes: &mut Vec<Change>) {
        let open = weigh::opens_to_public(object, properties);
        changes.extend(open.map(|(property, rights)| Change {
            object: object.clone(),
            property: Some(property.to_owned()),
            what: What::Added,
            old: None,
            new: Some(rights.to_owned()),
            weight: Weight::Widened,
            why: Some("every role has it, with the new object".to_owned()),
            with: Vec::new(),
        }));
        let parent = self.new.parent(object);
        if parent.is_some_and(|parent| !self.old.objects.contains_key(parent)) {
            return;
        }
        let (weight, why) = match partition::judge(self.old, self.new, object) {
            Some(judged) => judged,
            None => weigh::object(What::Added, object, properties),
        };
        changes.push(Change {
            object: object.clone(),
            property: None,
            what: What::Added,
            old: None,
            new: Some(whole(self.new, object, properties)),
            weight,
            why,
            with: Vec::new(),
        });
    }

    fn removed(&self, object: &ObjectId, properties: &Properties, changes: &mut Vec<Change>) {
        let parent = self.old.parent(object);
        if parent.is_some_and(|parent| !self.new.objects.contains_key(parent)) {
            return;
        }
        let (weight, why) = weigh::object(What::Removed, object, properties);
        changes.push(Change {
            object: object.clone(),
            property: None,
            what: What::Removed,
            old: Some(whole(self.old, object, properties)),
            new: None,
            weight,
            why,
            with: Vec::new(),
        });
    }

    fn properties(
        &self,
        object: &ObjectId,
        old: &Properties,
        new: &Properties,
        changes: &mut Vec<Change>,
    ) {
        let mut both: BTreeMap<&String, (Option<&String>, Option<&String>)> = BTreeMap::new();
        for (name, value) in old {
            both.entry(name).or_default().0 = Some(value);
        }
        for (name, value) in new {
            both.entry(name).or_default().1 = Some(value);
        }
        for (name, (old, new)) in both {
            if old == new {
                continue;
            }
            let what = match (old, new) {
                (None, _) => What::Added,
                (_, None) => What::Removed,
                _ => What::Changed,
            };
            // What a publication sends is no order of columns.
            let of_relation = object.kind != ObjectKind::Publication;
            if name == "columns" && of_relation && same_order(old, new) {
                continue;
            }
            if let (Some(old), Some(new)) = (old, new)
                && (is_same_expression(old, new)
                    || self.other_major()
                        && weigh::deparsed(object, name, Some(new))
                        && is_same_of_two_majors(old, new))
            {
                continue;
            }
            let mut change = Change {
                object: object.clone(),
                property: Some(name.clone()),
                what,
                old: old.cloned(),
                new: new.cloned(),
                weight: Weight::Broken,
                why: None,
                with: Vec::new(),
            };
            (change.weight, change.why) = weigh::property(&change, self);
            changes.push(change);
        }
    }
}

/// Whether the columns that both have stand in the same order; that one more is there, its own change says.
fn same_order(old: Option<&String>, new: Option<&String>) -> bool {
    let lines = |text: Option<&String>| -> Vec<String> {
        let lines = text.into_iter().flat_map(|text| text.lines());
        lines.map(str::to_owned).collect()
    };
    let (old, new) = (lines(old), lines(new));
    let of_old = old.iter().filter(|column| new.contains(column));
    let of_new = new.iter().filter(|column| old.contains(column));
    of_old.eq(of_new)
}

/// An object with all that belongs to it, one line each; of several lines the first.
fn whole(catalog: &Catalog, object: &ObjectId, properties: &Properties) -> String {
    let line = |name: &str, value: &str| {
        if matches!(name, "columns" | "labels" | "attributes") {
            return format!("{name}: {}", value.replace('\n', ", "));
        }
        let mut lines = value.lines().filter(|line| !line.trim().is_empty());
        let first = lines.next().unwrap_or_default();
        let more = if lines.next().is_some() { " …" } else { "" };
        format!("{name}: {first}{more}")
    };
    let own = properties.iter().map(|(name, value)| line(name, value));
    let below = catalog.children(object).map(|(_, part, properties)| {
        let name = part.to_string();
        let says = ["definition", "type", "expression"];
        match says.iter().find_map(|property| properties.get(*property)) {
            Some(value) => line(&name, value),
            None => name,
        }
    });
    own.chain(below).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
