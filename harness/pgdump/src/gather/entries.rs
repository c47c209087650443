//! Which entries a dump has, and what each defines → [`Objects`].
//!
//! In a plain dump an entry begins with pg_dump's `-- Name: …; Type: …` and ends with the next one. What
//! stands before the first and behind the last is told by its statements: roles by `pg_dumpall`, everything
//! by other writers.

use super::attributes;
use crate::fault::Place;
use crate::objects::{Definition, Object, ObjectSource, Objects};
use crate::script::statement::Words;
use crate::sql::QualifiedName;

/// Bytes of one definition that are kept while it is read.
const LONGEST: usize = 1024 * 1024;

/// The objects of a dump, collected while it is read.
#[derive(Debug, Default)]
pub struct Entries {
    objects: Objects,
    /// The database that the statements go to.
    database: String,
    /// The entry that the statements belong to, and its text so far.
    open: Option<(Object, String)>,
    /// Whether pg_dump's comments name the entries.
    named: bool,
    /// What statements outside of entries make.
    loose: Vec<(Object, String)>,
}

impl Entries {
    /// Sets the database of what follows.
    pub(super) fn connect(&mut self, database: &str) {
        self.end();
        database.clone_into(&mut self.database);
    }

    /// An entry of a plain dump begins; `text` is what its comment says behind `Name: `.
    pub fn begin(&mut self, line: u64, text: &str) {
        self.end();
        self.named = true;
        self.open = header(text).map(|mut object| {
            object.place = Place::Line(line);
            // The database itself is made before anything connects to it.
            object.database = match object.kind.starts_with("DATABASE") {
                true => object.name.clone(),
                false => self.database.clone(),
            };
            (object, String::new())
        });
    }

    /// The entry has ended, with the next or with the dump.
    pub fn end(&mut self) {
        if let Some((object, text)) = self.open.take() {
            self.objects.add(object, &text);
        }
    }

    /// A statement of a plain dump, or the beginning of a long one.
    pub fn statement(&mut self, line: u64, words: &Words<'_>, text: &str) {
        match &mut self.open {
            None => self.loose(line, words),
            Some((_, definition)) if defines(words) => {
                if definition.len() + text.len() <= LONGEST {
                    definition.push_str(text);
                    definition.push('\n');
                }
            }
            Some(_) => {}
        }
    }

    /// Number of objects that are kept.
    pub(super) fn len(&self) -> usize {
        self.objects.list.len() + self.loose.len()
    }

    /// It is pg_dumpall's.
    pub fn by_pg_dumpall(&mut self) {
        self.objects.by_pg_dumpall = true;
    }

    /// An entry of an archive.
    pub fn entry(&mut self, mut object: Object, sql: &str) {
        self.named = true;
        object.database.clone_from(&self.database);
        self.objects.add(object, sql);
    }

    /// A statement outside of entries.
    fn loose(&mut self, line: u64, words: &Words<'_>) {
        let Some((kind, name, mut definition)) = role(words).or_else(|| made(words)) else {
            return;
        };
        let object = Object {
            database: self.database.clone(),
            kind: kind.to_owned(),
            schema: name.schema,
            name: name.name,
            owner: String::new(),
            place: Place::Line(line),
            definition: Definition::default(),
        };
        if kind == "ROLE" {
            // `CREATE ROLE a;`, then `ALTER ROLE a WITH …`: all of them together say what it may.
            let known = self
                .loose
                .iter_mut()
                .rfind(|(other, _)| other.kind == "ROLE" && other.name == object.name);
            let options = words.tokens().get(3..).unwrap_or_default();
            if let Some((_, text)) = known {
                *text = attributes::apply(text, options);
                return;
            }
            let of_user = matches!(words.start(), ["create", "user", ..]);
            definition = attributes::apply(if of_user { "LOGIN" } else { "" }, options);
        }
        self.loose.push((object, definition));
    }

    /// Nothing more comes.
    pub(super) fn finish(mut self) -> Objects {
        self.end();
        for (object, text) in self.loose {
            let of_cluster = CLUSTER.contains(&object.kind.as_str());
            if of_cluster || !self.named {
                self.objects.add(object, &text);
            }
        }
        if self.named {
            self.objects.listed_by = ObjectSource::ByEntries;
        }
        // It is kept for long, and there may be very many.
        self.objects.list.shrink_to_fit();
        self.objects
    }
}

/// Kinds of what belongs to no database; pg_dumpall gives it no entries.
pub const CLUSTER: &[&str] = &["ROLE", "ROLE SETTING", "MEMBERSHIP"];

