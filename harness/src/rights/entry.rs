//! Rights as a scenario writes them: `select, insert on app.*`, `owner of schema app`.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use super::class::{ONLY_OWNED, ObjectClass, WORDS};
use super::effective::HeldRight;
use super::facts::ObjectFacts;
use super::name::{ObjectPattern, Piece, identifier_pattern, pieces, role_pattern};
use super::session::Named;
use crate::sql::{Glob, QualifiedName};

/// Rights that can be granted on columns.
const ON_COLUMNS: &[&str] = &["SELECT", "INSERT", "UPDATE", "REFERENCES"];

/// One right of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Privilege {
    /// In capitals, as in `aclexplode`; `ALL` for all.
    pub name: String,
    /// The columns; empty for the whole object.
    pub columns: Vec<Glob>,
}

/// One entry of `floor` or `ceiling`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct Right {
    /// The entry in the scenario.
    pub text: String,
    /// The rights; empty for an owner, who has all.
    pub privileges: Vec<Privilege>,
    /// Whether it is about ownership.
    pub owner: bool,
    /// Whether it is with grant option.
    pub grantable: bool,
    /// The class of object.
    pub class: ObjectClass,
    /// The type in `pg_identify_object`, for [`ObjectClass::Other`].
    pub only_owned: Option<String>,
    /// The objects; of default privileges the schemas, empty for all.
    pub names: Vec<ObjectPattern>,
    /// Excluded objects.
    pub except: Vec<ObjectPattern>,
    /// Of default privileges the role that creates the objects; `None` for any.
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

/// Examples, for messages.
pub const SHAPE: &str = "write as in \"select, insert on app.*\", \"usage on schema app\", \"execute on functions app.f(integer)\", \"owner of app.orders\"";

/// Parses an entry.
///
/// # Errors
/// A lowercase fragment that says what is wrong with it.
pub fn parse(text: &str) -> Result<Right, String> {
    let wrong = |what: &str| format!("`{text}`: {what}; {SHAPE}");
    let all = pieces(text).map_err(|error| wrong(&error))?;
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
    let (class, only_owned, taken) = parse_class(rest, owner);
    let start = at + taken;
    let mut right = Right {
        text: text.trim().to_owned(),
        privileges: Vec::new(),
        owner,
        grantable,
        class,
        only_owned: only_owned.map(str::to_owned),
        names: Vec::new(),
        except: Vec::new(),
        by: None,
    };
    if owner && (grantable || class.is_default()) {
        return Err(wrong(
            "an owner has no grant option, and objects created later have no owner yet",
        ));
    }
    if !owner {
        right.privileges = parse_privileges(all.get(..at - 1).unwrap_or_default(), class)
            .map_err(|e| wrong(&e))?;
    }
    let slice = |from: usize, to: usize| {
        let begin = all.get(from).map_or(text.len(), |token| token.start);
        let stop = all.get(to.saturating_sub(1)).map_or(begin, Piece::end);
        text.get(begin..stop.max(begin)).unwrap_or_default()
    };
    let find = |word: &str| {
        let found = words.get(start..end).unwrap_or_default();
        found.iter().position(|one| *one == word).map(|i| start + i)
    };
    if class.is_default() {
        let by = find("by");
        let names_end = by.unwrap_or(end);
        if start < names_end {
            let skip = match words.get(start..names_end).unwrap_or_default() {
                ["in", "schema", _, ..] => 2,
                ["in", _, ..] => 1,
                _ => return Err(wrong("expected `in` a schema or `by role` after the class")),
            };
            right.names = ObjectPattern::list(slice(start + skip, names_end), false)
                .map_err(|e| wrong(&e))?;
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
            right.by = Some(role_pattern(slice(by + skip, end)).map_err(|e| wrong(&e))?);
        }
        return Ok(right);
    }
    let except = find("except");
    let names_end = except.unwrap_or(end);
    let named = slice(start, names_end);
    // `all tables in schema app`, as in GRANT.
    let schemas = match rest {
        ["all", ..] => words
            .get(start..names_end)
            .filter(|names| names.starts_with(&["in", "schema"]))
            .map(|_| slice(start + 2, names_end)),
        _ => None,
    };
    right.names = match (class, schemas) {
        (_, Some(schemas)) => ObjectPattern::list(schemas, false)
            .map_err(|e| wrong(&e))?
            .into_iter()
            .map(ObjectPattern::all_in)
            .collect(),
        (ObjectClass::Database | ObjectClass::LargeObject, None) if start >= names_end => {
            vec![ObjectPattern::raw("*")]
        }
        (ObjectClass::Other, None) => vec![ObjectPattern::raw(named)],
        (_, None) => ObjectPattern::list(named, class.in_schema()).map_err(|e| wrong(&e))?,
    };
    if let Some(except) = except {
        right.except = ObjectPattern::list(slice(except + 1, end), class.in_schema())
            .map_err(|e| wrong(&e))?;
    }
    if class != ObjectClass::Function && right.all_names().any(|name| name.arguments.is_some()) {
        return Err(wrong("only functions have arguments"));
    }
    Ok(right)
}

