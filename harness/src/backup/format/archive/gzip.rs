//! Gzip with every member, checked to the end; bytes behind the last member are counted, not an error.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// Decompresses all members of a gzip file.
///
/// `GzDecoder` alone stops after the first member, and `MultiGzDecoder` takes padding for corruption.
#[derive(Debug)]
pub struct Members<R> {
    state: State<R>,
    /// Members read to their end, checksum included.
    pub members: u64,
    /// Bytes behind the last member.
    pub trailing: u64,
}

#[derive(Debug)]
enum State<R> {
    Member(Box<GzDecoder<R>>),
    Between(R),
    Done,
}

impl<R: BufRead> Members<R> {
    /// Begins with the first member.
    pub fn new(reader: R) -> Self {
        Self {
            state: State::Member(Box::new(GzDecoder::new(reader))),
            members: 0,
            trailing: 0,
        }
    }

    /// Looks behind a member: another one, the end, or bytes that do not belong.
    fn next_member(&mut self, mut reader: R) -> io::Result<()> {
        let next = reader.fill_buf()?;
        self.state = match next {
            [] => State::Done,
            [0x1f, 0x8b, ..] | [0x1f] => State::Member(Box::new(GzDecoder::new(reader))),
            _ => {
                self.trailing = io::copy(&mut reader, &mut io::sink())?;
                State::Done
            }
        };
        Ok(())
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(&mut self.state, State::Done) {
                State::Done => return Ok(0),
                State::Between(reader) => self.next_member(reader)?,
                State::Member(mut member) => {
                    let read = member.read(buffer)?;
                    if read > 0 || buffer.is_empty() {
                        self.state = State::Member(member);
                        return Ok(read);
                    }
                    self.members += 1;
                    self.state = State::Between(member.into_inner());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write as _;

    fn member(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> (io::Result<String>, u64, u64) {
        let mut members = Members::new(bytes);
        let mut text = String::new();
        let result = members.read_to_string(&mut text).map(|_| text);
        (result, members.members, members.trailing)
    }

    #[test]
    fn every_member_is_read() {
        let bytes = [member("one "), member("two")].concat();
        let (text, members, trailing) = read(&bytes);
        assert_eq!(
            (text.unwrap().as_str(), members, trailing),
            ("one two", 2, 0)
        );
    }

    #[test]
    fn padding_and_garbage_behind_the_end_are_counted() {
        for tail in [vec![0; 600], b"garbage".to_vec()] {
            let bytes = [member("one"), tail.clone()].concat();
            let (text, members, trailing) = read(&bytes);
            assert_eq!(
                (text.unwrap().as_str(), members, trailing),
                ("one", 1, tail.len() as u64)
            );
        }
    }

    #[test]
    fn a_cut_or_a_flipped_bit_anywhere_is_an_error() {
        let good = member(&"some text that compresses, ".repeat(50));
        for end in 1..good.len() {
            assert!(
                read(&good[..end]).0.is_err(),
                "cut after {end} of {}",
                good.len()
            );
        }
        for at in [good.len() / 2, good.len() - 6, good.len() - 2] {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            assert!(read(&bytes).0.is_err(), "flipped at {at} of {}", good.len());
        }
    }
}