/// Reads `NAME; Type: KIND; Schema: SCHEMA; Owner: OWNER[; Tablespace: …]`, from behind: a name may hold anything.
fn header(text: &str) -> Option<Object> {
    let (rest, owner) = text.rsplit_once("; Owner:")?;
    let (rest, schema) = rest.rsplit_once("; Schema: ")?;
    let (name, kind) = rest.rsplit_once("; Type: ")?;
    let owner = owner.split("; Tablespace: ").next().unwrap_or_default();
    let none = |text: &str| match text.trim() {
        "-" => String::new(),
        text => text.to_owned(),
    };
    Some(Object {
        database: String::new(),
        kind: kind.to_owned(),
        schema: none(schema),
        name: name.to_owned(),
        owner: none(owner),
        place: Place::Line(0),
        definition: Definition::default(),
    })
}

/// Whether a statement within an entry says what the object is: settings are for what follows, and who
/// owns it is said by the entry.
fn defines(words: &Words<'_>) -> bool {
    let start = words.start();
    match start {
        ["set" | "reset", ..] => false,
        ["select", ..] => words
            .tokens()
            .get(1)
            .is_none_or(|name| name.text != "pg_catalog.set_config"),
        ["alter", ..] => {
            !(start.len() > 4 && start[start.len() - 4..start.len() - 2] == ["owner", "to"])
        }
        _ => true,
    }
}

/// What pg_dumpall makes of roles: its kind, its name, what of it can be compared.
fn role(words: &Words<'_>) -> Option<(&'static str, QualifiedName, String)> {
    let start = words.start();
    let of = |kind, name: String, text: String| {
        let schema = String::new();
        Some((kind, QualifiedName { schema, name }, text))
    };
    match start {
        ["create", "role" | "user", next, ..] if *next != "mapping" => {
            of("ROLE", words.identifier(2)?, String::new())
        }
        ["alter", "role" | "user", _, "set", _, "to", ..] => {
            let name = format!("{} {}", words.identifier(2)?, words.identifier(4)?);
            let (_, value) = words.text.split_once(" TO ")?;
            let value = value.trim_end().trim_end_matches(';');
            of("ROLE SETTING", name, setting(value))
        }
        ["alter", "role" | "user", _, next, ..]
            if !matches!(*next, "set" | "reset" | "rename" | "in") =>
        {
            of("ROLE", words.identifier(2)?, String::new())
        }
        ["grant", ..] if words.next("on", 0).is_none() => {
            let (granted, to) = (words.identifiers(1), words.next("to", 1)?);
            let members = words.identifiers(to + 1);
            let name = format!("{} TO {}", granted.join(", "), members.join(", "));
            of("MEMBERSHIP", name, words.text.to_owned())
        }
        _ => None,
    }
}

/// The value of a setting, in whatever way it is quoted.
#[must_use]
pub fn setting(value: &str) -> String {
    let bare: String = value
        .chars()
        .filter(|c| !matches!(c, '\'' | '"' | '\\'))
        .collect();
    bare.split(',')
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(", ")
}

