//! gzip: members with a CRC-32 and a length each.
//!
//! `GzDecoder` alone stops behind the first member, and `MultiGzDecoder` takes padding for corruption.

use std::io::{self, Read};

use flate2::bufread::GzDecoder;

use super::Layer;
use super::buffered::Buffered;
use super::frames::Frame;

/// One member.
pub(super) struct Gzip(GzDecoder<Buffered>);

impl Frame for Gzip {
    const LAYER: Layer = Layer::Gzip;
    const MAGIC: &'static [u8] = &[0x1f, 0x8b];
    const FORGIVING: bool = true;

    fn begin(input: Buffered) -> io::Result<Self> {
        Ok(Self(GzDecoder::new(input)))
    }

    fn into_input(self) -> Buffered {
        self.0.into_inner()
    }
}

impl Read for Gzip {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out)
    }
}
