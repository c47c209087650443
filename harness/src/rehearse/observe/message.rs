//! Messages of the protocol between a tool and the server, as bytes. See "Message Formats" in the manual.
//!
//! Rows and COPY data pass in pieces, so that memory stays the same whatever their size.

use std::io;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Largest message that is read as a whole; of a larger one this much is read, and the rest passes.
pub(super) const LONGEST: usize = 8 * 1024 * 1024;
/// How much is read and written at once.
const CHUNK: usize = 64 * 1024;
/// Bytes of a tag and a length.
const HEAD: usize = 5;

/// A message, or the beginning of a long one.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) tag: u8,
    /// With tag and length.
    pub(super) bytes: Bytes,
    /// How much of it is still to come.
    pub(super) rest: usize,
}

impl Message {
    /// What follows tag and length.
    pub(super) fn body(&self) -> &[u8] {
        self.bytes.get(HEAD..).unwrap_or_default()
    }
}

/// Messages that one side sends.
pub(super) struct Incoming<R> {
    reader: R,
    buffer: BytesMut,
    /// Tag of messages that pass in pieces.
    streamed: &'static [u8],
    /// How much of such a message is still to come.
    rest: usize,
}

impl<R: AsyncRead + Unpin> Incoming<R> {
    pub(super) fn new(reader: R, streamed: &'static [u8]) -> Self {
        Self {
            reader,
            buffer: BytesMut::with_capacity(CHUNK),
            streamed,
            rest: 0,
        }
    }

    /// Returns the next message if it was read already.
    ///
    /// # Errors
    /// A length that no message has.
    pub(super) fn ready(&mut self) -> io::Result<Option<Message>> {
        if self.rest > 0 {
            if self.buffer.is_empty() {
                return Ok(None);
            }
            let piece = self.buffer.split_to(self.rest.min(self.buffer.len()));
            self.rest -= piece.len();
            return Ok(Some(Message {
                tag: 0,
                bytes: piece.freeze(),
                rest: self.rest,
            }));
        }
        let Some([tag, length @ ..]) = self.buffer.first_chunk::<HEAD>().copied() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(length) as usize;
        if length < 4 || i32::try_from(length).is_err() {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
        let whole = 1 + length;
        let wanted = match self.streamed.contains(&tag) {
            true => HEAD,
            false => whole.min(LONGEST),
        };
        if self.buffer.len() < wanted {
            return Ok(None);
        }
        let bytes = self.buffer.split_to(whole.min(self.buffer.len()));
        self.rest = whole - bytes.len();
        Ok(Some(Message {
            tag,
            bytes: bytes.freeze(),
            rest: self.rest,
        }))
    }

    /// Reads the next message; `None` at the end. A call that is cancelled loses nothing.
    ///
    /// # Errors
    /// Those of the connection, and a length that no message has.
    pub(super) async fn next(&mut self) -> io::Result<Option<Message>> {
        loop {
            if let Some(message) = self.ready()? {
                return Ok(Some(message));
            }
            if self.more().await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Takes `count` bytes that are no message; `None` where the connection ends before.
    ///
    /// # Errors
    /// Those of the connection.
    pub(super) async fn bytes(&mut self, count: usize) -> io::Result<Option<Bytes>> {
        while self.buffer.len() < count {
            if self.more().await? == 0 {
                return Ok(None);
            }
        }
        Ok(Some(self.buffer.split_to(count).freeze()))
    }

    /// What was read, and the reader.
    pub(super) fn into_parts(self) -> (Bytes, R) {
        (self.buffer.freeze(), self.reader)
    }

    async fn more(&mut self) -> io::Result<usize> {
        self.buffer.reserve(CHUNK);
        self.reader.read_buf(&mut self.buffer).await
    }
}

/// Messages to one side, sent when they are flushed or many.
pub(super) struct Outgoing<W> {
    writer: W,
    buffer: BytesMut,
}

impl<W: AsyncWrite + Unpin> Outgoing<W> {
    pub(super) fn new(writer: W) -> Self {
        Self {
            writer,
            buffer: BytesMut::with_capacity(CHUNK),
        }
    }

    /// Adds bytes to what is sent.
    ///
    /// # Errors
    /// Those of the connection.
    pub(super) async fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        match self.buffer.len() >= CHUNK {
            true => self.flush().await,
            false => Ok(()),
        }
    }

    /// Sends what was added.
    ///
    /// # Errors
    /// Those of the connection.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.writer.write_all(&self.buffer).await?;
            self.buffer.clear();
            if self.buffer.capacity() > 4 * CHUNK {
                self.buffer = BytesMut::with_capacity(CHUNK);
            }
        }
        Ok(())
    }

