//! lz4: frames of blocks of at most 8 MiB, with checksums of the blocks, the content, both or none.

use std::io::{self, Read};

use lz4_flex::frame::{Error, FrameDecoder};

use super::Layer;
use super::buffered::Buffered;
use super::frames::Frame;
use super::trouble::Trouble;

/// One frame.
pub(super) struct Lz4(FrameDecoder<Watched>);

/// Notices that its reader came to the end: the decoder takes a file that is cut between two blocks
/// for a whole one.
struct Watched {
    input: Buffered,
    ended: bool,
}

impl Read for Watched {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(out)?;
        self.ended |= read == 0 && !out.is_empty();
        Ok(read)
    }
}

impl Frame for Lz4 {
    const LAYER: Layer = Layer::Lz4;
    const MAGIC: &'static [u8] = &[0x04, 0x22, 0x4d, 0x18];
    const SKIPPABLE: bool = true;

    fn begin(input: Buffered) -> io::Result<Self> {
        Ok(Self(FrameDecoder::new(Watched {
            input,
            ended: false,
        })))
    }

    fn into_input(self) -> Buffered {
        self.0.into_inner().input
    }

    fn unsupported(error: &io::Error) -> Option<Trouble> {
        let inner = error.get_ref()?.downcast_ref::<Error>()?;
        matches!(inner, Error::DictionaryNotSupported).then(|| {
            Trouble::place("the lz4 data was compressed with a dictionary, which redrill does not have")
                .hint("let `[backup.decrypt] command = [\"lz4\", \"-dc\", \"-D\", \"FILE\"]` decompress it")
        })
    }
}

impl Read for Lz4 {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(out)?;
        if read == 0 && self.0.get_ref().ended {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(read)
    }
}
