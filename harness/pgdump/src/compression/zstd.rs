//! zstd: frames, with a checksum each unless they were written without (`--no-check`).

use std::io::{self, BufRead, Read};

use zstd::stream::raw::{DParameter, Decoder, Operation as _};

use super::frames::{Frame, Unsupported};
use super::peeked::Peeked;
use super::stream::{Fed, Feed, Stream};

/// The largest window: 1 GiB, which `--long=30` writes. A frame may claim up to 3.75 TiB.
const WINDOW_LOG: u32 = 30;

/// One frame.
pub struct Zstd<R>(Stream<Decoder<'static>, Peeked<R>>);

impl<R: BufRead> Frame for Zstd<R> {
    type Reader = R;
    const NAME: &'static str = "zstd";
    const MAGIC: &'static [u8] = &[0x28, 0xb5, 0x2f, 0xfd];
    const SKIPPABLE: bool = true;

    fn begin(input: Peeked<R>) -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
        Ok(Self(Stream::new(decoder, input)))
    }

    fn into_input(self) -> Peeked<R> {
        self.0.input
    }

    fn unsupported(error: &io::Error) -> Option<Unsupported> {
        // The library distinguishes these only by their text.
        let text = error.to_string();
        let (reason, command) = if text.contains("too much memory") {
            (
                "the zstd data needs a window of more than 1 GiB to decompress",
                "zstd -dc --long=31",
            )
        } else if text.contains("Dictionary mismatch") {
            (
                "the zstd data was compressed with a dictionary, which redrill does not have",
                "zstd -dc -D FILE",
            )
        } else {
            return None;
        };
        Some(Unsupported { reason, command })
    }
}

impl Feed for Decoder<'static> {
    fn feed(&mut self, input: &[u8], out: &mut [u8]) -> io::Result<Fed> {
        let status = self.run_on_buffers(input, out)?;
        Ok(Fed {
            read: status.bytes_read,
            written: status.bytes_written,
            ended: status.remaining == 0,
        })
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out)
    }
}
