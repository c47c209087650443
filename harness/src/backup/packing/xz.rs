//! xz: streams with a check of every block, and zeros between them.

use std::io::{self, BufRead as _, Read};

use liblzma::stream::{Action, Error, Status, Stream, TELL_UNSUPPORTED_CHECK};

use super::Layer;
use super::buffered::Buffered;
use super::frames::Frame;
use super::trouble::Trouble;

/// Bytes that decompression may take: a dictionary of 1 GiB, and what is needed beside it.
const MEMORY: u64 = (1 << 30) + (64 << 20);

/// One stream.
pub(super) struct Xz {
    input: Buffered,
    stream: Stream,
    ended: bool,
}

impl Frame for Xz {
    const LAYER: Layer = Layer::Xz;
    const MAGIC: &'static [u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];
    const PADDED: bool = true;

    fn begin(input: Buffered) -> io::Result<Self> {
        Ok(Self {
            input,
            stream: Stream::new_stream_decoder(MEMORY, TELL_UNSUPPORTED_CHECK)?,
            ended: false,
        })
    }

    fn into_input(self) -> Buffered {
        self.input
    }

    fn unsupported(error: &io::Error) -> Option<Trouble> {
        let inner = error.get_ref()?.downcast_ref::<Error>()?;
        let reason = match inner {
            Error::MemLimit => "the xz data needs a dictionary of more than 1 GiB to decompress",
            Error::Mem => "this machine has not the memory to decompress the xz data",
            Error::UnsupportedCheck => "the xz data has a check of a kind that is not known",
            Error::Data | Error::Options | Error::Format | Error::Program | Error::NoCheck => {
                return None;
            }
        };
        Some(
            Trouble::place(reason)
                .hint("let `[backup.decrypt] command = [\"xz\", \"-dc\"]` decompress it"),
        )
    }
}

impl Read for Xz {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !self.ended {
            let bytes = self.input.fill_buf()?;
            let at_end = bytes.is_empty();
            let (before_in, before_out) = (self.stream.total_in(), self.stream.total_out());
            let status = self.stream.process(bytes, out, Action::Run)?;
            self.ended = status == Status::StreamEnd;
            // Both fit: they are at most the lengths of the two slices.
            let read = usize::try_from(self.stream.total_in() - before_in).unwrap_or(0);
            let written = usize::try_from(self.stream.total_out() - before_out).unwrap_or(0);
            self.input.consume(read);
            if written > 0 {
                return Ok(written);
            }
            if at_end && !self.ended {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(0)
    }
}
