//! Compares two catalogs: what was added, removed and changed, and how severe that is.

mod accept;
mod excerpt;
mod fold;
mod partition;
mod reach;
mod scope;
mod severity;

use std::collections::BTreeSet;

use super::{Catalog, ObjectId, ObjectKind, Properties};
use crate::outcome::Finding;
use crate::sql::{is_same_expression, is_same_of_two_majors};
use severity::Rating;

pub use accept::accept;
pub use scope::{Scope, not_compared};
pub use severity::{gained, is_deparsed, is_right, weakens};

/// Which of two catalogs have an object or a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// Only the second one.
    Added,
    /// Only the first one.
    Removed,
    /// Both, with different values.
    Changed,
}

/// The severity of a change, the highest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A right became wider: always a failure.
    Widened,
    /// The definition differs: a failure.
    Broken,
    /// How the server stores, vacuums or plans: expected drift, and a failure only where everything must be equal.
    Tuning,
    /// Expected drift, reported but never a failure.
    Note,
}

/// One difference between two catalogs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The object.
    pub object: ObjectId,
    /// The property; `None` for the object as a whole, with all its parts.
    pub property: Option<String>,
    /// Whether it was added, removed or changed.
    pub kind: ChangeKind,
    /// The value in the first catalog; for a whole object its properties, one per line.
    pub old: Option<String>,
    /// The same in the second.
    pub new: Option<String>,
    /// How severe it is.
    pub severity: Severity,
    /// What it means, or why it is no failure.
    pub reason: Option<String>,
    /// Object and property of changes that follow from this one and are not reported, such as the same on each
    /// partition.
    pub implied: Vec<(ObjectId, Option<String>)>,
}

impl Change {
    /// The change for a report; long texts are cut to what differs.
    #[must_use]
    pub fn finding(&self) -> Finding {
        let subject = match &self.property {
            Some(property) => format!("{}: {property}", self.object),
            None => self.object.to_string(),
        };
        let is_populated = self.property.as_deref() == Some("populated");
        let absent = match self.property {
            None => "no such object",
            // The catalog has it of a materialized view that is not.
            Some(_) if is_populated => "populated",
            Some(_) => "not set",
        };
        let (expected, actual) = match (&self.old, &self.new) {
            (Some(old), Some(new)) => {
                let is_enum = self.property.as_deref() == Some("labels");
                let values = is_enum.then(|| excerpt::of_values(old, new)).flatten();
                values.unwrap_or_else(|| excerpt::of_both(old, new))
            }
            (old, new) => {
                let side = |text: &Option<String>| match text {
                    None => absent.to_owned(),
                    Some(_) if is_populated => "not populated".to_owned(),
                    Some(text) if text.is_empty() => "it exists".to_owned(),
                    Some(text) => excerpt::of_one(text),
                };
                (side(old), side(new))
            }
        };
        Finding {
            hint: self.reason.clone(),
            ..Finding::about(subject, expected, actual)
        }
    }

    fn add_reason(&mut self, more: &str) {
        self.reason = Some(match self.reason.take() {
            Some(reason) => format!("{reason}; {more}"),
            None => more.to_owned(),
        });
    }
}

/// Compares what is in the scope; gives the changes by object and property.
///
/// An added or removed object is one change, with all its parts.
#[must_use]
pub fn compare(old: &Catalog, new: &Catalog, scope: &Scope) -> Vec<Change> {
    let sides = Sides {
        old: &scope.select(old, old, new),
        new: &scope.select(new, old, new),
        scope,
    };
    let mut changes = Vec::new();
    for (object, properties) in &sides.new.objects {
        match sides.old.objects.get(object) {
            Some(before) => sides.compare_properties(object, before, properties, &mut changes),
            None => sides.add_added(object, properties, &mut changes),
        }
    }
    for (object, properties) in &sides.old.objects {
        if !sides.new.objects.contains_key(object) {
            sides.add_removed(object, properties, &mut changes);
        }
    }
    let mut changes = fold::fold(&sides, changes);
    if scope.privileges {
        reach::explain(sides.old, sides.new, &mut changes);
    }
    changes.sort_by_cached_key(|change| (change.object.to_string(), change.property.clone()));
    changes
}

