//! The data of large objects, as statements.

use std::io::{self, BufRead, BufReader, Read as _, Write};

use super::super::data::{Coding, Decoder};

/// Bytes of one statement.
const PIECE: usize = 16 * 1024;

/// `INV_WRITE`.
const WRITE: u32 = 131_072;

/// Begins the transaction in which such are written: they are open no longer than that.
pub(super) fn begin(out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"BEGIN;\n")
}

/// Ends it.
pub(super) fn end(out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"COMMIT;\n")
}

/// Writes one, which exists already.
pub(super) fn write(
    oid: &str,
    coding: Coding,
    mut reader: impl BufRead,
    out: &mut impl Write,
) -> io::Result<()> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    writeln!(out, "SELECT pg_catalog.lo_open('{oid}', {WRITE});")?;
    // pg_dump writes nothing into the file of an empty one.
    if !reader.fill_buf()?.is_empty() {
        let mut decoder = BufReader::new(Decoder::new(coding, &mut reader));
        let mut piece = Vec::with_capacity(PIECE);
        loop {
            piece.clear();
            (&mut decoder).take(PIECE as u64).read_to_end(&mut piece)?;
            if piece.is_empty() {
                break;
            }
            let digit = |half: u8| DIGITS[usize::from(half)];
            let hex = piece
                .iter()
                .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
            let hex: Vec<u8> = hex.collect();
            out.write_all(b"SELECT pg_catalog.lowrite(0, '\\x")?;
            out.write_all(&hex)?;
            out.write_all(b"');\n")?;
        }
    }
    out.write_all(b"SELECT pg_catalog.lo_close(0);\n")
}
