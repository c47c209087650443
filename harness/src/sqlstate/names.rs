//! Names that may be shown: those that a backup defines or a statement has as identifiers, and those of
//! every server. A literal is never one.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use super::wording::HIDDEN;
use crate::backup::Contents;
use crate::sql::token::tokens_and_comments;
use crate::sql::{Token, TokenKind, read_identifier, split_qualified, tokens};

/// Words of every server and of pg_dump's statements: kinds of objects, types, settings.
#[rustfmt::skip]
const BUILT_IN: &[&str] = &[
    "access", "acl", "add", "aggregate", "all", "alter", "always", "analyze", "any", "anyarray",
    "anyelement", "as", "attach", "attribute", "authorization", "begin", "bigint", "bit", "blob",
    "blobs", "boolean", "box", "btree", "by", "bytea", "call", "cast", "char", "character", "check",
    "check_function_bodies", "cidr", "circle", "class", "client_encoding", "client_min_messages",
    "cluster", "collation", "column", "comment", "comments", "commit", "concurrently",
    "configuration", "constraint", "conversion", "copy", "create", "cstring", "data", "database",
    "date", "datemultirange", "daterange", "default", "default_table_access_method",
    "default_tablespace", "default_toast_compression", "default_with_oids", "delete", "dictionary",
    "disable", "do", "domain", "double", "drop", "each", "enable", "event", "event_trigger",
    "exclude", "execute", "exists", "extension", "family", "fk", "for", "force", "foreign", "from",
    "function", "gin", "gist", "global", "grant", "group", "hash", "heap",
    "idle_in_transaction_session_timeout", "if", "import", "in", "index", "inet", "inherit",
    "inherits", "insert", "int2vector", "int4multirange", "int4range", "int8multirange",
    "int8range", "integer", "internal", "interval", "into", "is", "join", "json", "jsonb",
    "jsonpath", "key", "language", "large", "level", "like", "line", "lo_close", "lo_create",
    "lo_open", "load", "lock", "lock_timeout", "loginmessage", "lowrite", "lseg", "macaddr",
    "macaddr8", "mapping", "materialized", "method", "money", "name", "no", "not", "null",
    "numeric", "nummultirange", "numrange", "object", "of", "oid", "oidvector", "on", "only",
    "operator", "option", "options", "or", "owned", "owner", "parser", "partition", "password",
    "path", "pg_attver", "pg_catalog", "pg_catalog.lo_close", "pg_catalog.lo_create",
    "pg_catalog.lo_open", "pg_catalog.lowrite", "pg_catalog.set_config", "pg_catalog.setval",
    "pg_lsn", "pg_snapshot", "plpgsql", "point", "policy", "polygon", "postgres", "precision",
    "primary", "privileges", "procedural", "procedure", "public", "publication",
    "quote_all_identifiers", "record", "recursive", "refresh", "regclass", "regcollation",
    "regconfig", "regdictionary", "regnamespace", "regoper", "regoperator", "regproc",
    "regprocedure", "regrole", "regtype", "reindex", "relation", "replace", "replica", "reset",
    "revoke", "role", "routine", "row", "row_security", "rule", "schema", "search", "search_path",
    "security", "select", "sequence", "sequences", "server", "session", "set", "set_config",
    "setval", "smallint", "sql", "standard_conforming_strings", "start", "statement",
    "statement_timeout", "statistics", "stdin", "subscription", "table", "tables", "tablespace",
    "template", "template0", "template1", "temporary", "text", "tid", "time", "timestamp", "to",
    "transaction", "transaction_timeout", "transform", "trigger", "truncate", "trusted",
    "tsmultirange", "tsquery", "tsrange", "tstzmultirange", "tstzrange", "tsvector", "type",
    "types", "unique", "unknown", "unlogged", "update", "user", "using", "uuid", "vacuum", "valid",
    "validate", "values", "varying", "vector", "view", "void", "with", "without", "xid", "xid8",
    "xml", "xmloption", "zone",
    "euc_cn", "euc_jp", "euc_kr", "euc_tw", "iso_8859_5", "koi8r", "koi8u", "latin1", "latin2",
    "latin9", "mule_internal", "sql_ascii", "utf8", "win1250", "win1251", "win1252",
];

