//! Names, tokens, expressions and patterns of SQL, as text. The ground floor: it depends on nothing else here.
//!
//! - `name`: identifiers and literals, quoted and unquoted; names with a schema
//! - `token`: the one tokenizer of SQL text in memory
//! - `expression`: the normal form of expressions, and definitions compared as text
//! - `glob`: patterns with `*` and `?`

mod expression;
mod glob;
mod name;
pub mod token;

pub use expression::{
    is_same_definition, is_same_expression, is_same_of_two_majors, normal_form, without_parentheses,
};
pub use glob::{Glob, NamePattern};
pub use name::{
    QualifiedName, name_parts, quote, quote_ident, quote_literal, read_identifier,
    setting_elements, split_qualified, unquote,
};
pub use token::{Token, TokenKind, tokens};
