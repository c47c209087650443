//! What gzip, zstd, lz4 and xz have in common: frame after frame (or member, or stream), and what
//! may stand behind the last one.
//!
//! | behind the last frame | gzip | zstd, lz4 | xz | here |
//! | --- | --- | --- | --- | --- |
//! | zeros | ignored | everything is given, then an error | padding | a warning |
//! | other bytes | ignored, exit code 2 | everything is given, then an error | the same | a warning for gzip, damage for the others |

use std::io::{self, BufRead as _, Read};
use std::sync::{Arc, Mutex, PoisonError};

use super::Layer;
use super::buffered::Buffered;
use super::trouble::Trouble;
use crate::outcome::Finding;

/// What is odd about a file and does not matter, noted while it is read.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes(Arc<Mutex<Vec<Finding>>>);

impl Notes {
    pub(super) fn add(&self, finding: Finding) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(finding);
    }

    pub(super) fn take(&self) -> Vec<Finding> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One frame of a compression, read to its end with whatever checksums it has.
pub(super) trait Frame: Read + Send + Sized {
    /// Which compression.
    const LAYER: Layer;
    /// How a frame begins.
    const MAGIC: &'static [u8];
    /// Whether frames may stand between that hold no content.
    const SKIPPABLE: bool = false;
    /// Whether zeros may stand between two frames.
    const PADDED: bool = false;
    /// Whether its own program ignores what stands behind the last frame.
    const FORGIVING: bool = false;

    /// Begins with a frame whose magic was seen.
    fn begin(input: Buffered) -> io::Result<Self>;

    /// Gives what is behind the frame, once it was read to its end.
    fn into_input(self) -> Buffered;

    /// What this version cannot read, though the file may be whole.
    fn unsupported(_error: &io::Error) -> Option<Trouble> {
        None
    }
}

/// The content of all frames of a file.
pub(super) struct Frames<F> {
    state: State<F>,
    notes: Notes,
}

enum State<F> {
    Between(Buffered),
    Frame(F),
    Over,
}

impl<F: Frame> Frames<F> {
    pub(super) fn new(input: Buffered, notes: Notes) -> Self {
        Self {
            state: State::Between(input),
            notes,
        }
    }

    /// Looks behind a frame: another one, the end, or bytes that do not belong.
    fn next(&self, mut input: Buffered) -> io::Result<State<F>> {
        let mut zeros = 0;
        loop {
            let head = input.peek(8)?;
            if (F::PADDED || zeros == 0) && head.starts_with(F::MAGIC) {
                return F::begin(input).map(State::Frame);
            }
            if F::SKIPPABLE
                && zeros == 0
                && let Some(length) = skippable(head)
            {
                skip(&mut input, length)?;
                continue;
            }
            if !head.is_empty() && head.len() < F::MAGIC.len() && F::MAGIC.starts_with(head) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let found = head.iter().take_while(|byte| **byte == 0).count();
            if found == 0 {
                break;
            }
            zeros += found as u64;
            input.consume(found);
        }
        let others = io::copy(&mut input, &mut io::sink())?;
        let layer = F::LAYER;
        let expected = format!("nothing behind the end of the {layer} data");
        if others == 0 && zeros > 0 {
            self.notes.add(
                Finding::new(expected, format!("{zeros} bytes, all of them zero"))
                    .hint("padding comes from tapes and block devices; nothing is lost by it"),
            );
        } else if others > 0 && F::FORGIVING {
            self.notes.add(
                Finding::new(
                    expected,
                    format!("{} more bytes, which every reader ignores", zeros + others),
                )
                .hint("something was appended, or a part of the backup is damaged: have a look"),
            );
        } else if others > 0 {
            return Err(Trouble::Backup(
                Finding::new(
                    expected,
                    format!("{} bytes that are no {layer} data", zeros + others),
                )
                .hint(format!(
                    "a part of the backup is damaged, or something was appended: `{layer}` ends with an error there too"
                )),
            )
            .into());
        }
        Ok(State::Over)
    }
}

impl<F: Frame> Read for Frames<F> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        let wrong = |error| explain::<F>(error);
        loop {
            match std::mem::replace(&mut self.state, State::Over) {
                State::Over => return Ok(0),
                State::Between(input) => self.state = self.next(input).map_err(wrong)?,
                State::Frame(mut frame) => match frame.read(out).map_err(wrong)? {
                    0 => self.state = State::Between(frame.into_input()),
                    read => {
                        self.state = State::Frame(frame);
                        return Ok(read);
                    }
                },
            }
        }
    }
}

/// Says what an error of a decoder means; what a layer below said stays.
fn explain<F: Frame>(error: io::Error) -> io::Error {
    if Trouble::inside(&error).is_some() {
        return error;
    }
    if let Some(trouble) = F::unsupported(&error) {
        return trouble.into();
    }
    damaged(
        &F::LAYER,
        &format!(
            "{} file whose checksum is right to its end",
            article(&F::LAYER)
        ),
        &error,
    )
    .into()
}

fn article(layer: &Layer) -> String {
    let article = match layer {
        Layer::Lz4 | Layer::Xz | Layer::Age => "an",
        Layer::Gzip | Layer::Zstd | Layer::Command(_) => "a",
    };
    format!("{article} {layer}")
}

/// A file that is cut or changed.
pub(super) fn damaged(layer: &Layer, expected: &str, error: &io::Error) -> Trouble {
    let actual = match error.kind() {
        io::ErrorKind::UnexpectedEof => "it ends in the middle".to_owned(),
        _ => format!("it is damaged: {error}"),
    };
    Trouble::Backup(
        Finding::about(format!("{layer} data"), expected, actual).hint(
            "the file was cut off or changed: compare its size and digest with where it was made",
        ),
    )
}

/// The bytes of a frame without content, of zstd and of lz4, that begins here.
pub(super) fn skippable(head: &[u8]) -> Option<u64> {
    match *head {
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, a, b, c, d, ..] => {
            Some(8 + u64::from(u32::from_le_bytes([a, b, c, d])))
        }
        _ => None,
    }
}

fn skip(input: &mut Buffered, length: u64) -> io::Result<()> {
    if io::copy(&mut input.take(length), &mut io::sink())? < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}