/// Both catalogs, without what is outside of the scope.
struct Sides<'a> {
    old: &'a Catalog,
    new: &'a Catalog,
    scope: &'a Scope,
}

impl Sides<'_> {
    /// Whether the servers have different major versions, which may print the same thing differently.
    fn other_major(&self) -> bool {
        let major = |catalog: &Catalog| {
            let version = catalog.get(&ObjectId::server(), "version")?;
            version.split('.').next().map(str::to_owned)
        };
        major(self.old) != major(self.new)
    }

    fn add_added(&self, object: &ObjectId, properties: &Properties, changes: &mut Vec<Change>) {
        let public = severity::grants_to_public(object, properties);
        changes.extend(public.map(|(property, rights)| {
            let reason = "granted to PUBLIC with the new object".to_owned();
            let rating = (Severity::Widened, Some(reason));
            change(object, Some(property), (None, Some(rights.clone())), rating)
        }));
        let parent = self.new.parent(object);
        if parent.is_some_and(|parent| !self.old.objects.contains_key(parent)) {
            return;
        }
        let rating = partition::rate(self.old, self.new, object)
            .unwrap_or_else(|| severity::rate_object(ChangeKind::Added, object, properties));
        let text = summarize(self.new, object, properties);
        changes.push(change(object, None, (None, Some(text)), rating));
    }

    fn add_removed(&self, object: &ObjectId, properties: &Properties, changes: &mut Vec<Change>) {
        let parent = self.old.parent(object);
        if parent.is_some_and(|parent| !self.new.objects.contains_key(parent)) {
            return;
        }
        let rating = severity::rate_object(ChangeKind::Removed, object, properties);
        let text = summarize(self.old, object, properties);
        changes.push(change(object, None, (Some(text), None), rating));
    }

    fn compare_properties(
        &self,
        object: &ObjectId,
        old: &Properties,
        new: &Properties,
        changes: &mut Vec<Change>,
    ) {
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for name in names {
            let (old, new) = (old.get(name), new.get(name));
            // The columns of a publication have no order.
            let is_order = name == "columns" && object.kind != ObjectKind::Publication;
            if old == new || is_order && is_same_order(old, new) {
                continue;
            }
            if let (Some(old), Some(new)) = (old, new)
                && (is_same_expression(old, new)
                    || self.other_major()
                        && is_deparsed(object, name, Some(new))
                        && is_same_of_two_majors(old, new))
            {
                continue;
            }
            let values = (old.cloned(), new.cloned());
            let mut change = change(object, Some(name), values, (Severity::Broken, None));
            (change.severity, change.reason) = severity::rate_property(&change, self);
            changes.push(change);
        }
    }
}

/// Creates a change from the values on both sides.
fn change(
    object: &ObjectId,
    property: Option<&String>,
    (old, new): (Option<String>, Option<String>),
    (severity, reason): Rating,
) -> Change {
    Change {
        object: object.clone(),
        property: property.cloned(),
        kind: match (&old, &new) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Removed,
            _ => ChangeKind::Changed,
        },
        old,
        new,
        severity,
        reason,
        implied: Vec::new(),
    }
}

/// Whether the columns that both have are in the same order; an added column is a change of its own.
fn is_same_order(old: Option<&String>, new: Option<&String>) -> bool {
    fn lines(text: Option<&String>) -> Vec<&str> {
        text.into_iter().flat_map(|text| text.lines()).collect()
    }
    let (old, new) = (lines(old), lines(new));
    let of_old = old.iter().filter(|column| new.contains(column));
    let of_new = new.iter().filter(|column| old.contains(column));
    of_old.eq(of_new)
}

/// An object with its properties and parts, one line each; of several lines the first.
fn summarize(catalog: &Catalog, object: &ObjectId, properties: &Properties) -> String {
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
        let main = ["definition", "type", "expression"];
        match main.iter().find_map(|property| properties.get(*property)) {
            Some(value) => line(&name, value),
            None => name,
        }
    });
    own.chain(below).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
