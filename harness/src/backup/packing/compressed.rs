//! A compression around a backup: its errors, and data after its end, which is handled as the program
//! of the compression does.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use super::buffered::Buffered;
use super::error::LayerError;
use super::foreign::setting;
use super::layer::Layer;
use crate::outcome::{CouldNotRun, Finding};
use pgdump::compression::{Behind, Frame, Frames, Unsupported};

/// Warnings about a file, collected while it is read.
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

    /// Handles data after the last frame.
    fn end(&self) -> Result<(), LayerError> {
        let Behind { zeros, others } = self.frames.behind;
        let layer = &self.layer;
        let expected = format!("nothing after the end of the {layer} data");
        if others == 0 && zeros > 0 {
            self.notes.add(
                Finding::new(expected, format!("{zeros} bytes, all of them zero"))
                    .hint("tapes and block devices add padding; nothing is lost"),
            );
        } else if others > 0 && F::FORGIVING {
            self.notes.add(
                Finding::new(
                    expected,
                    format!("{} more bytes, which every reader ignores", zeros + others),
                )
                .hint("data was appended, or a part of the backup is damaged: check the file"),
            );
        } else if others > 0 {
            return Err(LayerError::Damaged(
                Finding::new(
                    expected,
                    format!("{} bytes that are not {layer} data", zeros + others),
                )
                .hint(format!(
                    "a part of the backup is damaged, or data was appended: `{layer}` also ends with an error there"
                )),
            ));
        }
        Ok(())
    }

    /// Translates an error of a decoder; the error of a layer below is kept.
    fn explain(&self, error: io::Error) -> io::Error {
        if LayerError::inside(&error).is_some() {
            return error;
        }
        if let Some(Unsupported { reason, command }) = F::unsupported(&error) {
            let hint = format!("decompress it with `{}`", setting(command));
            return LayerError::from(CouldNotRun::with_hint(reason, hint)).into();
        }
        let expected = format!(
            "{} file with a correct checksum to its end",
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

/// The error of a file that is truncated or changed.
pub(super) fn damaged(layer: &Layer, expected: &str, error: &io::Error) -> LayerError {
    let actual = match error.kind() {
        io::ErrorKind::UnexpectedEof => "it is truncated".to_owned(),
        _ => format!("it is damaged: {error}"),
    };
    LayerError::Damaged(
        Finding::about(format!("{layer} data"), expected, actual).hint(
            "the file is truncated or was changed: compare its size and digest with the original",
        ),
    )
}
