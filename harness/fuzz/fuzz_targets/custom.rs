//! The table of contents of a custom archive.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redrill::backup::format::archive;

fuzz_target!(|bytes: &[u8]| {
    let _ = archive::read(bytes);
    // Tar archives: `let _ = archive::tar::read(bytes);`
});
