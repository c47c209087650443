//! Functions: digests of their bodies, and which run with the rights of their owner.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::block::{Block, Value};
use super::section::{Section, listed};
use crate::catalog::{Catalog, ObjectId, ObjectKind, PartKind, Properties};
use crate::digest::hex;
use crate::units::show_counted;

/// Maximum number of functions that are all listed; of more, those that protect something.
const MOST: usize = 150;

/// A function or procedure in a language other than C.
struct Function<'a> {
    /// As the check names it: `app.total(integer)`.
    name: String,
    body: &'a str,
    definer: bool,
    owner: &'a str,
}

impl<'a> Function<'a> {
    fn of(id: &ObjectId, properties: &'a Properties) -> Option<Self> {
        let property = |name: &str| properties.get(name).map_or("", String::as_str);
        let is_binary = matches!(property("language"), "c" | "internal");
        let is_own = !is_binary && !properties.contains_key("part of");
        is_own.then_some(Self {
            name: format!(
                "{}({})",
                id.qualified_name()?,
                id.signature.as_deref().unwrap_or_default()
            ),
            body: property("body"),
            definer: properties.contains_key("security definer"),
            owner: property("owner"),
        })
    }
}

/// Writes the checks.
#[must_use]
pub fn section(catalog: &Catalog) -> Section {
    let mut section = Section::new(
        "functions",
        "Each function has the body that it had, by digest, and runs with the rights of its owner (SECURITY DEFINER) \
         or of its caller as before. After a migration, `redrill run` shows the new digest.",
    );
    let kinds = [ObjectKind::Function, ObjectKind::Procedure];
    let objects = kinds.into_iter().flat_map(|kind| catalog.of_kind(kind));
    let mut all: Vec<Function<'_>> = objects
        .filter_map(|(id, properties)| Function::of(id, properties))
        .collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    if all.is_empty() {
        return section;
    }
    let few = all.len() <= MOST;
    let callers = if few { Vec::new() } else { callers(catalog) };
    let digests: Vec<(String, Value)> = all
        .iter()
        .filter(|one| few || one.definer || protects(one, &callers))
        .map(|one| {
            let digest = hex(&Sha256::digest(one.body.as_bytes()));
            (one.name.clone(), digest.into())
        })
        .collect();
    if !digests.is_empty() {
        let name = if few {
            "no function has another body"
        } else {
            "no function of a trigger, a policy or with SECURITY DEFINER has another body"
        };
        section.blocks.push(Block {
            table: Some(("digests", digests)),
            ..Block::new("function", name)
        });
    }
    let definers: Vec<&Function<'_>> = all.iter().filter(|one| one.definer).collect();
    let mut by_owner: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for one in &definers {
        by_owner
            .entry(one.owner)
            .or_default()
            .push(one.name.clone());
    }
    for (owner, names) in by_owner {
        let plain = Block::new("function", format!("functions with the rights of {owner}"))
            .with("functions", names)
            .with("security", "definer")
            .with("owner", owner);
        section
            .blocks
            .push(plain.clone().with("safe", true).or(plain));
    }
    let invokers: Vec<String> = all
        .iter()
        .filter(|one| !one.definer && few)
        .map(|one| one.name.clone())
        .collect();
    if !invokers.is_empty() {
        section.blocks.push(
            Block::new("function", "functions with the rights of their caller")
                .with("functions", invokers)
                .with("security", "invoker"),
        );
    }
    let mut found = show_counted(all.len(), "function");
    if !definers.is_empty() {
        let names: Vec<&str> = definers.iter().map(|one| one.name.as_str()).collect();
        found.push_str(&format!(", SECURITY DEFINER: {}", listed(&names, 4)));
    }
    section.found(found);
    section
}

/// The text of every trigger, event trigger and policy.
fn callers(catalog: &Catalog) -> Vec<&str> {
    let objects = catalog.objects.iter().filter(|(id, _)| {
        id.kind == ObjectKind::EventTrigger
            || matches!(id.part_kind(), Some(PartKind::Trigger | PartKind::Policy))
    });
    let texts = objects.flat_map(|(_, properties)| {
        ["definition", "function", "using", "with check"]
            .into_iter()
            .filter_map(|name| properties.get(name))
    });
    texts.map(String::as_str).collect()
}

/// Whether a trigger, an event trigger or a policy calls a function of this name.
fn protects(function: &Function<'_>, callers: &[&str]) -> bool {
    let name = function
        .name
        .split_inclusive('(')
        .next()
        .unwrap_or_default();
    callers.iter().any(|text| text.contains(name))
}
