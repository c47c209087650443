//! A buffer with lookahead of any length, whose end is final: after the end it returns the end, after
//! an error the same error.

use std::io::{self, BufRead, Read};

use super::error::LayerError;

/// Bytes per read.
const SIZE: usize = 256 * 1024;

/// The content of a layer.
pub(super) struct Buffered {
    inner: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    over: bool,
    failed: Option<LayerError>,
}

impl Buffered {
    pub(super) fn new(inner: impl Read + Send + 'static) -> Self {
        Self {
            inner: Box::new(inner),
            buffer: vec![0; SIZE],
            start: 0,
            end: 0,
            over: false,
            failed: None,
        }
    }

    /// Returns at least the next `wanted` bytes, fewer only at the end, without consuming them.
    pub(super) fn peek(&mut self, wanted: usize) -> io::Result<&[u8]> {
        if self.start + wanted > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            if wanted > self.buffer.len() {
                self.buffer.resize(wanted, 0);
            }
        }
        while self.end - self.start < wanted {
            if self.start == self.end {
                (self.start, self.end) = (0, 0);
            }
            let end = self.end;
            let mut buffer = std::mem::take(&mut self.buffer);
            let read = self.read_inner(&mut buffer[end..]);
            self.buffer = buffer;
            match read? {
                0 => break,
                read => self.end += read,
            }
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn read_inner(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if let Some(error) = &self.failed {
            return Err(error.clone().into());
        }
        if self.over {
            return Ok(0);
        }
        loop {
            match self.inner.read(out) {
                Ok(read) => {
                    self.over = read == 0 && !out.is_empty();
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let error = LayerError::of(&error);
                    self.failed = Some(error.clone());
                    return Err(error.into());
                }
            }
        }
    }
}

impl Read for Buffered {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.start == self.end && out.len() >= SIZE {
            return self.read_inner(out);
        }
        let read = self.fill_buf()?.read(out)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Buffered {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.peek(1)
    }

    fn consume(&mut self, amount: usize) {
        self.start = (self.start + amount).min(self.end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time, then fails once, then would go on.
    struct Failing(u8);

    impl Read for Failing {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            match self.0 {
                1..=3 => (&b"abc"[..]).read(out),
                4 => Err(io::ErrorKind::Interrupted.into()),
                5 => Err(io::Error::other("disk")),
                _ => Ok(0),
            }
        }
    }

    #[test]
    fn peeking_consumes_nothing_and_goes_as_far_as_wanted() {
        let text = vec![7_u8; 3 * SIZE];
        let mut buffered = Buffered::new(io::Cursor::new(text.clone()));
        assert!(buffered.peek(10).unwrap().len() >= 10);
        buffered.consume(10);
        assert!(buffered.peek(2 * SIZE).unwrap().len() >= 2 * SIZE);
        let mut rest = Vec::new();
        buffered.read_to_end(&mut rest).unwrap();
        assert_eq!(rest.len(), text.len() - 10);
        assert!(buffered.peek(1).unwrap().is_empty());
    }

    #[test]
    fn an_error_is_never_followed_by_an_end() {
        let mut buffered = Buffered::new(Failing(0));
        assert_eq!(buffered.peek(9).unwrap(), b"abcabcabc");
        buffered.consume(9);
        for _ in 0..3 {
            let error = buffered.read(&mut [0; 4]).unwrap_err();
            assert!(error.to_string().contains("disk"), "{error}");
        }
    }
}
