//! Lz4 with every frame, checked to the end.
//!
//! `lz4_flex` takes a file that ends behind a whole block for a whole file. So the frames are
//! followed on their way into it, and the end of the last one is demanded.

use std::io::{self, Read};

use lz4_flex::frame::FrameDecoder;

const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];

/// Decompresses all frames of an lz4 file; a file of no bytes is none.
#[derive(Debug)]
pub struct Frames<R: Read> {
    decoder: Box<FrameDecoder<Followed<R>>>,
}

impl<R: Read> Frames<R> {
    /// Begins with the first frame.
    pub fn new(reader: R) -> Self {
        let followed = Followed {
            reader,
            at: At::Head(Vec::new()),
            checksums: (false, false),
            ended: false,
        };
        Self {
            decoder: Box::new(FrameDecoder::new(followed)),
        }
    }
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.decoder.read(buffer)?;
            let followed = self.decoder.get_ref();
            // The decoder says 0 at the end of every frame, and at the end of the file wherever it is.
            if read > 0 || buffer.is_empty() || (followed.ended && followed.is_between_frames()) {
                return Ok(read);
            }
            if followed.ended {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// Where in the frames a reader is.
#[derive(Debug)]
enum At {
    /// In a frame's head, of which this was read.
    Head(Vec<u8>),
    /// In the length of a block.
    Length(Vec<u8>),
    /// Within a block: so many bytes are left.
    Block(u64),
    /// Within the checksum of a frame: so many bytes are left.
    Checksum(u64),
}

/// Follows the frames that are read through it.
#[derive(Debug)]
struct Followed<R> {
    reader: R,
    at: At,
    /// Whether blocks, and whether the frame, end with a checksum.
    checksums: (bool, bool),
    /// Whether the reader came to its end.
    ended: bool,
}

impl<R> Followed<R> {
    fn is_between_frames(&self) -> bool {
        matches!(&self.at, At::Head(head) if head.is_empty())
    }

    /// Goes on by some bytes.
    fn follow(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            match &mut self.at {
                At::Head(head) => {
                    head.push(*first);
                    bytes = rest;
                    let flags = head.get(4).copied().unwrap_or(0);
                    let more = |bit: u8, bytes: usize| if flags & bit == 0 { 0 } else { bytes };
                    // Other than the magic number, the decoder refuses it.
                    if head.len() >= 7 + more(0x08, 8) + more(0x01, 4) && head.starts_with(&MAGIC) {
                        self.checksums = (flags & 0x10 != 0, flags & 0x04 != 0);
                        self.at = At::Length(Vec::new());
                    }
                }
                At::Length(length) => {
                    length.push(*first);
                    bytes = rest;
                    if let Ok(length) = <[u8; 4]>::try_from(length.as_slice()) {
                        let length = u64::from(u32::from_le_bytes(length) & 0x7fff_ffff);
                        self.at = match (length, self.checksums) {
                            (0, (_, true)) => At::Checksum(4),
                            (0, (_, false)) => At::Head(Vec::new()),
                            (length, (true, _)) => At::Block(length + 4),
                            (length, (false, _)) => At::Block(length),
                        };
                    }
                }
                At::Block(left) | At::Checksum(left) => {
                    let taken = (*left).min(bytes.len() as u64);
                    bytes = &bytes[usize::try_from(taken).unwrap_or(bytes.len())..];
                    *left -= taken;
                    if *left == 0 {
                        self.at = match self.at {
                            At::Checksum(_) => At::Head(Vec::new()),
                            _ => At::Length(Vec::new()),
                        };
                    }
                }
            }
        }
    }
}

impl<R: Read> Read for Followed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer);
        // The decoder takes some errors for the end of a frame: it must not be asked again for ever.
        self.ended = !buffer.is_empty() && !matches!(read, Ok(1..));
        let read = read?;
        self.follow(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    use rstest::rstest;
    use std::io::Write as _;

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        Frames::new(bytes).read_to_end(&mut text).map(|_| text)
    }

    #[rstest]
    #[case(FrameInfo::new())]
    #[case(FrameInfo::new().block_mode(BlockMode::Linked))]
    #[case(FrameInfo::new().block_checksums(true).content_checksum(true))]
    fn a_cut_anywhere_is_an_error(#[case] info: FrameInfo) {
        // Zeros and lines, in several blocks.
        let text = [vec![0; 66_000], b"some lines\n".repeat(10)].concat();
        let info = info.block_size(BlockSize::Max64KB);
        let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(&text).unwrap();
        let frame = encoder.finish().unwrap();
        assert_eq!(read(&frame).unwrap(), text);
        let twice = [frame.clone(), frame.clone()].concat();
        assert_eq!(read(&twice).unwrap().len(), 2 * text.len());
        for end in 1..frame.len() {
            assert!(read(&frame[..end]).is_err(), "cut after {end}");
            let at = frame.len() + end;
            assert!(read(&twice[..at]).is_err(), "the second cut after {end}");
        }
        assert!(read(&[&frame, b"more".as_slice()].concat()).is_err());
        assert_eq!(read(b"").unwrap(), b"");
    }
}
