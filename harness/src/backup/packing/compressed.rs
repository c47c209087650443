//! A compression around a backup: what is wrong with it, said in its own words, and what stands
//! behind its end, judged as its own program does.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use super::Layer;
use super::buffered::Buffered;
use super::foreign::setting;
use super::trouble::Trouble;
use crate::backup::compression::{Behind, Frame, Frames, Unsupported};
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

/// The content of a compressed file.
pub(super) struct Compressed<F: Frame> {
    frames: Frames<F>,
    layer: Layer,
    notes: Notes,
    over: bool,
}

impl<F: Frame<Reader = Buffered>> Compressed<F> {
    pub(super) fn new(input: Buffered, layer: &Layer, notes: &Notes) -> Self {
        Self {
            frames: Frames::new(input),
            layer: layer.clone(),
            notes: notes.clone(),
            over: false,
        }
    }

    /// Judges what stands behind the last frame.
    fn end(&self) -> Result<(), Trouble> {
        let Behind { zeros, others } = self.frames.behind;
        let layer = &self.layer;
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
            ));
        }
        Ok(())
    }

    /// Says what an error of a decoder means; what a layer below said stays.
    fn explain(&self, error: io::Error) -> io::Error {
        if Trouble::inside(&error).is_some() {
            return error;
        }
        if let Some(Unsupported { reason, command }) = F::unsupported(&error) {
            let hint = format!("let `{}` decompress it", setting(command));
            return Trouble::place(reason).hint(hint).into();
        }
        let expected = format!(
            "{} file whose checksum is right to its end",
            article(&self.layer)
        );
        damaged(&self.layer, &expected, &error).into()
    }
}

impl<F: Frame<Reader = Buffered>> Read for Compressed<F> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.frames.read(out).map_err(|error| self.explain(error))?;
        if read == 0 && !out.is_empty() && !self.over {
            self.over = true;
            self.end()?;
        }
        Ok(read)
    }
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