/// Parses the class of objects that the words begin with; also gives the number of its words.
fn parse_class(words: &[&str], owner: bool) -> (ObjectClass, Option<&'static str>, usize) {
    let skip = usize::from(words.first() == Some(&"all"));
    let words = words.get(skip..).unwrap_or_default();
    let begins = |with: &str| {
        let with: Vec<&str> = with.split(' ').collect();
        // A table may have the name `types`: a class is followed by a name.
        let follows = words.get(with.len()).is_some_and(|next| *next != ",");
        let alone = words.len() == with.len()
            && matches!(with.first(), Some(&("database" | "large" | "default")));
        (words.starts_with(&with) && (follows || alone)).then_some(with.len())
    };
    let plural = |class: ObjectClass, word: &str| match class.is_default() {
        true => word.to_owned(),
        false => format!("{word}s"),
    };
    let known = WORDS
        .iter()
        .flat_map(|(class, words)| words.iter().map(move |word| (*class, *word)))
        .filter_map(|(class, word)| {
            let taken = begins(word).or_else(|| begins(&plural(class, word)))?;
            Some((class, None, taken + skip))
        });
    let owned = ONLY_OWNED.iter().filter(|_| owner).filter_map(|name| {
        begins(name).map(|taken| (ObjectClass::Other, Some(*name), taken + skip))
    });
    known
        .chain(owned)
        .max_by_key(|(_, _, taken)| *taken)
        .unwrap_or((ObjectClass::Table, None, 0))
}

