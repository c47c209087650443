//! Requirements of a dump: what in it needs a server of certain versions.

use std::fmt;

use crate::fault::Place;
use crate::script::statement::Words;

/// Versions of PostgreSQL, by major or by major and minor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    /// This major version and newer ones.
    From(u32),
    /// This major version and older ones.
    Until(u32),
    /// Within each of these major versions this minor version and newer ones; every later major version,
    /// none before the first.
    Minors(&'static [(u32, u32)]),
}

impl Versions {
    /// Whether a server of version `(major, minor)` is one of them.
    #[must_use]
    pub fn hold(self, (major, minor): (u32, u32)) -> bool {
        match self {
            Self::From(first) => major >= first,
            Self::Until(last) => major <= last,
            Self::Minors(list) => match list.iter().find(|(of, _)| *of == major) {
                Some((_, first)) => minor >= *first,
                None => list.first().is_some_and(|(first, _)| major > *first),
            },
        }
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::From(first) => write!(f, "PostgreSQL {first} or newer"),
            Self::Until(last) => write!(f, "PostgreSQL {last} or older"),
            Self::Minors(list) => {
                f.write_str("PostgreSQL ")?;
                for (at, (major, minor)) in list.iter().enumerate() {
                    let comma = if at == 0 { "" } else { ", " };
                    write!(f, "{comma}{major}.{minor}")?;
                }
                f.write_str(" or newer")
            }
        }
    }
}

/// The effect of an unsuitable server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Something of the backup is not restored.
    Fails,
    /// An error is printed, and everything is restored.
    Said,
}

/// Something in a backup that not every server supports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The feature, as written in SQL or psql.
    pub what: &'static str,
    /// The first place of it.
    pub place: Place,
    /// The versions that support it.
    pub versions: Versions,
    /// The effect on others.
    pub effect: Effect,
}

/// A requirement that words of a statement indicate: the first word, consecutive words.
struct Rule {
    verbs: &'static [&'static str],
    words: &'static [&'static str],
    what: &'static str,
    versions: Versions,
    effect: Effect,
}

const fn fails(
    verbs: &'static [&'static str],
    words: &'static [&'static str],
    what: &'static str,
    versions: Versions,
) -> Rule {
    Rule {
        verbs,
        words,
        what,
        versions,
        effect: Effect::Fails,
    }
}

const fn said(words: &'static [&'static str], what: &'static str, versions: Versions) -> Rule {
    Rule {
        effect: Effect::Said,
        ..fails(&["set"], words, what, versions)
    }
}

const DEFINES: &[&str] = &["create", "alter"];

/// pg_dump writes each of these only if the source uses the feature.
const RULES: &[Rule] = &[
    said(
        &["set", "transaction_timeout"],
        "`SET transaction_timeout`",
        Versions::From(17),
    ),
    said(
        &["set", "default_table_access_method"],
        "`SET default_table_access_method`",
        Versions::From(12),
    ),
    fails(
        &["create"],
        &["locale_provider", "=", "builtin"],
        "`LOCALE_PROVIDER = builtin`",
        Versions::From(17),
    ),
    fails(
        &["create"],
        &["locale_provider", "="],
        "`CREATE DATABASE … LOCALE_PROVIDER`",
        Versions::From(15),
    ),
    fails(
        &["create"],
        &["icu_rules", "="],
        "`ICU_RULES`",
        Versions::From(16),
    ),
    fails(
        DEFINES,
        &["nulls", "not", "distinct"],
        "`NULLS NOT DISTINCT`",
        Versions::From(15),
    ),
    fails(
        DEFINES,
        &["without", "overlaps"],
        "`WITHOUT OVERLAPS`",
        Versions::From(18),
    ),
    fails(
        DEFINES,
        &["not", "enforced"],
        "`NOT ENFORCED`",
        Versions::From(18),
    ),
    fails(
        DEFINES,
        &[")", "virtual"],
        "a virtual generated column",
        Versions::From(18),
    ),
    fails(
        DEFINES,
        &["security_invoker", "="],
        "a view with `security_invoker`",
        Versions::From(15),
    ),
    fails(
        &["create"],
        &["begin", "atomic"],
        "a function with `BEGIN ATOMIC`",
        Versions::From(14),
    ),
    fails(
        &["alter"],
        &["set", "compression"],
        "`SET COMPRESSION`",
        Versions::From(14),
    ),
    fails(
        &["alter"],
        &["set", "(", "pg_attver", "="],
        "the column option `pg_attver`",
        ATTVER,
    ),
    fails(
        &["grant"],
        &["on", "parameter"],
        "`GRANT … ON PARAMETER`",
        Versions::From(15),
    ),
    fails(
        &["create"],
        &["with", "oids"],
        "a table `WITH OIDS`",
        Versions::Until(11),
    ),
    fails(
        &["set"],
        &["default_with_oids", "=", "true"],
        "tables `WITH OIDS`",
        Versions::Until(11),
    ),
];

/// Servers that support `pg_attver`, which those of the same minor versions and newer ones write into
/// their catalogs: older ones refuse the table. Tested: 15.20 and 17.12 support it, 16.14 and 18.6 do
/// not. Nothing is claimed about untested versions.
const ATTVER: Versions = Versions::Minors(&[(14, 0), (15, 20), (16, 15), (17, 12), (18, 7)]);

/// Versions of psql that support `\restrict`.
const RESTRICT: Versions =
    Versions::Minors(&[(13, 22), (14, 19), (15, 14), (16, 10), (17, 6), (18, 0)]);

/// The requirements of a statement.
pub(crate) fn of_statement<'a>(
    words: &'a Words<'_>,
    place: Place,
) -> impl Iterator<Item = Need> + 'a {
    let verb = words.start().first().copied().unwrap_or_default();
    let mut rules: Vec<Need> = RULES
        .iter()
        .filter(|rule| rule.verbs.contains(&verb) && words.says(rule.words))
        .map(|rule| Need {
            what: rule.what,
            place,
            versions: rule.versions,
            effect: rule.effect,
        })
        .collect();
    let on = words.next("on", 0);
    let grants = |what: &'static str, first| Need {
        what,
        place,
        versions: Versions::From(first),
        effect: Effect::Fails,
    };
    if verb == "grant"
        && on.is_none()
        && let Some(with) = words.last("with")
    {
        // `WITH ADMIN OPTION` is old; `WITH INHERIT TRUE` is not.
        let options = &words.tokens()[with..];
        let new = ["inherit", "set", "true", "false"];
        if options
            .iter()
            .any(|token| new.iter().any(|word| token.is_word(word)))
        {
            rules.push(grants("`GRANT … WITH INHERIT`", 16));
        }
    }
    if verb == "grant"
        && let Some(on) = on
        && words.tokens()[..on]
            .iter()
            .any(|token| token.is_word("maintain"))
    {
        rules.push(grants("the privilege MAINTAIN", 17));
    }
    rules.into_iter()
}

/// The requirement of `\restrict`.
pub(crate) const fn of_restrict(place: Place) -> Need {
    Need {
        what: "`\\restrict`",
        place,
        versions: RESTRICT,
        effect: Effect::Said,
    }
}
