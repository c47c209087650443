//! What a dump defines, by name: relations with what belongs to them, functions, types. `lookup` finds what a text names.

mod lookup;

use std::collections::{BTreeMap, BTreeSet};

use super::names::{name_after, name_after_last, names_in_brackets};
use super::text::{FunctionText, Text, key};
use crate::backup::objects::Object;
use crate::rights::Body;
use crate::sql::{QualifiedName, Token, TokenKind, read_identifier, tokens};

/// The place of a relation, a function or a text in [`Definitions`].
pub(super) type At = usize;

/// What a relation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RelationKind {
    Table,
    View,
    MaterializedView,
}

/// A relation and what belongs to it.
#[derive(Debug)]
pub(super) struct Relation {
    pub name: QualifiedName,
    pub kind: RelationKind,
    /// Whether it has columns that are computed from others.
    pub computes: bool,
    /// What runs when its rows are loaded: its own definition, defaults, constraints, indexes.
    pub on_load: Vec<At>,
    /// What runs when its rows are read or written: policies, triggers, rules.
    pub on_use: Vec<At>,
    /// Relations that its rows are a part of, or that are a part of it.
    pub tree: BTreeSet<At>,
    /// Places in `keys` of the foreign keys that it has.
    pub keys: Vec<At>,
    /// Those of foreign keys that refer to it.
    pub referred_by: Vec<At>,
}

/// A foreign key.
#[derive(Debug)]
pub(super) struct ForeignKey {
    pub child: At,
    pub parent: At,
    /// The columns that it refers to; empty where it names none.
    pub columns: Vec<String>,
    /// Whether a command on the parent may write rows of the child.
    pub acts: bool,
}

/// A function.
#[derive(Debug)]
pub(super) struct Function {
    pub text: At,
    /// `None` where the language is not read.
    pub body: Option<Body>,
    pub definer: bool,
}

/// A trigger or rule.
#[derive(Debug)]
pub(super) struct Reaction {
    pub relation: At,
    /// Of a trigger.
    pub functions: Vec<At>,
    /// Of a rule.
    pub body: Option<Body>,
}

/// A text and what it belongs to, for messages.
#[derive(Debug)]
pub(super) struct Owned {
    pub of: String,
    pub text: Text,
}

/// What a dump defines.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    pub relations: Vec<Relation>,
    pub functions: Vec<Function>,
    pub keys: Vec<ForeignKey>,
    pub reactions: Vec<Reaction>,
    pub texts: Vec<Owned>,
    /// What may run anywhere: operators, casts, event triggers, constraints of domains.
    pub anywhere: Vec<At>,
    /// Why something of it is not known.
    pub unknown: Option<String>,
    relations_named: BTreeMap<String, Vec<At>>,
    functions_named: BTreeMap<String, Vec<(String, At)>>,
    /// Texts of types and domains.
    types_named: BTreeMap<String, Vec<(String, At)>>,
}

