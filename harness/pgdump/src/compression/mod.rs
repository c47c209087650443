//! Compressions that a backup may be in, around its format or inside of it. One compression, one file.
//!
//! Readers of these crates take much for an end that is none: the first of several members, a file
//! that was cut between two blocks. Here every stream is read to its own end or is an error.
//!
//! - `frames`: what gzip, zstd, lz4 and xz have in common, one frame after the other
//! - `stream`: what zlib, zstd and xz have in common, a decompressor that is fed
//! - `peeked`: a reader with lookahead

mod frames;
mod gzip;
mod lz4;
mod peeked;
mod stream;
mod xz;
mod zlib;
mod zstd;

pub use frames::{Behind, Frame, Frames, Unsupported, skippable};
pub use gzip::Gzip;
pub use lz4::Lz4;
pub use peeked::{read_from_buffer, up_to};
pub use xz::Xz;
pub use zlib::{Zlib, zlib};
pub use zstd::Zstd;