/// What the operating system adds to a message.
const ERRORS_OF_THE_SYSTEM: &[&str] = &[
    "Cannot allocate memory",
    "Connection refused",
    "File exists",
    "Input/output error",
    "Invalid argument",
    "Is a directory",
    "No such file or directory",
    "No space left on device",
    "Not a directory",
    "Operation not permitted",
    "Permission denied",
    "Read-only file system",
    "Too many open files",
    "cannot open shared object file: No such file or directory",
];

/// Bytes of the longest part of a message that is compared with names: some of 63 bytes and signs.
const LONGEST: usize = 1000;

/// Kinds of objects that follow CREATE, ALTER and DROP, and words before them.
#[rustfmt::skip]
const KINDS: &[&str] = &[
    "access", "aggregate", "cast", "collation", "constraint", "conversion", "database", "default",
    "domain", "event", "extension", "foreign", "function", "global", "group", "index", "language",
    "large", "local", "materialized", "operator", "or", "policy", "procedural", "procedure",
    "publication", "recursive", "role", "routine", "rule", "schema", "sequence", "server",
    "statistics", "subscription", "table", "tablespace", "temp", "temporary", "text", "transform",
    "trigger", "trusted", "type", "unique", "unlogged", "user", "view",
];

/// Names that may be shown. Clones share one list, which grows with every backup and statement.
#[derive(Clone, Default, Debug)]
pub struct Names(Arc<RwLock<HashSet<Box<str>>>>);

impl Names {
    /// Adds the names of what a backup contains.
    pub fn learn(&self, contents: &Contents) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let tables = contents.rows.keys().chain(&contents.tables);
        let tables = tables
            .chain(contents.sequences.keys())
            .chain(&contents.refreshed);
        for (database, table) in tables {
            for name in [database, &table.schema, &table.name] {
                add(&mut known, name);
            }
        }
        for (table, name) in &contents.policies {
            add(&mut known, &table.name);
            add(&mut known, name);
        }
        let lists = [
            &contents.creates,
            &contents.connects,
            &contents.roles,
            &contents.superusers,
            &contents.grantors,
            &contents.owners,
            &contents.extensions,
        ];
        let sets = [
            &contents.roles_named,
            &contents.schemas,
            &contents.graphs,
            &contents.access_methods,
        ];
        let lists = lists
            .into_iter()
            .flatten()
            .chain(sets.into_iter().flatten());
        for name in lists.chain(&contents.origin) {
            add(&mut known, name);
        }
        for text in &contents.left_out {
            add_identifiers(&mut known, tokens(text));
        }
        for object in &contents.objects.list {
            for name in [
                &object.database,
                &object.schema,
                &object.owner,
                &object.name,
            ] {
                add(&mut known, name);
            }
            // `orders orders_pkey`, `f(a integer)`
            for word in object.name.split([' ', '(', ')', ',']) {
                add(&mut known, word);
            }
            if let Some(text) = &object.definition.text {
                add_definitions(&mut known, text);
            }
        }
    }

    /// Adds a name.
    pub fn learn_name(&self, name: &str) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        add(&mut known, name);
    }

    /// Adds the identifiers of a statement of redrill's own or of a scenario.
    pub fn learn_statement(&self, sql: &str) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        add_identifiers(&mut known, tokens(sql));
    }

    /// Adds the identifiers of statements of a dump that define an object or set a parameter. Other text is
    /// ignored: it may be rows.
    pub fn learn_definitions(&self, sql: &str) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        add_definitions(&mut known, sql);
    }

    /// Whether a text is one name, or names with dots between them, as a message has it between quotes.
    pub(super) fn is_name(&self, text: &str) -> bool {
        if text.len() > LONGEST {
            return false;
        }
        let text = text.strip_prefix("$libdir/").unwrap_or(text);
        self.contains(text)
            || text
                .match_indices('.')
                .any(|(at, _)| self.contains(&text[..at]) && self.is_name(&text[at + 1..]))
    }

    /// Whether a text consists of names and signs only, as a message has it without quotes:
    /// `app.total(integer)`, `table "app"."Orders"`.
    pub(super) fn is_description(&self, text: &str) -> bool {
        if text.len() > LONGEST {
            return false;
        }
        if ERRORS_OF_THE_SYSTEM.contains(&text) {
            return true;
        }
        let mut words = 0;
        let known = tokens_and_comments(text).all(|token| match token.kind {
            TokenKind::Word => {
                words += 1;
                path(token.text).all(|name| self.contains(&name))
            }
            TokenKind::Sign => "()[],.=<>+-*/%~&|".contains(token.text),
            _ => false,
        });
        known && words > 0
    }

    /// Returns the words of a text, those that are no name hidden.
    #[must_use]
    pub fn known_words(&self, text: &str) -> String {
        let mut words: Vec<&str> = Vec::new();
        for word in text.split_whitespace() {
            let shown = match self.is_name(word) || self.is_description(word) {
                true => word,
                false => HIDDEN,
            };
            if shown != HIDDEN || words.last() != Some(&HIDDEN) {
                words.push(shown);
            }
        }
        words.join(" ")
    }

    fn contains(&self, name: &str) -> bool {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.contains(name) || BUILT_IN.contains(&name.to_ascii_lowercase().as_str())
    }
}

