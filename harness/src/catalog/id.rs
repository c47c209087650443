//! Identities of objects: typed, with one way to print them and one strict parser.
//!
//! The text is what SQL calls an object, behind its kind: `table app.orders`, `function app.f(integer, text)`,
//! `role "Odd role"`. What belongs to an object is named behind it: `table app.orders column id`. Baseline files,
//! reports and the command line have this text; everything else compares the parts, in which no name is quoted.

use std::fmt;
use std::str::FromStr;

use crate::sql::token::quoted_length;
use crate::sql::{QualifiedName, quote_ident};

/// Classes of objects whose rights default privileges give.
const CLASSES: &[&str] = &[
    "tables",
    "sequences",
    "functions",
    "types",
    "schemas",
    "large objects",
];

/// How the text of an object goes on behind its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Not at all: there is one of it.
    Alone,
    /// `name`
    Name,
    /// `schema.name`
    Qualified,
    /// `schema.name(types)`
    Routine,
    /// `schema.+(types)`
    Operator,
    /// `schema.name using method`
    Method,
    /// `(type AS type)`
    Cast,
    /// `type language name`
    Transform,
    /// `role on name`, or `PUBLIC on name`
    Mapping,
    /// `name on class`, or `name in schema schema on class`
    Defaults,
    /// A name that is never quoted, up to the end.
    Verbatim,
}

macro_rules! kinds {
    ($(#[$meta:meta])* $name:ident { $($kind:ident: $word:literal, $form:ident;)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(#[doc = concat!("`", $word, "`")] $kind,)*
        }

        impl $name {
            const ALL: &[Self] = &[$(Self::$kind),*];

            /// The word that the text of an object begins with.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$kind => $word,)* }
            }

            const fn form(self) -> Form {
                match self { $(Self::$kind => Form::$form,)* }
            }

            /// The kind that a text begins with, and the text behind its word.
            fn split(text: &str) -> Option<(Self, &str)> {
                let behind = |kind: &Self| {
                    let rest = text.strip_prefix(kind.word())?;
                    let is_word = match kind.form() {
                        Form::Alone => rest.is_empty() || rest.starts_with(' '),
                        _ => rest.starts_with(' '),
                    };
                    is_word.then(|| (*kind, rest.strip_prefix(' ').filter(|_| kind.form() != Form::Alone).unwrap_or(rest)))
                };
                Self::ALL.iter().filter_map(behind).max_by_key(|(kind, _)| kind.word().len())
            }
        }
    };
}

kinds! {
    /// What kind of object it is.
    ObjectKind {
        AccessMethod: "access method", Name;
        Aggregate: "aggregate", Routine;
        Cast: "cast", Cast;
        Collation: "collation", Qualified;
        Conversion: "conversion", Qualified;
        Database: "database", Alone;
        DefaultPrivileges: "default privileges of", Defaults;
        Domain: "domain", Qualified;
        EventTrigger: "event trigger", Name;
        Extension: "extension", Name;
        ForeignDataWrapper: "foreign data wrapper", Name;
        ForeignServer: "foreign server", Name;
        ForeignTable: "foreign table", Qualified;
        Function: "function", Routine;
        Graph: "graph", Name;
        Language: "language", Name;
        LargeObjects: "large objects", Alone;
        MaterializedView: "materialized view", Qualified;
        Operator: "operator", Operator;
        OperatorClass: "operator class", Method;
        OperatorFamily: "operator family", Method;
        Parameter: "parameter", Verbatim;
        Procedure: "procedure", Routine;
        Publication: "publication", Name;
        Role: "role", Name;
        Schema: "schema", Name;
        Sequence: "sequence", Qualified;
        Server: "server", Alone;
        Subscription: "subscription", Name;
        Table: "table", Qualified;
        Tablespace: "tablespace", Name;
        TextSearchConfiguration: "text search configuration", Qualified;
        TextSearchDictionary: "text search dictionary", Qualified;
        TextSearchParser: "text search parser", Qualified;
        TextSearchTemplate: "text search template", Qualified;
        Transform: "transform for", Transform;
        Type: "type", Qualified;
        UserMapping: "user mapping for", Mapping;
        View: "view", Qualified;
    }
}

