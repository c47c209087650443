//! A reader whose next bytes can be read without consuming them, whatever the size of its buffer.

use std::io::{self, BufRead, Read};

/// Bytes that can be peeked at: the magic of a frame, and the length of one without content.
const MOST: usize = 8;

/// A reader whose next bytes can be read without consuming them.
#[derive(Debug)]
pub struct Peeked<R> {
    reader: R,
    /// Bytes that were peeked at, and which of them are not consumed yet.
    head: [u8; MOST],
    start: usize,
    end: usize,
}

impl<R: BufRead> Peeked<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            head: [0; MOST],
            start: 0,
            end: 0,
        }
    }

    /// The next eight bytes, fewer only at the end.
    pub(super) fn peek(&mut self) -> io::Result<&[u8]> {
        self.head.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        while self.end < MOST {
            match self.reader.read(&mut self.head[self.end..]) {
                Ok(0) => break,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(&self.head[..self.end])
    }
}

impl<R: BufRead> Read for Peeked<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.start == self.end {
            return self.reader.read(out);
        }
        read_from_buffer(self, out)
    }
}

impl<R: BufRead> BufRead for Peeked<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            return self.reader.fill_buf();
        }
        Ok(&self.head[self.start..self.end])
    }

    fn consume(&mut self, amount: usize) {
        if self.start == self.end {
            self.reader.consume(amount);
        } else {
            self.start += amount;
        }
    }
}

/// Implements `read` by the buffer of the reader.
///
/// # Errors
/// When the buffer cannot be filled.
pub fn read_from_buffer(reader: &mut impl BufRead, out: &mut [u8]) -> io::Result<usize> {
    let read = reader.fill_buf()?.read(out)?;
    reader.consume(read);
    Ok(read)
}

/// What belongs to something of which so many bytes are left.
#[must_use]
pub fn up_to(left: u64, available: &[u8]) -> &[u8] {
    let length = usize::try_from(left).map_or(available.len(), |left| left.min(available.len()));
    &available[..length]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peeking_consumes_nothing() {
        let mut peeked = Peeked::new(io::BufReader::with_capacity(3, &b"0123456789"[..]));
        assert_eq!(peeked.peek().unwrap(), b"01234567");
        peeked.consume(2);
        assert_eq!(peeked.peek().unwrap(), b"23456789");
        let mut rest = String::new();
        peeked.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "23456789");
        assert_eq!(peeked.peek().unwrap(), b"");
    }
}
