//! Passes bytes from one thread to another: one core reads or decompresses, another one parses.
//!
//! Neither side waits for one that has ended. The sender detects that the receiver is gone; a thread
//! that ends without an end mark, as by a panic, is an error and never the end of a file.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SendError, Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

use super::error::LayerError;
use crate::outcome::CouldNotRun;

/// Bytes of a chunk: many, since a statement that spans two chunks is parsed more slowly.
const CHUNK: usize = 1 << 20;

/// Maximum number of waiting chunks.
const WAITING: usize = 2;

/// The error where the thread of the sender ended without an end mark.
pub(super) const READER_ENDED: &str = "the thread that reads the file ended";

/// A chunk of bytes, in a buffer that is reused.
struct Chunk {
    room: Vec<u8>,
    filled: usize,
}

/// The sender.
pub(super) struct Feeder {
    chunks: SyncSender<Result<Chunk, LayerError>>,
    rooms: Receiver<Vec<u8>>,
    spare: Option<Vec<u8>>,
}

/// The result of sending one chunk.
#[derive(Debug)]
pub(super) enum Fed {
    /// It was sent.
    Sent,
    /// The receiver is gone.
    Refused,
    /// There was none: the reader is at its end, and the end mark was sent.
    End,
    /// The reader failed, and the error was sent.
    Failed(LayerError),
}

/// The receiver.
pub(super) struct Chunks {
    chunks: Receiver<Result<Chunk, LayerError>>,
    rooms: Sender<Vec<u8>>,
    chunk: Chunk,
    at: usize,
    over: bool,
}

/// Creates a sender and its receiver.
pub(super) fn pair() -> (Feeder, Chunks) {
    let (chunks, sent) = sync_channel(WAITING);
    let (rooms, used) = channel();
    let feeder = Feeder {
        chunks,
        rooms: used,
        spare: None,
    };
    let chunks = Chunks {
        chunks: sent,
        rooms,
        chunk: Chunk {
            room: Vec::new(),
            filled: 0,
        },
        at: 0,
        over: false,
    };
    (feeder, chunks)
}

/// Reads on a separate thread, to the end or until the receiver is gone.
pub(super) fn read(mut reader: impl Read + Send + 'static) -> Result<Chunks, CouldNotRun> {
    let (mut feeder, chunks) = pair();
    spawn("unpack", move || {
        while matches!(feeder.feed(&mut reader), Fed::Sent) {}
    })?;
    Ok(chunks)
}

/// Starts a thread.
pub(super) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, CouldNotRun> {
    Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| CouldNotRun::new(format!("cannot start a thread: {error}")))
}