kinds! {
    /// What kind of part of an object it is.
    PartKind {
        Column: "column", Name;
        Constraint: "constraint", Name;
        Index: "index", Name;
        InheritedConstraint: "inherited constraint", Name;
        Label: "label", Name;
        Policy: "policy", Name;
        PublishedTable: "table", Qualified;
        Rule: "rule", Name;
        Settings: "settings", Alone;
        SettingsOfRole: "settings of role", Name;
        Statistics: "statistics", Qualified;
        Trigger: "trigger", Name;
    }
}

impl ObjectKind {
    /// Whether it has columns and its rows can be granted.
    #[must_use]
    pub const fn is_relation(self) -> bool {
        matches!(
            self,
            Self::Table | Self::View | Self::MaterializedView | Self::ForeignTable
        )
    }

    /// Whether all databases of a cluster share it.
    #[must_use]
    pub const fn is_of_cluster(self) -> bool {
        matches!(
            self,
            Self::Server | Self::Role | Self::Tablespace | Self::Parameter
        )
    }

    const fn has(self, part: PartKind) -> bool {
        match part {
            PartKind::Column
            | PartKind::Index
            | PartKind::InheritedConstraint
            | PartKind::Policy
            | PartKind::Rule
            | PartKind::Statistics
            | PartKind::Trigger => self.is_relation(),
            PartKind::Constraint => self.is_relation() || matches!(self, Self::Domain | Self::Type),
            PartKind::Label => matches!(self, Self::Graph),
            PartKind::PublishedTable => matches!(self, Self::Publication),
            PartKind::Settings | PartKind::SettingsOfRole => matches!(self, Self::Database),
        }
    }
}

/// The identity of an object or of a part of one. Names are as the server keeps them, without quotes.
///
/// Its order keeps the parts of an object behind it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// The kind of the object.
    pub kind: ObjectKind,
    /// The schema that it is in; of default privileges the one that they are for.
    pub schema: Option<String>,
    /// Its name, empty where there is one of the kind or none is given. Of default privileges the role that makes the
    /// objects, of a user mapping the foreign server, of a transform the language.
    pub name: String,
    /// What tells it from others of its name: types of arguments as the server prints them, the access method of an
    /// operator class, the role of a user mapping (none for PUBLIC), the class of objects of default privileges.
    pub signature: Option<String>,
    /// The part of the object, where it is one.
    pub part: Option<ObjectPart>,
}

/// Which part of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectPart {
    /// The kind of the part.
    pub kind: PartKind,
    /// The schema, of what can be in another one than the object.
    pub schema: Option<String>,
    /// Its name, or the role whose settings they are; empty for the settings of the database itself.
    pub name: String,
}

impl ObjectId {
    /// An object that is in no schema.
    pub fn new(kind: ObjectKind, name: impl Into<String>) -> Self {
        Self {
            kind,
            schema: None,
            name: name.into(),
            signature: None,
            part: None,
        }
    }

    /// An object in a schema.
    #[must_use]
    pub fn qualified(kind: ObjectKind, name: &QualifiedName) -> Self {
        Self {
            schema: Some(name.schema.clone()),
            ..Self::new(kind, name.name.clone())
        }
    }

    /// What says of which server a catalog was read.
    #[must_use]
    pub fn server() -> Self {
        Self::new(ObjectKind::Server, "")
    }

    /// The database itself.
    #[must_use]
    pub fn database() -> Self {
        Self::new(ObjectKind::Database, "")
    }

    /// All large objects together.
    #[must_use]
    pub fn large_objects() -> Self {
        Self::new(ObjectKind::LargeObjects, "")
    }

    /// A role.
    pub fn role(name: impl Into<String>) -> Self {
        Self::new(ObjectKind::Role, name)
    }

    /// A part of this object.
    #[must_use]
    pub fn with_part(&self, part: ObjectPart) -> Self {
        Self {
            part: Some(part),
            ..self.clone()
        }
    }

    /// The object that this is a part of, or itself.
    #[must_use]
    pub fn whole(&self) -> Self {
        Self {
            part: None,
            ..self.clone()
        }
    }

    /// The kind of a part.
    #[must_use]
    pub fn part_kind(&self) -> Option<PartKind> {
        self.part.as_ref().map(|part| part.kind)
    }

