//! Compressions and age, whatever they are nested in: what is read is known, and the file is read to its end.
#![no_main]

use std::io::{self, Cursor};

use libfuzzer_sys::fuzz_target;
use redrill::backup::packing::{Keys, Unpacked};

fuzz_target!(|bytes: &[u8]| {
    let reader = Cursor::new(bytes.to_vec());
    let Ok(mut unpacked) = Unpacked::from_reader("the file", reader, &Keys::default()) else {
        return;
    };
    let read = io::copy(&mut unpacked, &mut io::sink());
    // A window that is too large is no fault of the file.
    let Ok(ended) = unpacked.end() else {
        return;
    };
    assert_eq!(ended.file.bytes, bytes.len() as u64);
    assert_eq!(read.is_ok(), ended.problem.is_none());
});