impl Feeder {
    /// Reads one chunk and sends it; blocks while the maximum number waits.
    pub(super) fn feed(&mut self, reader: &mut impl Read) -> Fed {
        let mut room = self
            .spare
            .take()
            .or_else(|| self.rooms.try_recv().ok())
            .unwrap_or_else(|| vec![0; CHUNK]);
        let read = loop {
            match reader.read(&mut room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        match read {
            Ok(filled) => match self.chunks.send(Ok(Chunk { room, filled })) {
                _ if filled == 0 => Fed::End,
                Ok(()) => Fed::Sent,
                Err(SendError(refused)) => {
                    self.spare = refused.ok().map(|chunk| chunk.room);
                    Fed::Refused
                }
            },
            Err(error) => {
                let error = LayerError::of(&error);
                let _ = self.chunks.send(Err(error.clone()));
                Fed::Failed(error)
            }
        }
    }
}

impl Chunks {
    /// Waits for the next chunk that is not empty.
    fn next(&mut self) -> io::Result<()> {
        let used = std::mem::take(&mut self.chunk.room);
        if !used.is_empty() {
            // The thread is not needed after the end.
            let _ = self.rooms.send(used);
        }
        (self.chunk.filled, self.at) = (0, 0);
        let lost = |_| LayerError::from(CouldNotRun::new(READER_ENDED));
        self.chunk = self.chunks.recv().map_err(lost)??;
        self.over = self.chunk.filled == 0;
        Ok(())
    }
}

impl Read for Chunks {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.chunk.filled && !self.over {
            self.next()?;
        }
        let read = (&self.chunk.room[self.at..self.chunk.filled]).read(out)?;
        self.at += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    /// Does something else at every read: gives so many bytes, fails, or panics.
    struct Reader(Vec<Box<dyn FnOnce() -> io::Result<usize> + Send>>, Arc<()>);

    impl Read for Reader {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            match self.0.pop() {
                Some(step) => step().inspect(|read| out[..*read].fill(b'x')),
                None => Ok(0),
            }
        }
    }

    fn reader(steps: Vec<Box<dyn FnOnce() -> io::Result<usize> + Send>>) -> Reader {
        Reader(steps.into_iter().rev().collect(), Arc::default())
    }

    #[test]
    fn all_bytes_come_in_their_order() {
        let content: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut chunks = read(io::Cursor::new(content.clone())).unwrap();
        let mut read = Vec::new();
        chunks.read_to_end(&mut read).unwrap();
        assert!(read == content);
        assert_eq!(chunks.read(&mut [0; 9]).unwrap(), 0, "the end stays");
    }

    #[test]
    fn an_interruption_is_none() {
        let mut chunks = read(reader(vec![
            Box::new(|| Ok(3)),
            Box::new(|| Err(io::ErrorKind::Interrupted.into())),
            Box::new(|| Ok(4)),
        ]))
        .unwrap();
        assert_eq!(io::copy(&mut chunks, &mut io::sink()).unwrap(), 7);
    }

    #[test]
    fn an_error_comes_behind_what_was_read() {
        let expected = LayerError::from(CouldNotRun::new("no more"));
        let failed = expected.clone();
        let mut chunks = read(reader(vec![
            Box::new(|| Ok(3)),
            Box::new(move || Err(failed.into())),
        ]))
        .unwrap();
        let mut read = Vec::new();
        let error = chunks.read_to_end(&mut read).unwrap_err();
        assert_eq!((read.len(), LayerError::of(&error)), (3, expected));
    }

    #[test]
    fn a_panic_is_an_error_and_no_end() {
        let mut chunks = read(reader(vec![
            Box::new(|| Ok(3)),
            Box::new(|| panic!("on purpose")),
        ]))
        .unwrap();
        for _ in 0..2 {
            let error = chunks.read_to_end(&mut Vec::new()).unwrap_err();
            assert!(error.to_string().contains("ended"), "{error}");
        }
    }

    #[test]
    fn who_stops_listening_ends_the_thread() {
        let steps = (0..100_000)
            .map(|_| Box::new(|| Ok(CHUNK)) as Box<_>)
            .collect();
        let reader = reader(steps);
        let held = Arc::clone(&reader.1);
        let mut chunks = read(reader).unwrap();
        assert!(chunks.read(&mut [0; 9]).unwrap() > 0);
        drop(chunks);
        let began = Instant::now();
        while Arc::strong_count(&held) > 1 {
            assert!(began.elapsed() < Duration::from_secs(20), "it still reads");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn few_chunks_wait() {
        let (count, steps) = (Arc::new(()), 1000);
        let steps = (0..steps)
            .map(|_| {
                let one = Arc::clone(&count);
                Box::new(move || {
                    drop(one);
                    Ok(1_usize)
                }) as Box<_>
            })
            .collect();
        let mut chunks = read(reader(steps)).unwrap();
        assert_eq!(chunks.read(&mut [0; 1]).unwrap(), 1);
        std::thread::sleep(Duration::from_millis(50));
        assert!(Arc::strong_count(&count) > 1000 - WAITING - 2);
        assert_eq!(io::copy(&mut chunks, &mut io::sink()).unwrap(), 999);
    }
}
