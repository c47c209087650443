//! gzip: members with a CRC-32 and a length each.
//!
//! `GzDecoder` alone stops after the first member, and `MultiGzDecoder` reports padding as corruption.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

use super::frames::Frame;
use super::peeked::Peeked;

/// One member.
#[derive(Debug)]
pub struct Gzip<R>(Box<GzDecoder<Peeked<R>>>);

impl<R: BufRead> Frame for Gzip<R> {
    type Reader = R;
    const NAME: &'static str = "gzip";
    const MAGIC: &'static [u8] = &[0x1f, 0x8b];
    const FORGIVING: bool = true;

    fn begin(input: Peeked<R>) -> io::Result<Self> {
        Ok(Self(Box::new(GzDecoder::new(input))))
    }

    fn into_input(self) -> Peeked<R> {
        self.0.into_inner()
    }
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out)
    }
}
