//! What a text, or a name in a body, means.

use std::collections::BTreeMap;

use super::{At, Definitions};
use crate::needed::text::{Text, key};
use crate::sql::QualifiedName;

impl Definitions {
    /// The relations that a text names.
    pub fn relations_in<'a>(&'a self, text: &'a Text) -> impl Iterator<Item = At> + 'a {
        let qualified = text.qualified.iter();
        let qualified =
            qualified.flat_map(|(schema, name)| self.relations_with(Some(schema), name));
        let bare = text.bare.iter();
        qualified.chain(bare.flat_map(|name| self.relations_with(None, name)))
    }

    /// The functions that a text names.
    pub fn functions_in<'a>(&'a self, text: &'a Text) -> impl Iterator<Item = At> + 'a {
        of_text(&self.functions_named, text)
    }

    /// The texts of types and domains that a text names.
    pub fn types_in<'a>(&'a self, text: &'a Text) -> impl Iterator<Item = At> + 'a {
        of_text(&self.types_named, text)
    }

    /// The relations that a name in a body may mean; the schema is empty where it has none.
    pub fn relations_called(&self, name: &QualifiedName) -> impl Iterator<Item = At> {
        let schema = Some(key(&name.schema)).filter(|schema| !schema.is_empty());
        self.relations_with(schema.as_ref(), &key(&name.name))
            .collect::<Vec<At>>()
            .into_iter()
    }

    /// The functions that a name in a body may mean; the schema is empty where it has none.
    pub fn functions_called(&self, name: &QualifiedName) -> impl Iterator<Item = At> {
        let schema = key(&name.schema);
        let all = self
            .functions_named
            .get(&key(&name.name))
            .into_iter()
            .flatten();
        all.filter(move |(of, _)| schema.is_empty() || *of == schema)
            .map(|(_, at)| *at)
    }

    /// Whether an UPDATE of a relation may change what foreign keys refer to: it names such a column, or something else sets
    /// columns.
    pub fn may_change_key(&self, relation: At, statement: &Text) -> bool {
        let mut reactions = self.reactions.iter();
        let sets_more =
            reactions.any(|one| one.relation == relation) || self.relations[relation].computes;
        let mut keys = self.relations[relation].referred_by.iter();
        keys.any(|at| {
            let mut columns = self.keys[*at].columns.iter();
            let is_named = |column: &String| {
                let mut qualified = statement.qualified.iter();
                statement.bare.contains(column) || qualified.any(|(_, name)| name == column)
            };
            sets_more || self.keys[*at].columns.is_empty() || columns.any(is_named)
        })
    }

    fn relations_with<'a>(
        &'a self,
        schema: Option<&'a String>,
        name: &str,
    ) -> impl Iterator<Item = At> + 'a {
        let all = self
            .relations_named
            .get(name)
            .into_iter()
            .flatten()
            .copied();
        all.filter(move |at| {
            schema.is_none_or(|schema| key(&self.relations[*at].name.schema) == *schema)
        })
    }
}

fn of_text<'a>(
    named: &'a BTreeMap<String, Vec<(String, At)>>,
    text: &'a Text,
) -> impl Iterator<Item = At> + 'a {
    let qualified = text.qualified.iter().flat_map(|(schema, name)| {
        let all = named.get(name).into_iter().flatten();
        all.filter(move |(of, _)| of == schema)
    });
    let bare = text
        .bare
        .iter()
        .flat_map(|name| named.get(name).into_iter().flatten());
    qualified.chain(bare).map(|(_, at)| *at)
}
