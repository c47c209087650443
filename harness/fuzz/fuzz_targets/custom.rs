//! A custom archive, from its head to its last block.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pgdump::format::archive::custom;

fuzz_target!(|bytes: &[u8]| {
    let _ = custom::read(bytes);
});