    /// Whether it is part of an object.
    #[must_use]
    pub fn is_part_of(&self, object: &Self) -> bool {
        self.part.is_some()
            && object.part.is_none()
            && (self.kind, &self.schema, &self.name, &self.signature)
                == (object.kind, &object.schema, &object.name, &object.signature)
    }

    /// The name of the object with its schema.
    #[must_use]
    pub fn qualified_name(&self) -> Option<QualifiedName> {
        Some(QualifiedName {
            schema: self.schema.clone()?,
            name: self.name.clone(),
        })
    }

    /// The name of a role; `None` for anything else.
    #[must_use]
    pub fn as_role(&self) -> Option<&str> {
        (self.kind == ObjectKind::Role).then_some(self.name.as_str())
    }
}

impl ObjectPart {
    /// A part that is in the schema of its object.
    pub fn new(kind: PartKind, name: impl Into<String>) -> Self {
        Self {
            kind,
            schema: None,
            name: name.into(),
        }
    }

    /// The name as SQL writes it.
    #[must_use]
    pub fn printed_name(&self) -> String {
        printed(self.schema.as_deref(), &self.name)
    }

    /// Reads the part of an object: `column id` of `table app.orders`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(of: ObjectKind, text: &str) -> Result<Self, String> {
        let found = PartKind::split(text).filter(|(kind, _)| of.has(*kind));
        let (kind, rest) =
            found.ok_or_else(|| format!("`{text}` is not a part of a {}", of.word()))?;
        let mut rest = Rest { text, rest };
        let schema = match kind.form() {
            Form::Qualified => Some(rest.schema()?),
            _ => None,
        };
        let name = match kind.form() {
            Form::Alone => String::new(),
            _ => rest.name()?,
        };
        rest.end()?;
        Ok(Self { kind, schema, name })
    }
}

impl fmt::Display for ObjectPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.word())?;
        if self.kind.form() != Form::Alone {
            write!(f, " {}", self.printed_name())?;
        }
        Ok(())
    }
}

/// A name as SQL writes it, with its schema where there is one.
fn printed(schema: Option<&str>, name: &str) -> String {
    match schema {
        Some(schema) => format!("{}.{}", quote_ident(schema), quote_ident(name)),
        None => quote_ident(name),
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.word())?;
        let schema = self.schema.as_deref();
        let name = printed(schema, &self.name);
        let signature = self.signature.as_deref().unwrap_or_default();
        if self.kind.form() != Form::Alone {
            f.write_str(" ")?;
        }
        match self.kind.form() {
            Form::Alone => {}
            Form::Name | Form::Qualified => f.write_str(&name)?,
            Form::Routine => write!(f, "{name}({signature})")?,
            Form::Operator => {
                let schema = quote_ident(schema.unwrap_or_default());
                write!(f, "{schema}.{}({signature})", self.name)?;
            }
            Form::Method => write!(f, "{name} using {}", quote_ident(signature))?,
            Form::Cast => write!(f, "({signature})")?,
            Form::Transform => write!(f, "{signature} language {name}")?,
            Form::Mapping => {
                let role = self.signature.as_deref().map(quote_ident);
                let role = role.as_deref().unwrap_or("PUBLIC");
                write!(f, "{role} on {name}")?;
            }
            Form::Defaults => {
                f.write_str(&quote_ident(&self.name))?;
                if let Some(schema) = schema {
                    write!(f, " in schema {}", quote_ident(schema))?;
                }
                write!(f, " on {signature}")?;
            }
            Form::Verbatim => f.write_str(&self.name)?,
        }
        match &self.part {
            Some(part) => write!(f, " {part}"),
            None => Ok(()),
        }
    }
}

impl FromStr for ObjectId {
    type Err = String;

