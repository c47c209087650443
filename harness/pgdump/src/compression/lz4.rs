//! lz4: frames of blocks of at most 8 MiB, with checksums of the blocks, the content, both or none.

use std::io::{self, BufRead, Read};

use lz4_flex::frame::{Error, FrameDecoder};

use super::frames::{Frame, Unsupported};
use super::peeked::Peeked;

/// One frame.
#[derive(Debug)]
pub struct Lz4<R: BufRead>(Box<FrameDecoder<Watched<R>>>);

/// Detects the end of its reader: the decoder accepts a file that is truncated between two blocks, and treats
/// an error about it as the end of a frame.
#[derive(Debug)]
struct Watched<R> {
    input: Peeked<R>,
    ended: bool,
}

impl<R: BufRead> Read for Watched<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(out);
        self.ended = !out.is_empty() && !matches!(read, Ok(1..));
        read
    }
}

impl<R: BufRead> Frame for Lz4<R> {
    type Reader = R;
    const NAME: &'static str = "lz4";
    const MAGIC: &'static [u8] = &[0x04, 0x22, 0x4d, 0x18];
    const SKIPPABLE: bool = true;

    fn begin(input: Peeked<R>) -> io::Result<Self> {
        let watched = Watched {
            input,
            ended: false,
        };
        Ok(Self(Box::new(FrameDecoder::new(watched))))
    }

    fn into_input(self) -> Peeked<R> {
        self.0.into_inner().input
    }

    fn unsupported(error: &io::Error) -> Option<Unsupported> {
        let inner = error.get_ref()?.downcast_ref::<Error>()?;
        matches!(inner, Error::DictionaryNotSupported).then_some(Unsupported {
            reason: "the lz4 data was compressed with a dictionary, which redrill does not have",
            command: "lz4 -dc -D FILE",
        })
    }
}

impl<R: BufRead> Read for Lz4<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(out)?;
        if read == 0 && self.0.get_ref().ended {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(read)
    }
}
