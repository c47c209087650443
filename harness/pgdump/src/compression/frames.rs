//! What gzip, zstd, lz4 and xz have in common: frame after frame (or member, or stream), and what
//! may follow the last one.
//!
//! | after the last frame | gzip | zstd, lz4 | xz |
//! | --- | --- | --- | --- |
//! | zeros | ignored | everything is given, then an error | padding |
//! | other bytes | ignored, exit code 2 | everything is given, then an error | the same |
//!
//! What becomes of such bytes is not decided here: they are counted.

use std::fmt;
use std::io::{self, BufRead, Read};

use super::peeked::Peeked;

/// One frame of a compression, read to its end with whatever checksums it has.
pub trait Frame: Read + Sized {
    /// What it reads from.
    type Reader: BufRead;
    /// What the compression is called.
    const NAME: &'static str;
    /// How a frame begins.
    const MAGIC: &'static [u8];
    /// Whether there may be frames without content.
    const SKIPPABLE: bool = false;
    /// Whether there may be zeros between two frames.
    const PADDED: bool = false;
    /// Whether its own program ignores bytes after the last frame.
    const FORGIVING: bool = false;

    /// Begins with a frame whose magic was seen.
    ///
    /// # Errors
    /// When there is no memory for it.
    fn begin(input: Peeked<Self::Reader>) -> io::Result<Self>;

    /// Returns the reader after the frame, once it was read to its end.
    fn into_input(self) -> Peeked<Self::Reader>;

    /// What this version cannot read, although the file may be complete.
    fn unsupported(_error: &io::Error) -> Option<Unsupported> {
        None
    }
}

/// What this version cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsupported {
    /// A lowercase fragment.
    pub reason: &'static str,
    /// The command that can.
    pub command: &'static str,
}

/// Bytes after the last frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Behind {
    /// Zeros before anything else.
    pub zeros: u64,
    /// Everything from the first byte that is not zero.
    pub others: u64,
}

/// The content of all frames of a file.
pub struct Frames<F: Frame> {
    state: State<F>,
    /// Known when the content was read to its end.
    pub behind: Behind,
}

enum State<F: Frame> {
    First(Peeked<F::Reader>),
    Between(Peeked<F::Reader>),
    Frame(F),
    Over,
    Failed,
}

impl<F: Frame> Frames<F> {
    /// Begins with the first frame; that there is none is an error.
    pub fn new(input: F::Reader) -> Self {
        Self {
            state: State::First(Peeked::new(input)),
            behind: Behind::default(),
        }
    }

    /// Determines what follows a frame: another one, the end, or other bytes.
    fn next(&mut self, mut input: Peeked<F::Reader>, first: bool) -> io::Result<State<F>> {
        let mut zeros = 0;
        loop {
            let head = input.peek()?;
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
            let cut = head.len() < F::MAGIC.len() && F::MAGIC.starts_with(head);
            if cut && (first || !head.is_empty()) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if first {
                let what = format!("it does not begin as {} data", F::NAME);
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
            let found = head.iter().take_while(|byte| **byte == 0).count();
            if found == 0 {
                break;
            }
            zeros += found as u64;
            input.consume(found);
        }
        let others = io::copy(&mut input, &mut io::sink())?;
        self.behind = Behind { zeros, others };
        Ok(State::Over)
    }
}

impl<F: Frame> fmt::Debug for Frames<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frames")
            .field("compression", &F::NAME)
            .field("behind", &self.behind)
            .finish_non_exhaustive()
    }
}

impl<F: Frame> Read for Frames<F> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            // Whatever fails stays failed: an error is never followed by an end.
            match std::mem::replace(&mut self.state, State::Failed) {
                State::Failed => return Err(io::Error::other("it was damaged before")),
                State::Over => {
                    self.state = State::Over;
                    return Ok(0);
                }
                State::First(input) => self.state = self.next(input, true)?,
                State::Between(input) => self.state = self.next(input, false)?,
                State::Frame(mut frame) => match frame.read(out) {
                    Ok(0) => self.state = State::Between(frame.into_input()),
                    Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                    read => {
                        self.state = State::Frame(frame);
                        return read;
                    }
                },
            }
        }
    }
}

/// The bytes of a frame without content, of zstd and of lz4, that begins here.
#[must_use]
pub fn skippable(head: &[u8]) -> Option<u64> {
    match *head {
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, a, b, c, d, ..] => {
            Some(8 + u64::from(u32::from_le_bytes([a, b, c, d])))
        }
        _ => None,
    }
}

fn skip(input: &mut impl BufRead, length: u64) -> io::Result<()> {
    if io::copy(&mut input.take(length), &mut io::sink())? < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Gzip, Lz4, Zstd};
    use super::*;
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    use rstest::rstest;
    use std::io::Write as _;

    fn read<'a, F: Frame<Reader = &'a [u8]>>(bytes: &'a [u8]) -> io::Result<(Vec<u8>, Behind)> {
        let mut frames = Frames::<F>::new(bytes);
        let mut text = Vec::new();
        frames.read_to_end(&mut text)?;
        Ok((text, frames.behind))
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn f13_every_member_is_read_and_what_is_behind_is_counted() {
        let two = [gzip(b"one "), gzip(b"two")].concat();
        for (tail, zeros, others) in [(&b""[..], 0, 0), (&[0; 600], 600, 0), (b"\0\0more", 2, 4)] {
            let bytes = [&two, tail].concat();
            let (text, behind) = read::<Gzip<_>>(&bytes).unwrap();
            assert_eq!(text, b"one two");
            assert_eq!(behind, Behind { zeros, others });
        }
    }

    #[test]
    fn nothing_and_something_else_are_errors() {
        for kind in [b"".as_slice(), b"\x1f", b"text", b"\0\0\0\0\0\0"] {
            assert!(read::<Gzip<_>>(kind).is_err(), "{kind:?}");
            assert!(read::<Lz4<_>>(kind).is_err(), "{kind:?}");
            assert!(read::<Zstd<_>>(kind).is_err(), "{kind:?}");
        }
    }

    #[test]
    fn an_error_is_never_followed_by_an_end() {
        let mut bytes = gzip(&b"some text that compresses, ".repeat(50));
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        let mut frames = Frames::<Gzip<_>>::new(bytes.as_slice());
        io::copy(&mut frames, &mut io::sink()).unwrap_err();
        for _ in 0..3 {
            frames.read(&mut [0; 8]).unwrap_err();
        }
    }

    #[rstest]
    #[case(FrameInfo::new())]
    #[case(FrameInfo::new().block_mode(BlockMode::Linked))]
    #[case(FrameInfo::new().block_checksums(true).content_checksum(true))]
    fn f11_lz4_cut_anywhere_is_an_error(#[case] info: FrameInfo) {
        // Zeros and lines, in several blocks.
        let text = [vec![0; 66_000], b"some lines\n".repeat(10)].concat();
        let info = info.block_size(BlockSize::Max64KB);
        let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(&text).unwrap();
        let frame = encoder.finish().unwrap();
        assert_eq!(read::<Lz4<_>>(&frame).unwrap().0, text);
        let twice = [frame.clone(), frame.clone()].concat();
        assert_eq!(read::<Lz4<_>>(&twice).unwrap().0.len(), 2 * text.len());
        for end in 0..frame.len() {
            assert!(read::<Lz4<_>>(&frame[..end]).is_err(), "cut after {end}");
            if end > 0 {
                let at = frame.len() + end;
                assert!(
                    read::<Lz4<_>>(&twice[..at]).is_err(),
                    "the second cut after {end}"
                );
            }
        }
    }
}
