//! Patterns with `*` for any letters and `?` for one: the one language of patterns for names in a scenario.

use std::collections::BTreeMap;
use std::fmt;

use super::QualifiedName;

/// A pattern for one name; every other letter matches itself.
///
/// It is matched in one pass over the name, whatever the pattern: all places of the pattern that the letters
/// so far may have come to are the bits of a few words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Glob {
    text: String,
    /// Letters and `?` of the pattern; position `n` is after `n` of them.
    length: usize,
    /// By letter, the places from which it leads to the next.
    letters: BTreeMap<char, Vec<u64>>,
    /// The places from which any other letter does.
    others: Vec<u64>,
    /// The places at which any letter stays: those of a `*`.
    stays: Vec<u64>,
}

impl Glob {
    /// Takes a pattern as it is.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let length = text.chars().filter(|c| *c != '*').count();
        let none = vec![0; length / 64 + 1];
        let set = |places: &mut Vec<u64>, at: usize| {
            if let Some(word) = places.get_mut(at / 64) {
                *word |= 1 << (at % 64);
            }
        };
        let (mut others, mut stays, mut at) = (none.clone(), none.clone(), 0);
        let mut letters: BTreeMap<char, Vec<u64>> = BTreeMap::new();
        for c in text.chars() {
            match c {
                '*' => set(&mut stays, at),
                '?' => set(&mut others, at),
                c => set(letters.entry(c).or_insert_with(|| none.clone()), at),
            }
            at += usize::from(c != '*');
        }
        for places in letters.values_mut() {
            for (word, any) in places.iter_mut().zip(&others) {
                *word |= any;
            }
        }
        Self {
            text: text.to_owned(),
            length,
            letters,
            others,
            stays,
        }
    }

    /// Matches everything.
    #[must_use]
    pub fn any() -> Self {
        Self::new("*")
    }

    /// The pattern as it is written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text, when it names exactly one thing.
    #[must_use]
    pub fn exact(&self) -> Option<&str> {
        (!self.text.contains(['*', '?'])).then_some(self.text.as_str())
    }

    /// Whether it matches a name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.matches_in(name).0
    }

    /// The same, and in how many steps: one for each letter of the name and each 64 of the pattern.
    fn matches_in(&self, name: &str) -> (bool, usize) {
        let mut steps = 0;
        let mut places = vec![0; self.others.len()];
        places[0] = 1;
        for c in name.chars() {
            let leads = self.letters.get(&c).unwrap_or(&self.others);
            let mut carried = 0;
            for ((places, leads), stays) in places.iter_mut().zip(leads).zip(&self.stays) {
                let taken = *places & leads;
                *places = (taken << 1) | carried | (*places & stays);
                carried = taken >> 63;
                steps += 1;
            }
        }
        let end = places[self.length / 64] >> (self.length % 64);
        (end & 1 == 1, steps)
    }
}

/// A pattern for names with a schema, as a scenario writes them: `app.orders`, `app.*`, `*.log_??`,
/// `"My App".*`. Letters outside double quotes are folded to lower case; without a schema it is `public`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamePattern {
    /// For the schema.
    pub schema: Glob,
    /// For the name in it.
    pub name: Glob,
}

impl NamePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A lowercase fragment with the reason.
    pub fn parse(text: &str) -> Result<Self, String> {
        QualifiedName::parse(text).map(|name| Self::from(&name))
    }

    /// Whether it matches a name.
    #[must_use]
    pub fn matches(&self, name: &QualifiedName) -> bool {
        self.schema.matches(&name.schema) && self.name.matches(&name.name)
    }

    /// Whether it names exactly one thing.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.schema.exact().is_some() && self.name.exact().is_some()
    }
}

impl From<&QualifiedName> for NamePattern {
    fn from(name: &QualifiedName) -> Self {
        Self {
            schema: Glob::new(&name.schema),
            name: Glob::new(&name.name),
        }
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("org_*", "org_acme", true)]
    #[case("org_*", "plur", false)]
    #[case("*_log", "recall_log", true)]
    #[case("a*b*c", "axxbyyc", true)]
    #[case("a*b*c", "axxbyy", false)]
    #[case("a?c", "abc", true)]
    #[case("a?c", "ac", false)]
    #[case("?", "ü", true)]
    #[case("*", "", true)]
    #[case("", "", true)]
    #[case("", "a", false)]
    #[case("ü*", "über", true)]
    #[case("a_c", "abc", false)]
    #[case("a.c", "abc", false)]
    #[case("[ab]", "a", false)]
    fn names_are_matched(#[case] pattern: &str, #[case] name: &str, #[case] hit: bool) {
        assert_eq!(Glob::new(pattern).matches(name), hit);
    }

    #[rstest]
    #[case("app.*", "app.orders", true)]
    #[case("App.Or*", "app.orders", true)]
    #[case("*.*", "other.orders", true)]
    #[case("orders", "public.orders", true)]
    #[case("orders", "app.orders", false)]
    #[case("\"App\".*", "app.orders", false)]
    fn names_with_a_schema_are_matched(
        #[case] pattern: &str,
        #[case] name: &str,
        #[case] hit: bool,
    ) {
        let name = QualifiedName::parse(name).unwrap();
        assert_eq!(NamePattern::parse(pattern).unwrap().matches(&name), hit);
    }

    /// One step for each letter, however often the pattern could begin anew.
    #[rstest]
    #[case("a*".repeat(40) + "b", 1)]
    #[case("*".to_owned() + &"a".repeat(60) + "b", 1)]
    #[case("*?".repeat(60) + "b", 1)]
    #[case("*a".repeat(200) + "b", 4)]
    fn no_pattern_takes_longer_than_its_name(#[case] pattern: String, #[case] words: usize) {
        let name = "a".repeat(100_000);
        assert_eq!(
            Glob::new(&pattern).matches_in(&name),
            (false, words * name.len())
        );
        assert!(Glob::new(&pattern).matches(&(name + "b")));
    }

    /// The definition: what a pattern matches, by its first letter.
    fn matches(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            (['*', rest @ ..], _) => {
                matches(rest, name) || !name.is_empty() && matches(pattern, &name[1..])
            }
            (['?', pattern @ ..], [_, name @ ..]) => matches(pattern, name),
            ([a, pattern @ ..], [b, name @ ..]) => a == b && matches(pattern, name),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn it_matches_by_its_definition(pattern in "[ab*?é]{0,9}", name in "[abé]{0,9}") {
            let letters = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = matches(&letters(&pattern), &letters(&name));
            prop_assert_eq!(Glob::new(&pattern).matches(&name), expected);
        }

        #[test]
        fn long_patterns_match_by_their_definition(
            pattern in "(a{20,40}|b{30}|\\?{10,20}|\\*)(a{20,40}|b{30}|\\?{10,20}|\\*)(a{20,40}|b{30}|\\*)",
            name in "(a{20,40}|b{30})(a{20,40}|b{10,30})(a{20,40}|b{30})",
        ) {
            let letters = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = matches(&letters(&pattern), &letters(&name));
            prop_assert_eq!(Glob::new(&pattern).matches(&name), expected);
        }
    }
}