impl Definitions {
    /// Reads the objects of a backup.
    pub fn of<'a>(objects: impl Iterator<Item = &'a Object> + Clone) -> Self {
        let mut definitions = Self::default();
        for object in objects.clone() {
            definitions.define(object);
        }
        for object in objects {
            definitions.attach(object);
        }
        definitions
    }

    /// Adds what has a name of its own.
    fn define(&mut self, object: &Object) {
        let kind = match object.kind.as_str() {
            "TABLE" | "FOREIGN TABLE" => Some(RelationKind::Table),
            "VIEW" => Some(RelationKind::View),
            "MATERIALIZED VIEW" => Some(RelationKind::MaterializedView),
            _ => None,
        };
        let sql = self.sql(object);
        if let Some(kind) = kind {
            let text = self.text(object, Text::of_server(sql));
            // Another database may have one of this name: what either needs is loaded into both.
            if let Some(known) = self.exact(&object.schema, &object.name) {
                self.relations[known].on_load.push(text);
                return;
            }
            let at = self.relations.len();
            let named = self.relations_named.entry(key(&object.name)).or_default();
            named.push(at);
            self.relations.push(Relation {
                name: QualifiedName {
                    schema: object.schema.clone(),
                    name: object.name.clone(),
                },
                kind,
                computes: tokens(sql).any(|token| token.is_word("generated")),
                on_load: vec![text],
                on_use: Vec::new(),
                tree: BTreeSet::new(),
                keys: Vec::new(),
                referred_by: Vec::new(),
            });
            return;
        }
        match object.kind.as_str() {
            "FUNCTION" | "PROCEDURE" => self.function(object, FunctionText::of(sql)),
            "AGGREGATE" => {
                let text = Text::of_server(sql);
                self.function(
                    object,
                    FunctionText {
                        text,
                        body: Some(Body::default()),
                        definer: false,
                    },
                );
            }
            "DOMAIN" | "TYPE" => {
                let at = self.text(object, Text::of_server(sql));
                let named = self.types_named.entry(key(&object.name)).or_default();
                named.push((key(&object.schema), at));
            }
            "OPERATOR" | "OPERATOR CLASS" | "OPERATOR FAMILY" | "CAST" | "TRANSFORM"
            | "EVENT TRIGGER" => {
                let at = self.text(object, Text::of_server(sql));
                self.anywhere.push(at);
            }
            _ => {}
        }
    }

    fn function(&mut self, object: &Object, function: FunctionText) {
        let FunctionText {
            text,
            body,
            definer,
        } = function;
        let (at, text) = (self.functions.len(), self.text(object, text));
        // The entry has the arguments too, and a name may have a bracket.
        let name = object.name.split('(').next().unwrap_or(&object.name);
        let kinds = ["function", "procedure", "aggregate"];
        let sql = object.definition.text.as_deref().unwrap_or_default();
        let name = name_after(sql, &kinds).map_or_else(|| name.to_owned(), |name| name.name);
        let named = self.functions_named.entry(key(&name)).or_default();
        named.push((key(&object.schema), at));
        self.functions.push(Function {
            text,
            body,
            definer,
        });
    }

    /// Adds what belongs to a relation.
    fn attach(&mut self, object: &Object) {
        let kind = object.kind.as_str();
        let sql = object.definition.text.as_deref().unwrap_or_default();
        match kind {
            "TABLE" | "FOREIGN TABLE" => {
                let child = self.exact(&object.schema, &object.name);
                let parents: Vec<At> = names_in_brackets(sql, "inherits")
                    .iter()
                    .filter_map(|name| self.exact(&name.schema, &name.name))
                    .collect();
                for parent in parents {
                    self.join(child, Some(parent));
                }
            }
            "TABLE ATTACH" => {
                let named = |word: &str| {
                    name_after(sql, &[word]).and_then(|name| self.exact(&name.schema, &name.name))
                };
                let (parent, child) = (named("table"), named("partition"));
                if parent.is_none() || child.is_none() {
                    self.not_known(format!(
                        "the partition {} is attached to a table that the dump does not define",
                        object.name
                    ));
                }
                self.join(child, parent);
            }
            "FK CONSTRAINT" => self.foreign_key(object, sql),
            "CONSTRAINT" | "CHECK CONSTRAINT" | "DEFAULT" => {
                self.belongs(object, sql, |relation, text| relation.on_load.push(text))
            }
            "INDEX" => {
                let text = self.text(object, Text::of_server(sql));
                let of =
                    name_after(sql, &["on"]).and_then(|name| self.exact(&name.schema, &name.name));
                match of {
                    Some(of) => self.relations[of].on_load.push(text),
                    None => self.anywhere.push(text),
                }
            }
            "POLICY" => self.belongs(object, sql, |relation, text| relation.on_use.push(text)),
            "TRIGGER" | "RULE" => {
                self.belongs(object, sql, |relation, text| relation.on_use.push(text));
                let function = name_after_last(sql, &["function", "procedure"]);
                let functions = function.iter().flat_map(|name| self.functions_called(name));
                let functions: Vec<At> = functions.collect();
                let body = (kind == "RULE").then(|| Body::of_rule(sql));
                for relation in self.owners(object) {
                    self.reactions.push(Reaction {
                        relation,
                        functions: functions.clone(),
                        body: body.clone(),
                    });
                }
            }
            _ => {}
        }
    }

    fn foreign_key(&mut self, object: &Object, sql: &str) {
        let parent =
            name_after(sql, &["references"]).and_then(|name| self.exact(&name.schema, &name.name));
        let children = self.owners(object);
        let (Some(parent), false) = (parent, children.is_empty()) else {
            // A filter left one of them out, and the restore says so.
            return;
        };
        let behind: Vec<Token<'_>> = tokens(sql)
            .skip_while(|token| !token.is_word("references"))
            .collect();
        let columns = behind.iter().skip_while(|token| token.text != "(").skip(1);
        let columns = columns.take_while(|token| token.text != ")");
        let columns = columns.filter(|token| token.kind == TokenKind::Word);
        let columns: Vec<String> = columns
            .map(|token| key(&read_identifier(token.text)))
            .collect();
        let acts = behind.windows(2).any(|pair| {
            pair[0].is_word("cascade")
                || pair[1].is_word("cascade")
                || pair[0].is_word("set") && (pair[1].is_word("null") || pair[1].is_word("default"))
        });
        for child in children {
            let at = self.keys.len();
            self.keys.push(ForeignKey {
                child,
                parent,
                columns: columns.clone(),
                acts,
            });
            self.relations[child].keys.push(at);
            self.relations[parent].referred_by.push(at);
        }
    }

    /// Adds a text to the relations that it belongs to.
    fn belongs(&mut self, object: &Object, sql: &str, add: impl Fn(&mut Relation, At)) {
        let text = self.text(object, Text::of_server(sql));
        let owners = self.owners(object);
        if owners.is_empty() {
            self.anywhere.push(text);
        }
        for owner in owners {
            add(&mut self.relations[owner], text);
        }
    }

    /// The relations whose name an entry `TABLE NAME` may begin with; both may have spaces.
    fn owners(&self, object: &Object) -> Vec<At> {
        let ends = object.name.match_indices(' ').map(|(at, _)| at);
        ends.filter_map(|end| self.exact(&object.schema, &object.name[..end]))
            .collect()
    }

    fn exact(&self, schema: &str, name: &str) -> Option<At> {
        let mut all = self.relations_named.get(&key(name)).into_iter().flatten();
        all.find(|at| {
            let known = &self.relations[**at].name;
            known.schema == schema && known.name == name
        })
        .copied()
    }

    fn join(&mut self, child: Option<At>, parent: Option<At>) {
        if let (Some(child), Some(parent)) = (child, parent) {
            self.relations[child].tree.insert(parent);
            self.relations[parent].tree.insert(child);
        }
    }

    fn text(&mut self, object: &Object, text: Text) -> At {
        let name = match object.schema.as_str() {
            "" => object.name.clone(),
            schema => format!("{schema}.{}", object.name),
        };
        self.texts.push(Owned {
            of: format!("{} {name}", object.kind.to_lowercase()),
            text,
        });
        self.texts.len() - 1
    }

    /// The text of a definition; that some are not kept makes all of it unknown.
    fn sql<'a>(&mut self, object: &'a Object) -> &'a str {
        match &object.definition.text {
            Some(text) => text,
            None => {
                self.not_known("the definitions of the backup are too large to be read".to_owned());
                ""
            }
        }
    }

    fn not_known(&mut self, why: String) {
        self.unknown.get_or_insert(why);
    }
}
