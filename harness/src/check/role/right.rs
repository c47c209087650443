//! Rights as a scenario writes them: `select, insert on app.*`, `owner of schema app`.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use super::pattern::{Glob, Name, tokens};

/// Kinds of things that roles have rights on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The database that the check looks at.
    Database,
    /// A schema.
    Schema,
    /// Whatever has rows: tables, partitions, views, materialised views, foreign tables.
    Table,
    /// A sequence.
    Sequence,
    /// Functions, procedures and aggregates.
    Function,
    /// Types and domains; not the row types of tables and not arrays.
    Type,
    /// A procedural language.
    Language,
    /// A foreign server.
    Server,
    /// A foreign data wrapper.
    Wrapper,
    /// A large object.
    LargeObject,
    /// A tablespace.
    Tablespace,
    /// A configuration parameter.
    Parameter,
    /// Whatever can only be owned: publications, event triggers, extensions, statistics, …
    Other,
    /// Tables made later.
    DefaultTable,
    /// Sequences made later.
    DefaultSequence,
    /// Functions made later.
    DefaultFunction,
    /// Types made later.
    DefaultType,
    /// Schemas made later.
    DefaultSchema,
    /// Large objects made later.
    DefaultLargeObject,
}

/// Words of a scenario for each kind, the first as texts show it. Longer ones come before what
/// they begin with.
const WORDS: &[(Kind, &[&str])] = &[
    (Kind::Database, &["database"]),
    (Kind::Schema, &["schema", "schemas"]),
    (
        Kind::Table,
        &[
            "table",
            "tables",
            "view",
            "views",
            "materialized view",
            "materialized views",
            "foreign table",
            "foreign tables",
        ],
    ),
    (Kind::Sequence, &["sequence", "sequences"]),
    (
        Kind::Function,
        &[
            "function",
            "functions",
            "procedure",
            "procedures",
            "routine",
            "routines",
            "aggregate",
            "aggregates",
        ],
    ),
    (Kind::Type, &["type", "types", "domain", "domains"]),
    (Kind::Language, &["language", "languages"]),
    (Kind::Server, &["foreign server", "foreign servers"]),
    (
        Kind::Wrapper,
        &["foreign data wrapper", "foreign data wrappers"],
    ),
    (Kind::LargeObject, &["large object", "large objects"]),
    (Kind::Tablespace, &["tablespace", "tablespaces"]),
    (Kind::Parameter, &["parameter", "parameters"]),
    (Kind::DefaultTable, &["default tables"]),
    (Kind::DefaultSequence, &["default sequences"]),
    (
        Kind::DefaultFunction,
        &["default functions", "default routines"],
    ),
    (Kind::DefaultType, &["default types"]),
    (Kind::DefaultSchema, &["default schemas"]),
    (Kind::DefaultLargeObject, &["default large objects"]),
];

/// What can be owned and has no rights of its own, as `pg_identify_object` calls it.
const ONLY_OWNED: &[&str] = &[
    "publication",
    "subscription",
    "event trigger",
    "extension",
    "collation",
    "conversion",
    "operator class",
    "operator family",
    "operator",
    "statistics object",
    "text search configuration",
    "text search dictionary",
];

