//! zlib: one stream with an Adler-32, as custom archives hold it.
//!
//! `ZlibDecoder` accepts a truncated stream.

use std::io::{self, BufRead};

use flate2::{Decompress, FlushDecompress, Status};

use super::stream::{Fed, Feed, Stream};

/// One stream; nothing is read after it.
pub type Zlib<R> = Stream<Decompress, R>;

/// Begins with a stream.
pub fn zlib<R: BufRead>(input: R) -> Zlib<R> {
    Stream::new(Decompress::new(true), input)
}

impl Feed for Decompress {
    fn feed(&mut self, input: &[u8], out: &mut [u8]) -> io::Result<Fed> {
        let before = (self.total_in(), self.total_out());
        let status = self
            .decompress(input, out, FlushDecompress::None)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(Fed::of(
            [before.0, self.total_in()],
            [before.1, self.total_out()],
            status == Status::StreamEnd,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};

    #[test]
    fn a_cut_anywhere_is_an_error_and_what_is_behind_stays() {
        let mut encoder =
            flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&b"some text, ".repeat(50)).unwrap();
        let good = encoder.finish().unwrap();
        let mut text = Vec::new();
        for end in 0..good.len() {
            assert!(
                zlib(&good[..end]).read_to_end(&mut text).is_err(),
                "cut after {end}"
            );
        }
        let more = [&good, b"more".as_slice()].concat();
        let mut stream = zlib(more.as_slice());
        text.clear();
        stream.read_to_end(&mut text).unwrap();
        assert_eq!((text.len(), stream.input), (550, b"more".as_slice()));
    }
}