/// Parses the rights before `on`.
fn parse_privileges(all: &[Piece<'_>], class: ObjectClass) -> Result<Vec<Privilege>, String> {
    if let [only] = all
        && only.text.eq_ignore_ascii_case("nothing")
    {
        return match class {
            ObjectClass::DefaultFunction | ObjectClass::DefaultType => Ok(Vec::new()),
            _ => Err("`nothing` is only for default functions and default types, which PUBLIC may use by default".to_owned()),
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
        let known = class.all(u64::MAX);
        if name != "ALL" && !known.contains(&name.as_str()) {
            return Err(format!(
                "there is no right {name} on {}; expected {}",
                class.words(),
                known.join(", ")
            ));
        }
        let columns = columns.take().unwrap_or_default();
        if !columns.is_empty()
            && (class != ObjectClass::Table || !ON_COLUMNS.contains(&name.as_str()))
        {
            return Err(format!(
                "{name} on {} cannot be granted by column",
                class.words()
            ));
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
                let column = identifier_pattern(column)?;
                columns.get_or_insert_default().push(column);
            }
            word => words.push(word.to_ascii_uppercase()),
        }
    }
    finish(&mut words, &mut columns)?;
    Ok(privileges)
}

impl Right {
    /// All names, included and excluded.
    pub fn all_names(&self) -> impl Iterator<Item = &ObjectPattern> {
        self.names.iter().chain(&self.except)
    }

    /// All names, to set what the server resolved.
    pub fn all_names_mut(&mut self) -> impl Iterator<Item = &mut ObjectPattern> {
        self.names.iter_mut().chain(&mut self.except)
    }

    /// The objects that it names without a pattern; of default privileges the creator.
    pub fn named(&self) -> impl Iterator<Item = Named> {
        let in_schema = self.class.in_schema();
        let names = match self.class.is_default() {
            true => &[],
            false => self.names.as_slice(),
        };
        let exact = names.iter().filter_map(move |name| name.exact(in_schema));
        let creator = self.by.iter().filter_map(|by| Some(("", by.exact()?)));
        let all = exact.chain(creator);
        all.map(|(schema, name)| Named {
            class: self.class,
            schema: schema.to_owned(),
            name: name.to_owned(),
        })
    }

    /// Whether the entry is about this object.
    #[must_use]
    pub fn covers(&self, object: &ObjectFacts) -> bool {
        let only_owned = self.only_owned.as_ref();
        if self.class != object.class || only_owned.is_some_and(|word| *word != object.only_owned) {
            return false;
        }
        if self.class.is_default() {
            // Without a schema it covers all; with one it does not cover privileges for all schemas.
            let place = self.names.is_empty()
                || self.names.iter().any(|name| {
                    name.name.text() == "*"
                        || (!object.schema.is_empty() && name.name.matches(&object.schema))
                });
            return place && self.by.as_ref().is_none_or(|by| by.matches(&object.name));
        }
        let named = |names: &[ObjectPattern]| names.iter().any(|name| name.matches(object));
        named(&self.names) && !named(&self.except)
    }

    /// Whether it names this object without a pattern.
    #[must_use]
    pub fn names_exactly(&self, object: &ObjectFacts) -> bool {
        let mut names = self.names.iter();
        names.any(|name| name.exact(self.class.in_schema()).is_some() && name.matches(object))
    }

    /// Whether it names a table without a pattern, also to except it.
    #[must_use]
    pub fn names_table(&self) -> bool {
        self.tables().next().is_some()
    }

    /// The tables that it names without a pattern, also to except them.
    pub fn tables(&self) -> impl Iterator<Item = QualifiedName> {
        let names = self.all_names().filter_map(|name| name.exact(true));
        let names = names.filter(|_| self.class == ObjectClass::Table);
        names.map(|(schema, name)| QualifiedName {
            schema: schema.to_owned(),
            name: name.to_owned(),
        })
    }

    /// Whether it names this table without a pattern, also to except it.
    #[must_use]
    pub fn mentions(&self, table: &ObjectFacts) -> bool {
        let is_it = |name: &ObjectPattern| name.exact(true).is_some() && name.matches(table);
        self.class == table.class && self.all_names().any(is_it)
    }

    /// Whether it allows a command, at least on some columns, on a table that it covers.
    #[must_use]
    pub fn allows_command(&self, command: &str) -> bool {
        let mut names = self.privileges.iter().map(|one| one.name.as_str());
        self.owner || names.any(|name| name == "ALL" || name == command)
    }

    /// Whether it allows this right on an object that it covers.
    #[must_use]
    pub fn allows(&self, right: &HeldRight<'_>) -> bool {
        self.owner
            || (self.privileges.iter().any(|privilege| {
                (privilege.name == "ALL" || privilege.name == right.privilege)
                    && (privilege.columns.is_empty()
                        || right.column.is_some_and(|column| {
                            privilege.columns.iter().any(|glob| glob.matches(column))
                        }))
            }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("select, insert on app.*", ObjectClass::Table, &["SELECT", "INSERT"], &["app.*"])]
    #[case("connect, temp on database", ObjectClass::Database, &["CONNECT", "TEMPORARY"], &["*"])]
    #[case("connect on database plur", ObjectClass::Database, &["CONNECT"], &["plur"])]
    #[case("usage on schema app, \"My Own\"", ObjectClass::Schema, &["USAGE"], &["app", "\"My Own\""])]
    #[case("USAGE, SELECT ON ALL SEQUENCES IN SCHEMA app", ObjectClass::Sequence, &["USAGE", "SELECT"], &["app.*"])]
    #[case("all on all tables in schema app, b", ObjectClass::Table, &["ALL"], &["app.*", "b.*"])]
    #[case("all privileges on app.x", ObjectClass::Table, &["ALL"], &["app.x"])]
    #[case("select on types", ObjectClass::Table, &["SELECT"], &["public.types"])]
    #[case("select on view app.v", ObjectClass::Table, &["SELECT"], &["app.v"])]
    #[case("usage on type app.*", ObjectClass::Type, &["USAGE"], &["app.*"])]
    #[case("execute on functions app.*", ObjectClass::Function, &["EXECUTE"], &["app.*"])]
    #[case("execute on function app.f(integer, timestamp with time zone), app.g()", ObjectClass::Function, &["EXECUTE"], &["app.f(integer, timestamp with time zone)", "app.g()"])]
    #[case("usage on language plpgsql", ObjectClass::Language, &["USAGE"], &["plpgsql"])]
    #[case("usage on foreign server x", ObjectClass::Server, &["USAGE"], &["x"])]
    #[case("usage on foreign data wrapper y", ObjectClass::Wrapper, &["USAGE"], &["y"])]
    #[case("select on foreign table app.f", ObjectClass::Table, &["SELECT"], &["app.f"])]
    #[case("select on large object 123, 124", ObjectClass::LargeObject, &["SELECT"], &["123", "124"])]
    #[case("select, update on large objects", ObjectClass::LargeObject, &["SELECT", "UPDATE"], &["*"])]
    #[case("set, alter system on parameter log_statement", ObjectClass::Parameter, &["SET", "ALTER SYSTEM"], &["log_statement"])]
    #[case("set on parameter app.tenant", ObjectClass::Parameter, &["SET"], &["app.tenant"])]
    #[case("select on default tables in app by role boss", ObjectClass::DefaultTable, &["SELECT"], &["app"])]
    #[case("execute on default functions", ObjectClass::DefaultFunction, &["EXECUTE"], &[])]
    #[case("nothing on default functions by role boss", ObjectClass::DefaultFunction, &[], &[])]
    #[case("owner of app.x", ObjectClass::Table, &[], &["app.x"])]
    #[case("owns schema app", ObjectClass::Schema, &[], &["app"])]
    #[case("owner of publication p", ObjectClass::Other, &[], &["p"])]
    #[case("select on app.a with grant option", ObjectClass::Table, &["SELECT"], &["app.a"])]
    fn rights_are_parsed(
        #[case] text: &str,
        #[case] class: ObjectClass,
        #[case] privileges: &[&str],
        #[case] names: &[&str],
    ) {
        let right = parse(text).unwrap();
        assert_eq!(right.class, class);
        let found: Vec<&str> = right.privileges.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(found, privileges);
        let found: Vec<&str> = right.names.iter().map(|name| name.text.as_str()).collect();
        assert_eq!(found, names);
        assert_eq!(right.grantable, text.ends_with("option"));
    }

    #[test]
    fn columns_exceptions_and_creators_are_parsed() {
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
    #[case("delete (a) on app.x", "cannot be granted by column")]
    #[case("usage (a) on schema x", "cannot be granted by column")]
    #[case("select on a.b.c", "more than a schema and a name")]
    #[case("select on \"a", "not closed")]
    #[case("select on app.f(integer)", "only functions")]
    #[case("owner of app.x with grant option", "no grant option")]
    #[case("select on default tables of app", "`in` a schema")]
    #[case("select on default tables by", "names no role")]
    #[case("nothing on app.x", "`nothing` is only for default")]
    fn invalid_entries_are_refused(#[case] text: &str, #[case] why: &str) {
        let error = parse(text).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}
