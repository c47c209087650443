//! The keys of a scenario file. Their doc comments are also the texts of the JSON Schema and of
//! `redrill explain scenario`.

use jiff::civil::Date;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml::Spanned;
use toml::value::Datetime;

use crate::units::Span;

/// Time objectives.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Objective {
    /// Maximum time to fetch the backup and to restore it (the recovery time objective). The inspection is not in it.
    pub restore_within: Option<Span>,
    /// Maximum time of the command that a runbook has, `psql` or `pg_restore`, on a server with the settings of production. The
    /// backup is restored once more for it, after the checks; `jobs` in `[restore]` are those of `pg_restore`, by default one.
    pub runbook_within: Option<Span>,
}

/// How often the backup must be drilled. `redrill history` lists what is overdue; `redrill gate` asks for an age of its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Cadence {
    /// The longest time from the beginning of one PROVEN drill to that of the next: `"90d"`.
    pub every: Span,
}

/// Something that the scenario deliberately does not test.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NotTested {
    /// What is not tested.
    pub what: String,
    /// The reason.
    pub why: String,
}

/// Findings of checks that somebody accepts for a time. They stay in all reports, and the verdict is PROVEN WITH WAIVERS, with an
/// exit code of its own.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Waiver {
    /// The id of a check, as `redrill list` shows it, in which `*` matches any text: `"role/plur-app"`.
    #[schemars(with = "String")]
    pub check: Spanned<String>,
    /// The object of the findings, as the reports name it, in which `*` matches any text: `"app.orders"`. `"*"` for all findings.
    #[schemars(with = "String")]
    pub object: Spanned<String>,
    /// Why they are accepted.
    #[schemars(with = "String")]
    pub reason: Spanned<String>,
    /// Who accepts them: a name and an address.
    #[schemars(with = "String")]
    pub owner: Spanned<String>,
    /// The last day on which they are accepted, in UTC: `2027-01-31`, without quotes.
    pub until: Day,
}

/// A day, as TOML writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day(pub Date);

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let day = |time: Datetime| match (time.date, time.time, time.offset) {
            (Some(_), None, None) => time.to_string().parse().ok(),
            _ => None,
        };
        let time = Datetime::deserialize(deserializer).ok();
        time.and_then(day).map(Self).ok_or_else(|| {
            D::Error::custom("this must be a day without quotes and without a time: `2027-01-31`")
        })
    }
}

impl JsonSchema for Day {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Day".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date" })
    }
}

/// Keys of the file itself.
pub const TOP_KEYS: &[&str] = &[
    "schema",
    "name",
    "description",
    "backup",
    "recovery",
    "pitr",
    "server",
    "restore",
    "proof",
    "objective",
    "cadence",
    "controls",
    "incident",
    "notify",
    "not-tested",
    "check",
    "waiver",
    "rehearse",
    "after",
];