impl Kind {
    /// What texts call one of them.
    #[must_use]
    pub fn word(self) -> &'static str {
        WORDS
            .iter()
            .find(|(kind, _)| *kind == self)
            .and_then(|(_, words)| words.first().copied())
            .unwrap_or("object")
    }

    /// What texts call several of them.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Table => "tables and views".to_owned(),
            Self::Other => "objects".to_owned(),
            _ if self.is_default() => self.word().to_owned(),
            _ => format!("{}s", self.word()),
        }
    }

    /// Whether it stands for what will be made later.
    #[must_use]
    pub const fn is_default(self) -> bool {
        matches!(
            self,
            Self::DefaultTable
                | Self::DefaultSequence
                | Self::DefaultFunction
                | Self::DefaultType
                | Self::DefaultSchema
                | Self::DefaultLargeObject
        )
    }

    /// Whether its names have a schema.
    #[must_use]
    pub const fn in_schema(self) -> bool {
        matches!(
            self,
            Self::Table | Self::Sequence | Self::Function | Self::Type
        )
    }

    /// All rights that there are on it, on a server of this major version.
    #[must_use]
    pub fn all(self, major: u64) -> &'static [&'static str] {
        match self {
            Self::Table | Self::DefaultTable if major >= 17 => TABLE,
            Self::Table | Self::DefaultTable => &[
                "SELECT",
                "INSERT",
                "UPDATE",
                "DELETE",
                "TRUNCATE",
                "REFERENCES",
                "TRIGGER",
            ],
            Self::Sequence | Self::DefaultSequence => &["USAGE", "SELECT", "UPDATE"],
            Self::Function | Self::DefaultFunction => &["EXECUTE"],
            Self::Database => &["CONNECT", "CREATE", "TEMPORARY"],
            Self::Schema | Self::DefaultSchema => &["USAGE", "CREATE"],
            Self::Type | Self::DefaultType | Self::Language | Self::Server | Self::Wrapper => {
                &["USAGE"]
            }
            Self::LargeObject | Self::DefaultLargeObject => &["SELECT", "UPDATE"],
            Self::Tablespace => &["CREATE"],
            Self::Parameter => &["SET", "ALTER SYSTEM"],
            Self::Other => &[],
        }
    }
}

const TABLE: &[&str] = &[
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "TRUNCATE",
    "REFERENCES",
    "TRIGGER",
    "MAINTAIN",
];

/// Rights that can be given on single columns.
const ON_COLUMNS: &[&str] = &["SELECT", "INSERT", "UPDATE", "REFERENCES"];

/// One right of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Privilege {
    /// In capitals, as `aclexplode` writes it; `ALL` for all.
    pub name: String,
    /// The columns; none stands for the whole.
    pub columns: Vec<Glob>,
}

/// One entry of `floor` or `ceiling`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct Right {
    /// As the scenario writes it.
    pub text: String,
    /// What may be done; empty for an owner, who may do everything.
    pub privileges: Vec<Privilege>,
    /// Whether it is about owning.
    pub owner: bool,
    /// Whether it may be handed on.
    pub grantable: bool,
    /// The kind of object.
    pub kind: Kind,
    /// What `pg_identify_object` calls it, for [`Kind::Other`].
    pub only_owned: Option<String>,
    /// The objects. Schemas for default rights, where none stands for any.
    pub names: Vec<Name>,
    /// Objects left out.
    pub except: Vec<Name>,
    /// Who makes the objects of default rights; none stands for anybody.
    pub by: Option<Glob>,
}

