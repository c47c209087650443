//! xz: streams with a check of every block, and zeros between them.

use std::io::{self, BufRead, Read};

use liblzma::stream::{Action, Error, Status, Stream as Decoder, TELL_UNSUPPORTED_CHECK};

use super::frames::{Frame, Unsupported};
use super::peeked::Peeked;
use super::stream::{Fed, Feed, Stream};

/// Memory limit of decompression in bytes: a dictionary of 1 GiB, and other memory.
const MEMORY: u64 = (1 << 30) + (64 << 20);

/// One stream.
pub struct Xz<R>(Stream<Decoder, Peeked<R>>);

impl<R: BufRead> Frame for Xz<R> {
    type Reader = R;
    const NAME: &'static str = "xz";
    const MAGIC: &'static [u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];
    const PADDED: bool = true;

    fn begin(input: Peeked<R>) -> io::Result<Self> {
        let decoder = Decoder::new_stream_decoder(MEMORY, TELL_UNSUPPORTED_CHECK)?;
        Ok(Self(Stream::new(decoder, input)))
    }

    fn into_input(self) -> Peeked<R> {
        self.0.input
    }

    fn unsupported(error: &io::Error) -> Option<Unsupported> {
        let inner = error.get_ref()?.downcast_ref::<Error>()?;
        let reason = match inner {
            Error::MemLimit => "the xz data needs a dictionary of more than 1 GiB to decompress",
            Error::Mem => "this machine has not the memory to decompress the xz data",
            Error::UnsupportedCheck => "the xz data has a check of a kind that is not known",
            Error::Data | Error::Options | Error::Format | Error::Program | Error::NoCheck => {
                return None;
            }
        };
        Some(Unsupported {
            reason,
            command: "xz -dc",
        })
    }
}

impl Feed for Decoder {
    fn feed(&mut self, input: &[u8], out: &mut [u8]) -> io::Result<Fed> {
        let before = (self.total_in(), self.total_out());
        let status = self.process(input, out, Action::Run)?;
        Ok(Fed::of(
            [before.0, self.total_in()],
            [before.1, self.total_out()],
            status == Status::StreamEnd,
        ))
    }
}

impl<R: BufRead> Read for Xz<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out)
    }
}