    /// Ends this direction; the other side may still send.
    pub(super) async fn shutdown(&mut self) {
        // It may have gone.
        let _ = self.writer.shutdown().await;
    }
}

/// A message with this body.
pub(super) fn message(tag: u8, body: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(HEAD + body.len());
    bytes.put_u8(tag);
    // Bodies are parts of messages that were read, which are shorter than 2 GiB.
    bytes.put_u32(u32::try_from(body.len() + 4).unwrap_or(u32::MAX));
    bytes.put_slice(body);
    bytes.freeze()
}

/// One statement by the extended protocol, with the unnamed statement and portal and rows as text, up to a Flush: then
/// its transaction is still open.
pub(super) fn executed(statement: &[u8]) -> Vec<Bytes> {
    let parse = [b"\0", statement, b"\0\0\0"].concat();
    vec![
        message(b'P', &parse),
        message(b'B', &[0; 8]),
        message(b'D', b"P\0"),
        message(b'E', &[0; 5]),
        message(b'H', &[]),
    ]
}

/// A text up to its NUL, and what follows.
pub(super) fn text(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(0, body)?;
    Some((&body[..end], &body[end + 1..]))
}

/// The fields of an error or a notice, by their letters.
pub(super) fn fields(mut body: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (kind, rest) = body.split_first().filter(|(kind, _)| **kind != 0)?;
        let (value, rest) = text(rest)?;
        body = rest;
        Some((*kind, value))
    })
}

/// The parameters of a startup message after its version.
pub(super) fn parameters(mut body: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let (name, rest) = text(body).filter(|(name, _)| !name.is_empty())?;
        let (value, rest) = text(rest)?;
        body = rest;
        Some((name, value))
    })
}

/// A number of four bytes at the start of a body.
pub(super) fn number(mut body: &[u8]) -> Option<i32> {
    (body.len() >= 4).then(|| body.get_i32())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    async fn read(bytes: &[u8], streamed: &'static [u8]) -> (Vec<u8>, bool) {
        let mut incoming = Incoming::new(bytes, streamed);
        let mut passed = Vec::new();
        loop {
            match incoming.next().await {
                Ok(Some(message)) => {
                    let _ = fields(message.body()).count();
                    let _ = parameters(message.body()).count();
                    let _ = (text(message.body()), number(message.body()));
                    passed.extend_from_slice(&message.bytes);
                }
                Ok(None) => return (passed, true),
                Err(_) => return (passed, false),
            }
        }
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.build().unwrap().block_on(future)
    }

    proptest! {
        /// Whatever is sent, what passes is a beginning of it.
        #[test]
        fn bytes_of_any_kind_pass_unchanged(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let (passed, _) = block_on(read(&bytes, b"d"));
            prop_assert!(bytes.starts_with(&passed));
        }

        #[test]
        fn messages_pass_unchanged(
            messages in proptest::collection::vec((any::<u8>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..10)
        ) {
            let sent: Vec<u8> = messages.iter().flat_map(|(tag, body)| message(*tag, body)).collect();
            prop_assert_eq!(block_on(read(&sent, b"dD")), (sent, true));
        }
    }

    #[test]
    fn a_length_that_no_message_has_is_an_error() {
        for length in [0_u32, 3, 0x8000_0000, u32::MAX] {
            let mut bytes = b"Q".to_vec();
            bytes.extend_from_slice(&length.to_be_bytes());
            assert_eq!(block_on(read(&bytes, b"d")), (Vec::new(), false));
        }
    }

    #[test]
    fn the_end_of_a_long_message_passes_in_pieces() {
        let sent = message(b'Q', &vec![b'x'; LONGEST + 100]);
        assert_eq!(block_on(read(&sent, b"d")), (sent.to_vec(), true));
    }
}