impl TryFrom<String> for Right {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        parse(&text)
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// How a right is written, for hints.
pub const SHAPE: &str = "write as in \"select, insert on app.*\", \"usage on schema app\", \"execute on functions app.f(integer)\", \"owner of app.orders\"";

/// Reads one entry.
///
/// # Errors
/// A lowercase fragment that says what is wrong with it.
pub fn parse(text: &str) -> Result<Right, String> {
    let wrong = |what: &str| format!("`{text}`: {what}; {SHAPE}");
    let all = tokens(text).map_err(|error| wrong(&error))?;
    let words: Vec<String> = all.iter().map(|t| t.text.to_ascii_lowercase()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (owner, at) = match words.as_slice() {
        ["owner", "of", ..] => (true, 2),
        ["owns", ..] => (true, 1),
        _ => {
            let mut depth = 0;
            let on = words.iter().position(|word| {
                depth += i32::from(*word == "(") - i32::from(*word == ")");
                depth == 0 && *word == "on"
            });
            (false, on.ok_or_else(|| wrong("there is no `on`"))? + 1)
        }
    };
    let mut end = all.len();
    let grantable = words.ends_with(&["with", "grant", "option"]);
    if grantable {
        end -= 3;
    }
    if at >= end {
        return Err(wrong("it names no object"));
    }
    let rest = words.get(at..end).unwrap_or_default();
    let (kind, only_owned, taken) = kind_of(rest, owner);
    let start = at + taken;
    let mut right = Right {
        text: text.trim().to_owned(),
        privileges: Vec::new(),
        owner,
        grantable,
        kind,
        only_owned: only_owned.map(str::to_owned),
        names: Vec::new(),
        except: Vec::new(),
        by: None,
    };
    if owner && (grantable || kind.is_default()) {
        return Err(wrong(
            "an owner has no grant option, and nobody owns what is not there yet",
        ));
    }
    if !owner {
        right.privileges =
            privileges(all.get(..at - 1).unwrap_or_default(), kind).map_err(|e| wrong(&e))?;
    }
    let slice = |from: usize, to: usize| {
        let begin = all.get(from).map_or(text.len(), |token| token.start);
        let stop = all
            .get(to.saturating_sub(1))
            .map_or(begin, |token| token.end);
        text.get(begin..stop.max(begin)).unwrap_or_default()
    };
    let find = |word: &str| {
        let found = words.get(start..end).unwrap_or_default();
        found.iter().position(|one| *one == word).map(|i| start + i)
    };
    if kind.is_default() {
        let by = find("by");
        let names_end = by.unwrap_or(end);
        if start < names_end {
            let skip = match words.get(start..names_end).unwrap_or_default() {
                ["in", "schema", _, ..] => 2,
                ["in", _, ..] => 1,
                _ => return Err(wrong("after the kind comes `in` a schema, or `by role`")),
            };
            right.names =
                Name::list(slice(start + skip, names_end), false).map_err(|e| wrong(&e))?;
        }
        if let Some(by) = by {
            let skip = if words.get(by + 1) == Some(&"role") {
                2
            } else {
                1
            };
            if by + skip >= end {
                return Err(wrong("`by` names no role"));
            }
            right.by = Some(Glob::role(slice(by + skip, end)).map_err(|e| wrong(&e))?);
        }
        return Ok(right);
    }
    let except = find("except");
    let names_end = except.unwrap_or(end);
    let named = slice(start, names_end);
    // `all tables in schema app` is how GRANT says it.
    let schemas = match rest {
        ["all", ..] => words
            .get(start..names_end)
            .filter(|names| names.starts_with(&["in", "schema"]))
            .map(|_| slice(start + 2, names_end)),
        _ => None,
    };
    right.names = match (kind, schemas) {
        (_, Some(schemas)) => Name::list(schemas, false)
            .map_err(|e| wrong(&e))?
            .into_iter()
            .map(Name::all_in)
            .collect(),
        (Kind::Database | Kind::LargeObject, None) if start >= names_end => vec![Name::any()],
        (Kind::Other, None) => vec![Name::raw(named)],
        (_, None) => Name::list(named, kind.in_schema()).map_err(|e| wrong(&e))?,
    };
    if let Some(except) = except {
        right.except =
            Name::list(slice(except + 1, end), kind.in_schema()).map_err(|e| wrong(&e))?;
    }
    if kind != Kind::Function && right.all_names().any(|name| name.arguments.is_some()) {
        return Err(wrong("only functions have arguments"));
    }
    Ok(right)
}

/// Finds which kind of object the words begin with, and how many words say so.
fn kind_of(words: &[&str], owner: bool) -> (Kind, Option<&'static str>, usize) {
    let skip = usize::from(words.first() == Some(&"all"));
    let words = words.get(skip..).unwrap_or_default();
    let begins = |with: &str| {
        let with: Vec<&str> = with.split(' ').collect();
        // A table may be called `types`: a kind is followed by a name.
        let follows = words.get(with.len()).is_some_and(|next| *next != ",");
        let alone = words.len() == with.len()
            && matches!(with.first(), Some(&("database" | "large" | "default")));
        (words.starts_with(&with) && (follows || alone)).then_some(with.len())
    };
    let known = WORDS
        .iter()
        .flat_map(|(kind, names)| names.iter().map(move |name| (*kind, *name)))
        .filter_map(|(kind, name)| begins(name).map(|taken| (kind, None, taken + skip)));
    let owned = ONLY_OWNED
        .iter()
        .filter(|_| owner)
        .filter_map(|name| begins(name).map(|taken| (Kind::Other, Some(*name), taken + skip)));
    known
        .chain(owned)
        .max_by_key(|(_, _, taken)| *taken)
        .unwrap_or((Kind::Table, None, 0))
}

/// Reads what stands before `on`.
fn privileges(all: &[super::pattern::Token<'_>], kind: Kind) -> Result<Vec<Privilege>, String> {
    if let [only] = all
        && only.text.eq_ignore_ascii_case("nothing")
    {
        return match kind {
            Kind::DefaultFunction | Kind::DefaultType => Ok(Vec::new()),
            _ => Err("`nothing` is for default functions and default types, which PUBLIC may use otherwise".to_owned()),
        };
    }
    let mut privileges = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut columns: Option<Vec<Glob>> = None;
    let mut inside = false;
    let mut finish = |words: &mut Vec<String>, columns: &mut Option<Vec<Glob>>| {
        let name = match words.join(" ").as_str() {
            "" => return Err("a right is missing".to_owned()),
            "ALL PRIVILEGES" => "ALL".to_owned(),
            "TEMP" => "TEMPORARY".to_owned(),
            name => name.to_owned(),
        };
        let known = kind.all(u64::MAX);
        if name != "ALL" && !known.contains(&name.as_str()) {
            return Err(format!(
                "there is no right {name} on {}; there are {}",
                kind.words(),
                known.join(", ")
            ));
        }
        let columns = columns.take().unwrap_or_default();
        if !columns.is_empty() && (kind != Kind::Table || !ON_COLUMNS.contains(&name.as_str())) {
            return Err(format!("{name} on {} is not given by column", kind.words()));
        }
        words.clear();
        privileges.push(Privilege { name, columns });
        Ok(())
    };
    for token in all {
        match token.text {
            "(" => {
                inside = true;
                columns = Some(Vec::new());
            }
            ")" => inside = false,
            "," if inside => {}
            "," => finish(&mut words, &mut columns)?,
            column if inside => {
                let column = Glob::ident(column)?;
                columns.get_or_insert_default().push(column);
            }
            word => words.push(word.to_ascii_uppercase()),
        }
    }
    finish(&mut words, &mut columns)?;
    Ok(privileges)
}

impl Right {
    /// All names of the entry.
    pub fn all_names(&self) -> impl Iterator<Item = &Name> {
        self.names.iter().chain(&self.except)
    }

    /// All names, to fill in what only the server knows of them.
    pub fn all_names_mut(&mut self) -> impl Iterator<Item = &mut Name> {
        self.names.iter_mut().chain(&mut self.except)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("select, insert on app.*", Kind::Table, &["SELECT", "INSERT"], &["app.*"])]
    #[case("connect, temp on database", Kind::Database, &["CONNECT", "TEMPORARY"], &["*"])]
    #[case("connect on database plur", Kind::Database, &["CONNECT"], &["plur"])]
    #[case("usage on schema app, \"My Own\"", Kind::Schema, &["USAGE"], &["app", "\"My Own\""])]
    #[case("USAGE, SELECT ON ALL SEQUENCES IN SCHEMA app", Kind::Sequence, &["USAGE", "SELECT"], &["app.*"])]
    #[case("all on all tables in schema app, b", Kind::Table, &["ALL"], &["app.*", "b.*"])]
    #[case("all privileges on app.x", Kind::Table, &["ALL"], &["app.x"])]
    #[case("select on types", Kind::Table, &["SELECT"], &["public.types"])]
    #[case("select on view app.v", Kind::Table, &["SELECT"], &["app.v"])]
    #[case("usage on type app.*", Kind::Type, &["USAGE"], &["app.*"])]
    #[case("execute on functions app.*", Kind::Function, &["EXECUTE"], &["app.*"])]
    #[case("execute on function app.f(integer, timestamp with time zone), app.g()", Kind::Function, &["EXECUTE"], &["app.f(integer, timestamp with time zone)", "app.g()"])]
    #[case("usage on language plpgsql", Kind::Language, &["USAGE"], &["plpgsql"])]
    #[case("usage on foreign server x", Kind::Server, &["USAGE"], &["x"])]
    #[case("usage on foreign data wrapper y", Kind::Wrapper, &["USAGE"], &["y"])]
    #[case("select on foreign table app.f", Kind::Table, &["SELECT"], &["app.f"])]
    #[case("select on large object 123, 124", Kind::LargeObject, &["SELECT"], &["123", "124"])]
    #[case("select, update on large objects", Kind::LargeObject, &["SELECT", "UPDATE"], &["*"])]
    #[case("set, alter system on parameter log_statement", Kind::Parameter, &["SET", "ALTER SYSTEM"], &["log_statement"])]
    #[case("set on parameter app.tenant", Kind::Parameter, &["SET"], &["app.tenant"])]
    #[case("select on default tables in app by role boss", Kind::DefaultTable, &["SELECT"], &["app"])]
    #[case("execute on default functions", Kind::DefaultFunction, &["EXECUTE"], &[])]
    #[case("nothing on default functions by role boss", Kind::DefaultFunction, &[], &[])]
    #[case("owner of app.x", Kind::Table, &[], &["app.x"])]
    #[case("owns schema app", Kind::Schema, &[], &["app"])]
    #[case("owner of publication p", Kind::Other, &[], &["p"])]
    #[case("select on app.a with grant option", Kind::Table, &["SELECT"], &["app.a"])]
    fn rights_are_read(
        #[case] text: &str,
        #[case] kind: Kind,
        #[case] privileges: &[&str],
        #[case] names: &[&str],
    ) {
        let right = parse(text).unwrap();
        assert_eq!(right.kind, kind);
        let found: Vec<&str> = right.privileges.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(found, privileges);
        let found: Vec<&str> = right.names.iter().map(|name| name.text.as_str()).collect();
        assert_eq!(found, names);
        assert_eq!(right.grantable, text.ends_with("option"));
    }

    #[test]
    fn columns_exceptions_and_makers_are_read() {
        let right =
            parse("update (status, note), select on app.* except app.audit, app.s_*").unwrap();
        assert_eq!(right.privileges[0].columns.len(), 2);
        assert!(right.privileges[1].columns.is_empty());
        assert_eq!(right.except.len(), 2);
        let right = parse("select on default tables by boss").unwrap();
        assert!(right.names.is_empty());
        assert!(right.by.is_some());
    }

    #[rstest]
    #[case("select app.*", "no `on`")]
    #[case("on app.*", "a right is missing")]
    #[case("select, on app.*", "a right is missing")]
    #[case("select on", "no object")]
    #[case("selct on app.*", "no right SELCT")]
    #[case("select on schema app", "no right SELECT on schemas")]
    #[case("select on *", "`*.*`")]
    #[case("delete (a) on app.x", "not given by column")]
    #[case("usage (a) on schema x", "not given by column")]
    #[case("select on a.b.c", "more than a schema and a name")]
    #[case("select on \"a", "not closed")]
    #[case("select on app.f(integer)", "only functions")]
    #[case("owner of app.x with grant option", "no grant option")]
    #[case("select on default tables of app", "`in` a schema")]
    #[case("select on default tables by", "names no role")]
    #[case("nothing on app.x", "`nothing` is for default")]
    fn what_cannot_be_read_is_refused(#[case] text: &str, #[case] why: &str) {
        let error = parse(text).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}
