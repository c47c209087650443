//! Lines of a program's output, read with constant memory: one line may contain a whole value.

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// Bytes at the beginning and at the end of a line that are kept.
const HEAD: usize = 8 * 1024;
const TAIL: usize = 1024;

/// Reads lines; of a long one the middle is dropped, in place of which there is `…`.
pub(crate) struct Lines<R>(BufReader<R>);

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(crate) fn of(reader: R) -> Self {
        Self(BufReader::new(reader))
    }

    /// Returns the next line without its end; `None` at the end of the output or when it cannot be read.
    /// Bytes, not text, are read: what a dump selects may be in any encoding, and must not stop the reader.
    pub(crate) async fn next(&mut self) -> Option<String> {
        let mut line = Line::default();
        loop {
            let chunk = self.0.fill_buf().await.ok()?;
            if chunk.is_empty() {
                return (!line.head.is_empty()).then(|| line.text());
            }
            match memchr::memchr(b'\n', chunk) {
                Some(end) => {
                    line.add(&chunk[..end]);
                    self.0.consume(end + 1);
                    return Some(line.text());
                }
                None => {
                    line.add(chunk);
                    let read = chunk.len();
                    self.0.consume(read);
                }
            }
        }
    }
}

/// The kept parts of a line, or of a field of a message.
#[derive(Default)]
pub(crate) struct Line {
    head: Vec<u8>,
    tail: Vec<u8>,
    is_cut: bool,
}

impl Line {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        let room = (HEAD - self.head.len()).min(bytes.len());
        let (head, rest) = bytes.split_at(room);
        self.head.extend_from_slice(head);
        // Of one chunk no more than the last bytes matter.
        let from = rest.len().saturating_sub(TAIL);
        self.is_cut |= from > 0;
        self.tail.extend_from_slice(&rest[from..]);
        let excess = self.tail.len().saturating_sub(TAIL);
        self.is_cut |= excess > 0;
        self.tail.drain(..excess);
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::from_utf8_lossy(&self.head).into_owned();
        if self.is_cut {
            text.push('…');
        }
        text.push_str(&String::from_utf8_lossy(&self.tail));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_read_and_a_long_one_loses_its_middle() {
        let long = format!("begin {} end", "x".repeat(1_000_000));
        let output = format!("a\n\n{long}\nb");
        let mut lines = Lines::of(output.as_bytes());
        assert_eq!(lines.next().await.unwrap(), "a");
        assert_eq!(lines.next().await.unwrap(), "");
        let cut = lines.next().await.unwrap();
        assert!(cut.starts_with("begin ") && cut.ends_with(" end"), "{cut}");
        assert!(cut.contains('…') && cut.len() <= HEAD + TAIL + '…'.len_utf8());
        assert_eq!(lines.next().await.unwrap(), "b");
        assert_eq!(lines.next().await, None);
    }

    #[tokio::test]
    async fn a_line_that_fits_is_whole() {
        let line = "y".repeat(HEAD + TAIL);
        let mut lines = Lines::of(line.as_bytes());
        assert_eq!(lines.next().await.unwrap(), line);
    }

    #[tokio::test]
    async fn bytes_that_are_no_text_do_not_stop_the_reader() {
        let mut lines = Lines::of(&b"\xff\xfe\nnext"[..]);
        assert_eq!(lines.next().await.unwrap(), "\u{fffd}\u{fffd}");
        assert_eq!(lines.next().await.unwrap(), "next");
    }
}
