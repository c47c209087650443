//! Reads what `pg_dump` and `pg_dumpall` write, to the last byte and without a server: plain SQL, and custom,
//! directory and tar archives with every compression inside.
//!
//! A reader of a format returns the contents of a dump ([`contents::Contents`]: roles, objects, rows of each table with
//! a digest of their values, what it requires of a server) and its faults ([`fault::Problems`]): it is truncated,
//! damaged, or contains something that no dump contains and that a restore would run.
//!
//! ```
//! let dump = b"SET row_security = off;\n\
//!     CREATE TABLE public.cities (name text);\n\
//!     COPY public.cities (name) FROM stdin;\nVienna\nGraz\n\\.\n";
//! let (contents, problems, bytes) = pgdump::format::plain::read(&dump[..])?;
//! let ((_database, table), rows) = contents.rows.first_key_value().ok_or("no rows")?;
//! assert_eq!((table.to_string().as_str(), rows.count), ("public.cities", 2));
//! assert_eq!(bytes, dump.len() as u64);
//! assert!(problems.problems.is_empty());
//! // Without the trailer of pg_dump its end may be missing, and no key or index follows its rows.
//! assert_eq!(problems.warnings.len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Each module uses only those before it:
//!
//! - `encoding`: `client_encoding`, and text in it as UTF-8
//! - `sql`: names, tokens, expressions and patterns, as text; `digest`: of rows; `fault`: faults with their place
//! - `compression`: decompression, to the end of the stream or an error
//! - `script`: a plain file as psql splits it, the words of a statement, the rows of INSERTs
//! - `contents`, `objects`, `values`, `needs`, `layout`: the contents of a dump, as data
//! - `gather`: statements and rows become contents, the same way for every format
//! - `format`: the formats, each passed to `gather`

pub mod compression;
pub mod contents;
pub mod digest;
pub mod encoding;
pub mod fault;
pub mod format;
pub mod gather;
pub mod layout;
pub mod needs;
pub mod objects;
pub mod script;
pub mod sql;
pub mod values;
