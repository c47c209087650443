//! The text of a dump: split as psql splits it, the words of its statements, the rows of its INSERTs.

pub mod lexer;
pub mod literal;
pub mod statement;
