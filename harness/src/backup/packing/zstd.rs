//! zstd: frames, with a checksum each unless they were written without (`--no-check`).

use std::io::{self, BufRead as _, Read};

use zstd::stream::raw::{DParameter, Decoder, Operation as _};

use super::Layer;
use super::buffered::Buffered;
use super::frames::Frame;
use super::trouble::Trouble;

/// The largest window: 1 GiB, which `--long=30` writes. A frame may claim up to 3.75 TiB.
const WINDOW_LOG: u32 = 30;

/// One frame.
pub(super) struct Zstd {
    input: Buffered,
    decoder: Decoder<'static>,
    ended: bool,
}

impl Frame for Zstd {
    const LAYER: Layer = Layer::Zstd;
    const MAGIC: &'static [u8] = &[0x28, 0xb5, 0x2f, 0xfd];
    const SKIPPABLE: bool = true;

    fn begin(input: Buffered) -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
        Ok(Self {
            input,
            decoder,
            ended: false,
        })
    }

    fn into_input(self) -> Buffered {
        self.input
    }

    fn unsupported(error: &io::Error) -> Option<Trouble> {
        // The library tells these by their text only.
        let text = error.to_string();
        if text.contains("too much memory") {
            let reason = "the zstd data needs a window of more than 1 GiB to decompress";
            Some(Trouble::place(reason).hint(
                "compress with `--long=30` or less, or let `[backup.decrypt] command = [\"zstd\", \"-dc\", \"--long=31\"]` do it",
            ))
        } else if text.contains("Dictionary mismatch") {
            let reason =
                "the zstd data was compressed with a dictionary, which redrill does not have";
            Some(Trouble::place(reason).hint(
                "let `[backup.decrypt] command = [\"zstd\", \"-dc\", \"-D\", \"FILE\"]` decompress it",
            ))
        } else {
            None
        }
    }
}

impl Read for Zstd {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !self.ended {
            let bytes = self.input.fill_buf()?;
            let at_end = bytes.is_empty();
            let status = self.decoder.run_on_buffers(bytes, out)?;
            self.input.consume(status.bytes_read);
            self.ended = status.remaining == 0;
            if status.bytes_written > 0 {
                return Ok(status.bytes_written);
            }
            if at_end && !self.ended {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(0)
    }
}