    /// Reads what `Display` prints. Names must be quoted where the server would quote them; quotes that are not needed
    /// are taken.
    ///
    /// # Errors
    /// What was expected where, and what was found.
    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, rest) = ObjectKind::split(text).ok_or_else(|| {
            format!("`{text}` does not begin with a kind of object, as in `table app.orders`")
        })?;
        let mut rest = Rest { text, rest };
        let mut id = Self::new(kind, "");
        match kind.form() {
            Form::Alone => {}
            Form::Name => id.name = rest.name()?,
            Form::Qualified => {
                id.schema = Some(rest.schema()?);
                id.name = rest.name()?;
            }
            Form::Routine => {
                id.schema = Some(rest.schema()?);
                id.name = rest.name()?;
                id.signature = Some(rest.brackets()?);
            }
            Form::Operator => {
                id.schema = Some(rest.schema()?);
                id.name = rest.symbol()?;
                id.signature = Some(rest.brackets()?);
            }
            Form::Method => {
                id.schema = Some(rest.schema()?);
                id.name = rest.name()?;
                rest.expect(" using ")?;
                id.signature = Some(rest.name()?);
            }
            Form::Cast => id.signature = Some(rest.brackets()?),
            Form::Transform => {
                id.signature = Some(rest.up_to(" language ")?);
                id.name = rest.name()?;
            }
            Form::Mapping => {
                id.signature = match rest.expect("PUBLIC") {
                    Ok(()) => None,
                    Err(_) => Some(rest.name()?),
                };
                rest.expect(" on ")?;
                id.name = rest.name()?;
            }
            Form::Defaults => {
                id.name = rest.name()?;
                if rest.expect(" in schema ").is_ok() {
                    id.schema = Some(rest.name()?);
                }
                rest.expect(" on ")?;
                let class = CLASSES.iter().find(|class| **class == rest.rest);
                let class = class.ok_or_else(|| rest.wrong("a class of objects"))?;
                id.signature = Some((*class).to_owned());
                rest.rest = "";
            }
            Form::Verbatim => {
                id.name = std::mem::take(&mut rest.rest).to_owned();
                if id.name.is_empty() {
                    return Err(rest.wrong("a name"));
                }
            }
        }
        if let Some(part) = rest.rest.strip_prefix(' ') {
            let part = ObjectPart::parse(kind, part);
            id.part = Some(part.map_err(|error| format!("`{text}`: {error}"))?);
            return Ok(id);
        }
        rest.end()?;
        Ok(id)
    }
}

/// What is not read yet of a text.
struct Rest<'a> {
    text: &'a str,
    rest: &'a str,
}

impl Rest<'_> {
    fn wrong(&self, expected: &str) -> String {
        let found = match self.rest {
            "" => "the end".to_owned(),
            rest => format!("`{rest}`"),
        };
        format!("`{}`: expected {expected}, found {found}", self.text)
    }

    fn expect(&mut self, word: &str) -> Result<(), String> {
        let rest = self.rest.strip_prefix(word);
        self.rest = rest.ok_or_else(|| self.wrong(&format!("`{}`", word.trim())))?;
        Ok(())
    }

    fn end(&self) -> Result<(), String> {
        match self.rest {
            "" => Ok(()),
            _ => Err(self.wrong("the end")),
        }
    }

    /// The first bytes, so many.
    fn take(&mut self, bytes: usize) -> String {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken.to_owned()
    }

    /// A name, quoted or plain.
    fn name(&mut self) -> Result<String, String> {
        if self.rest.starts_with('"') {
            let end = quoted_length(self.rest.as_bytes(), false).filter(|end| *end > 2);
            let end = end.ok_or_else(|| self.wrong("a name in quotes"))?;
            let quoted = self.take(end);
            return Ok(quoted[1..end - 1].replace("\"\"", "\""));
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let end = self.rest.find(|c| !plain(c)).unwrap_or(self.rest.len());
        match end {
            0 => Err(self.wrong("a name, in quotes where it is not plain lower case")),
            _ => Ok(self.take(end)),
        }
    }

    fn schema(&mut self) -> Result<String, String> {
        let schema = self.name()?;
        self.expect(".")?;
        Ok(schema)
    }

    /// The name of an operator.
    fn symbol(&mut self) -> Result<String, String> {
        let of_operator = |c: char| "+-*/<>=~!@#%^&|`?".contains(c);
        let end = self.rest.find(|c| !of_operator(c)).unwrap_or(0);
        match end {
            0 => Err(self.wrong("an operator")),
            _ => Ok(self.take(end)),
        }
    }

    /// What is in the brackets that this begins with.
    fn brackets(&mut self) -> Result<String, String> {
        let mut depth = 0_usize;
        let is_open = self.rest.starts_with('(');
        for (at, c) in outside_quotes(self.rest).take_while(|_| is_open) {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                let all = self.take(at + 1);
                return Ok(all[1..at].to_owned());
            }
        }
        Err(self.wrong("types in brackets"))
    }

    /// What is in front of a word that is not in quotes; both are read.
    fn up_to(&mut self, word: &str) -> Result<String, String> {
        let mut all = outside_quotes(self.rest);
        let at = all.find(|(at, _)| *at > 0 && self.rest[*at..].starts_with(word));
        let (at, _) = at.ok_or_else(|| self.wrong(&format!("`{}`", word.trim())))?;
        let found = self.take(at);
        self.expect(word)?;
        Ok(found)
    }
}

