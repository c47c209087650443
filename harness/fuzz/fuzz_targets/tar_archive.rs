//! A tar archive, from its table of contents to its last member.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pgdump::format::archive::tar;

fuzz_target!(|bytes: &[u8]| {
    let _ = tar::read(bytes);
});
