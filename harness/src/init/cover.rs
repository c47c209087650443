//! Replaces many names with few patterns, as a person would write them.

use std::collections::BTreeSet;

use crate::sql::{NamePattern, QualifiedName, quote, quote_ident};

/// Finds patterns and names that match `wanted`, and nothing else of `all`.
#[must_use]
pub fn cover(wanted: &[QualifiedName], all: &[QualifiedName]) -> Vec<String> {
    let chosen: BTreeSet<&QualifiedName> = wanted.iter().collect();
    let mut patterns: BTreeSet<Pattern> = wanted.iter().flat_map(Pattern::of).collect();
    patterns.retain(|pattern| {
        all.iter()
            .all(|name| chosen.contains(name) || !pattern.matches(name))
    });
    let mut left = chosen;
    let mut names: Vec<String> = Vec::new();
    loop {
        let best = patterns
            .iter()
            .map(|pattern| {
                let gain = left.iter().filter(|name| pattern.matches(name)).count();
                (gain, pattern)
            })
            .filter(|(gain, pattern)| *gain >= pattern.worth())
            .max_by_key(|(gain, pattern)| {
                (*gain, std::cmp::Reverse(pattern.names.name.text().len()))
            });
        let Some((_, pattern)) = best else { break };
        left.retain(|name| !pattern.matches(name));
        names.push(pattern.text.clone());
    }
    names.extend(left.iter().map(ToString::to_string));
    names.sort();
    names
}

/// A pattern for names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Pattern {
    names: NamePattern,
    /// As a scenario writes it.
    text: String,
}

impl Pattern {
    fn new(schema: String, name: String) -> Self {
        let text = format!("{}.{}", part(&schema), part(&name));
        let names = NamePattern::from(&QualifiedName { schema, name });
        Self { names, text }
    }

    /// The patterns that could replace a name.
    fn of(name: &QualifiedName) -> Vec<Self> {
        let star = || "*".to_owned();
        let mut all = vec![Self::new(name.schema.clone(), star())];
        for begin in beginnings(&name.schema) {
            all.push(Self::new(format!("{begin}*"), star()));
            all.push(Self::new(format!("{begin}*"), name.name.clone()));
        }
        for begin in beginnings(&name.name) {
            all.push(Self::new(name.schema.clone(), format!("{begin}*")));
        }
        all
    }

    fn matches(&self, name: &QualifiedName) -> bool {
        self.names.matches(name)
    }

    /// The number of names that it must replace to be easier to read.
    fn worth(&self) -> usize {
        if self.names.name.text() == "*" { 2 } else { 3 }
    }
}

/// The beginnings of a name up to each `_`.
fn beginnings(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('_')
        .filter(|(at, _)| *at > 1)
        .filter_map(|(at, _)| name.get(..=at))
}

/// A part of a pattern as a scenario writes it.
fn part(text: &str) -> String {
    if text == "*" {
        return text.to_owned();
    }
    let plain = text.replace('*', "x");
    if quote_ident(&plain) == plain {
        text.to_owned()
    } else if text.contains('*') {
        quote(text)
    } else {
        quote_ident(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn names(list: &[&str]) -> Vec<QualifiedName> {
        let read = list.iter().map(|name| QualifiedName::parse(name).unwrap());
        read.collect()
    }

    #[rstest]
    #[case(&["app.a", "app.b"], &[], &["app.*"])]
    #[case(&["app.a"], &[], &["app.a"])]
    #[case(&["app.a", "app.b"], &["app.c"], &["app.a", "app.b"])]
    #[case(&["org_a.t", "org_b.t", "org_c.t"], &["org_a.u"], &["org_*.t"])]
    #[case(&["org_a.t", "org_b.t", "org_a.u", "org_b.u"], &["app.x"], &["org_*.*"])]
    #[case(&["a.log_1", "a.log_2", "a.log_3"], &["a.x"], &["a.log_*"])]
    #[case(&["\"My App\".\"A\"", "\"My App\".\"B\""], &[], &["\"My App\".*"])]
    fn patterns_are_those_of_a_person(
        #[case] wanted: &[&str],
        #[case] others: &[&str],
        #[case] expected: &[&str],
    ) {
        let wanted = names(wanted);
        let mut all = wanted.clone();
        all.extend(names(others));
        let found = cover(&wanted, &all);
        assert_eq!(found, expected);
        // The check must read them the same way.
        for name in &all {
            let named = found
                .iter()
                .any(|text| NamePattern::parse(text).unwrap().matches(name));
            assert_eq!(named, wanted.contains(name), "{name}");
        }
    }
}