fn add(known: &mut HashSet<Box<str>>, name: &str) {
    if !name.is_empty() && !known.contains(name) {
        known.insert(name.into());
    }
}

fn add_identifiers<'a>(known: &mut HashSet<Box<str>>, tokens: impl Iterator<Item = Token<'a>>) {
    for token in tokens.filter(|token| token.kind == TokenKind::Word) {
        for name in path(token.text) {
            add(known, &name);
        }
    }
}

/// Adds the identifiers of the statements that [define something](is_definition).
fn add_definitions(known: &mut HashSet<Box<str>>, sql: &str) {
    let all: Vec<Token<'_>> = tokens(sql).collect();
    for statement in all.split(|token| token.text == ";") {
        if is_definition(statement) {
            // What follows the word is a password, quoted or not.
            let of_role = statement.get(1).is_some_and(|kind| {
                ["role", "user", "group"]
                    .iter()
                    .any(|word| kind.is_word(word))
            });
            let names = statement
                .iter()
                .take_while(|token| !(of_role && token.is_word("password")));
            add_identifiers(known, names.copied());
            for token in statement {
                // The file of a function in C.
                if let Some(library) = token.content().strip_prefix("$libdir/") {
                    add(known, library);
                }
            }
        }
    }
}

/// Whether a statement defines an object or sets a parameter; not whether its first word says so, which
/// that of a row may do too.
fn is_definition(statement: &[Token<'_>]) -> bool {
    let is = |at: usize, words: &[&str]| {
        let token: Option<&Token<'_>> = statement.get(at);
        token.is_some_and(|token| words.iter().any(|word| token.is_word(word)))
    };
    let has = |words: &[&str]| (2..statement.len()).any(|at| is(at, words));
    let sets = |at: usize| is(at, &["to"]) || statement.get(at).is_some_and(|t| t.text == "=");
    (is(0, &["create", "alter", "drop"]) && is(1, KINDS))
        || (is(0, &["comment"]) && is(1, &["on"]) && has(&["is"]))
        || (is(0, &["security"]) && is(1, &["label"]) && has(&["is"]))
        || (is(0, &["grant", "revoke"]) && has(&["to", "from"]))
        || (is(0, &["refresh"]) && is(1, &["materialized"]) && is(2, &["view"]))
        || (is(0, &["set"]) && sets(2))
}

/// The parts of `app."Orders"`, as the server reads them.
fn path(text: &str) -> impl Iterator<Item = String> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let (before, last) = split_qualified(rest?);
        rest = before;
        Some(read_identifier(last))
    })
}