/// The characters that are in no quoted name.
fn outside_quotes(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut quoted = false;
    text.char_indices().filter(move |(_, c)| {
        quoted ^= *c == '"';
        !quoted && *c != '"'
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("server")]
    #[case("database")]
    #[case("database settings")]
    #[case("database settings of role \"Odd role\"")]
    #[case("large objects")]
    #[case("table app.orders")]
    #[case("table app.orders column id")]
    #[case("table app.\"a index b\"")]
    #[case("table app.\"a index b\" index \"x rule y\"")]
    #[case("table \"my.app\".\"Odd.table ' \"\" \"")]
    #[case("table app.orders inherited constraint named_here")]
    #[case("table app.orders statistics app.together")]
    #[case("table public.server")]
    #[case("foreign table app.far column id")]
    #[case("materialized view app.filled index filled_id")]
    #[case("domain app.positive constraint is_positive")]
    #[case("function app.f()")]
    #[case("function app.f(integer, app.\"My) type\"[])")]
    #[case("operator app.===(app.pair, app.pair)")]
    #[case("operator class.+(, integer)")]
    #[case("operator class app.pair_ops using btree")]
    #[case("operator family app.pairs using \"odd method\"")]
    #[case("cast (app.pair AS character varying)")]
    #[case("transform for app.\"a language b\" language plperl")]
    #[case("user mapping for PUBLIC on elsewhere")]
    #[case("user mapping for \"PUBLIC\" on \"else on where\"")]
    #[case("default privileges of maker on tables")]
    #[case("default privileges of \"a in schema b\" in schema app on large objects")]
    #[case("parameter log_min_messages")]
    #[case("parameter app.jwt_claims")]
    #[case("publication a_part table app.orders")]
    #[case("graph plur label \"Label\"")]
    #[case("text search configuration app.english")]
    #[case("role \"time\"")]
    #[case("role \"a\nb\"")]
    fn every_identity_is_printed_as_it_was_read(#[case] text: &str) {
        let id: ObjectId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
    }

    #[rstest]
    #[case("", "`` does not begin with a kind of object")]
    #[case("tables app.orders", "does not begin with a kind of object")]
    #[case("table", "does not begin with a kind of object")]
    #[case(
        "table ",
        "expected a name, in quotes where it is not plain lower case, found the end"
    )]
    #[case("table orders", "expected `.`, found the end")]
    #[case(
        "table app.Orders",
        "expected a name, in quotes where it is not plain lower case, found `Orders`"
    )]
    #[case("table app.\"orders", "expected a name in quotes, found `\"orders`")]
    #[case("table app.\"\"", "expected a name in quotes, found `\"\"`")]
    #[case("table app.orders.id", "expected the end, found `.id`")]
    #[case("table app.orders colum id", "`colum id` is not a part of a table")]
    #[case("table app.orders column", "`column` is not a part of a table")]
    #[case("table app.orders column a b", "expected the end, found ` b`")]
    #[case("role app column id", "`column id` is not a part of a role")]
    #[case("function app.f", "expected types in brackets, found the end")]
    #[case(
        "function app.f(integer",
        "expected types in brackets, found `(integer`"
    )]
    #[case("function app.f() owner", "`owner` is not a part of a function")]
    #[case(
        "operator app.plus(integer)",
        "expected an operator, found `plus(integer)`"
    )]
    #[case(
        "default privileges of a on rocks",
        "expected a class of objects, found `rocks`"
    )]
    #[case("cast )", "expected types in brackets, found `)`")]
    #[case("parameter ", "expected a name, found the end")]
    fn mistakes_say_what_was_expected(#[case] text: &str, #[case] message: &str) {
        let error = text.parse::<ObjectId>().unwrap_err();
        assert!(error.contains(message), "{error}");
    }

    #[test]
    fn parts_come_behind_their_object() {
        let mut all: Vec<ObjectId> = [
            "table app.b",
            "table app.a trigger t",
            "table app.\"a trigger t\"",
            "table app.a",
        ]
        .map(|text| text.parse().unwrap())
        .into();
        all.sort();
        let shown: Vec<String> = all.iter().map(ToString::to_string).collect();
        let (whole, part) = (&all[0], &all[1]);
        assert_eq!(shown[..2], ["table app.a", "table app.a trigger t"]);
        assert!(part.is_part_of(whole) && part.whole() == *whole);
        assert!(!all[2].is_part_of(whole) && !whole.is_part_of(whole));
    }

    /// Names as nobody should give them, and words of the text itself.
    fn any_name() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z_][a-z0-9_]{0,5}",
            "[\\PC\n\t\r\"'. ]{1,8}",
            "[a-z\" ]{0,2} (index|rule|column|using|language|on|in schema|settings of role) [a-z\" ]{0,2}",
            prop::sample::select(vec![
                "server", "database", "table", "PUBLIC", "public", "time", " a", "a "
            ])
            .prop_map(str::to_owned),
        ]
    }

    /// Types as a server prints them.
    fn any_types() -> impl Strategy<Value = String> {
        let name = || any_name().prop_map(|name| quote_ident(&name));
        let one = (prop::option::of(name()), name(), "(\\[\\]|\\(10,2\\))?").prop_map(
            |(schema, name, end)| match schema {
                Some(schema) => format!("{schema}.{name}{end}"),
                None => format!("{name}{end}"),
            },
        );
        prop::collection::vec(one, 0..3).prop_map(|all| all.join(", "))
    }

    /// Any identity that can be.
    pub fn any_object() -> impl Strategy<Value = ObjectId> {
        let parts = (prop::sample::select(PartKind::ALL), any_name(), any_name());
        let own = (
            any_name(),
            any_name(),
            any_types(),
            any::<bool>(),
            "[-+*/<>=]{1,3}",
        );
        let kind = prop::sample::select(ObjectKind::ALL);
        (kind, own, prop::option::of(parts)).prop_map(
            |(kind, (schema, name, types, other, symbol), part)| {
                let mut id = ObjectId::new(kind, name.clone());
                let qualified = ObjectId::qualified(
                    kind,
                    &QualifiedName {
                        schema,
                        name: name.clone(),
                    },
                );
                match kind.form() {
                    Form::Alone => id.name.clear(),
                    Form::Name => {}
                    Form::Qualified => id = qualified,
                    Form::Routine => {
                        id = ObjectId {
                            signature: Some(types),
                            ..qualified
                        }
                    }
                    Form::Operator => {
                        id = ObjectId {
                            signature: Some(types),
                            name: symbol,
                            ..qualified
                        }
                    }
                    Form::Method => {
                        id = ObjectId {
                            signature: Some(name),
                            ..qualified
                        }
                    }
                    Form::Cast => {
                        id.name.clear();
                        id.signature = Some(types);
                    }
                    Form::Transform => id.signature = Some(format!("app.{}", quote_ident(&name))),
                    Form::Mapping => id.signature = other.then_some(name),
                    Form::Defaults => {
                        id = if other { qualified } else { id };
                        id.signature = Some(CLASSES[name.len() % CLASSES.len()].to_owned());
                    }
                    Form::Verbatim => id.name = "app.setting".to_owned(),
                }
                id.part = part
                    .filter(|(part, ..)| kind.has(*part))
                    .map(|(part, schema, name)| ObjectPart {
                        kind: part,
                        schema: (part.form() == Form::Qualified).then_some(schema),
                        name: if part.form() == Form::Alone {
                            String::new()
                        } else {
                            name
                        },
                    });
                id
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(id in any_object()) {
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn no_text_is_read_as_something_else(text in "(table|role|function|cast|operator) [a-z\". ()]{0,12}") {
            if let Ok(id) = text.parse::<ObjectId>() {
                prop_assert_eq!(id.to_string().parse(), Ok(id));
            }
        }
    }
}