/// What a statement of another writer makes, as pg_dump would call it.
fn made(words: &Words<'_>) -> Option<(&'static str, QualifiedName, String)> {
    let start = words.start();
    let tokens = words.tokens();
    let is = |at: usize, word: &str| tokens.get(at).is_some_and(|token| token.is_word(word));
    let alter = is(0, "alter") && is(1, "table");
    if alter {
        let at = 2 + usize::from(is(2, "only"));
        let add = words.position(&["add", "constraint"])?;
        let table = words.qualified(at)?;
        let name = format!("{} {}", table.name, words.identifier(add + 2)?);
        return Some(("CONSTRAINT", QualifiedName { name, ..table }, String::new()));
    }
    if !is(0, "create") {
        return None;
    }
    let mut at = 1;
    const BEFORE: &[&str] = &[
        "or",
        "replace",
        "unlogged",
        "unique",
        "recursive",
        "trusted",
        "procedural",
        "constraint",
    ];
    while BEFORE.iter().any(|word| is(at, word)) {
        at += 1;
    }
    let two = ["materialized", "foreign"].iter().any(|word| is(at, word))
        && (is(at + 1, "view") || is(at + 1, "table"));
    let kind = match tokens
        .get(at + usize::from(two))?
        .text
        .to_ascii_lowercase()
        .as_str()
    {
        "table" if two => "FOREIGN TABLE",
        "view" if two => "MATERIALIZED VIEW",
        "table" => "TABLE",
        "view" => "VIEW",
        "sequence" => "SEQUENCE",
        "index" => "INDEX",
        "schema" => "SCHEMA",
        "extension" => "EXTENSION",
        "type" => "TYPE",
        "domain" => "DOMAIN",
        "function" => "FUNCTION",
        "procedure" => "PROCEDURE",
        "trigger" => "TRIGGER",
        "policy" => "POLICY",
        _ => return None,
    };
    at += 1 + usize::from(two);
    at += usize::from(kind == "INDEX" && is(at, "concurrently"));
    if start.get(at..at + 3) == Some(&["if", "not", "exists"]) {
        at += 3;
    }
    let name = match kind {
        "INDEX" => {
            let on = words.next("on", at).filter(|on| *on > at)?;
            let only = usize::from(is(on + 1, "only"));
            QualifiedName {
                name: words.identifier(at)?,
                ..words.qualified(on + 1 + only)?
            }
        }
        "TRIGGER" | "POLICY" => {
            let table = words
                .next("on", at + 1)
                .and_then(|on| words.qualified(on + 1))?;
            QualifiedName {
                name: format!("{} {}", table.name, words.identifier(at)?),
                ..table
            }
        }
        "SCHEMA" | "EXTENSION" => QualifiedName {
            schema: String::new(),
            name: words.identifier(at)?,
        },
        _ => words.qualified(at)?,
    };
    Some((kind, name, String::new()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "orders; Type: TABLE; Schema: app; Owner: me",
        "TABLE",
        "app",
        "orders",
        "me"
    )]
    #[case(
        "vector; Type: EXTENSION; Schema: -; Owner: -",
        "EXTENSION",
        "",
        "vector",
        ""
    )]
    #[case(
        "EXTENSION vector; Type: COMMENT; Schema: -; Owner:",
        "COMMENT",
        "",
        "EXTENSION vector",
        ""
    )]
    #[case(
        "t; Type: TABLE; Schema: x; Owner: y; Type: TABLE; Schema: a b; Owner: c d; Tablespace: fast",
        "TABLE",
        "a b",
        "t; Type: TABLE; Schema: x; Owner: y",
        "c d"
    )]
    fn headers_are_read_from_behind(
        #[case] text: &str,
        #[case] kind: &str,
        #[case] schema: &str,
        #[case] name: &str,
        #[case] owner: &str,
    ) {
        let object = header(text).unwrap();
        assert_eq!(
            (object.kind.as_str(), object.schema.as_str()),
            (kind, schema)
        );
        assert_eq!((object.name.as_str(), object.owner.as_str()), (name, owner));
    }

    #[rstest]
    #[case("CREATE UNLOGGED TABLE IF NOT EXISTS app.t (a int);", "TABLE app.t")]
    #[case(
        "create materialized view m as select 1;",
        "MATERIALIZED VIEW public.m"
    )]
    #[case(
        "CREATE UNIQUE INDEX CONCURRENTLY i ON ONLY app.t USING btree (a);",
        "INDEX app.i"
    )]
    #[case(
        "CREATE OR REPLACE FUNCTION app.f(a int) RETURNS int AS 'x';",
        "FUNCTION app.f"
    )]
    #[case(
        "CREATE CONSTRAINT TRIGGER g AFTER INSERT ON app.t EXECUTE FUNCTION f();",
        "TRIGGER app.\"t g\""
    )]
    #[case("CREATE POLICY p ON app.t USING (true);", "POLICY app.\"t p\"")]
    #[case(
        "ALTER TABLE ONLY app.t ADD CONSTRAINT c CHECK (a > 0);",
        "CONSTRAINT app.\"t c\""
    )]
    #[case("CREATE ROLE a;", "ROLE \"\".a")]
    #[case("ALTER ROLE a NOLOGIN;", "ROLE \"\".a")]
    #[case(
        "GRANT a TO b WITH INHERIT TRUE GRANTED BY postgres;",
        "MEMBERSHIP \"\".\"a TO b\""
    )]
    #[case(
        "ALTER ROLE a SET search_path TO 'x';",
        "ROLE SETTING \"\".\"a search_path\""
    )]
    fn statements_tell_what_they_make(#[case] sql: &str, #[case] expected: &str) {
        let words = Words::of(sql.as_bytes());
        let (kind, name, _) = role(&words).or_else(|| made(&words)).unwrap();
        assert_eq!(format!("{kind} {name}"), expected);
    }

    #[rstest]
    #[case("ALTER TABLE a.t OWNER TO b;", false)]
    #[case("ALTER FUNCTION a.f(x integer, \"y z\" text) OWNER TO \"B\";", false)]
    #[case("ALTER TABLE t ALTER COLUMN a SET DEFAULT 'owner to b';", true)]
    #[case("SET default_tablespace = '';", false)]
    #[case("SELECT pg_catalog.set_config('search_path', '', false);", false)]
    #[case("SELECT 1;", true)]
    fn what_defines_an_object_is_told_from_what_does_not(
        #[case] sql: &str,
        #[case] expected: bool,
    ) {
        assert_eq!(defines(&Words::of(sql.as_bytes())), expected);
    }

    #[rstest]
    #[case("'$user', 'public'", "\"$user\", public")]
    #[case("'it''s'", "it's")]
    fn a_setting_is_the_same_in_all_quotes(#[case] dumped: &str, #[case] stored: &str) {
        assert_eq!(setting(dumped), setting(stored));
    }
}
