//! Gzip members: what was read is told, and the end is reached.
#![no_main]

use std::io;

use libfuzzer_sys::fuzz_target;
use redrill::backup::format::gzip::Members;

fuzz_target!(|bytes: &[u8]| {
    let mut members = Members::new(bytes);
    if io::copy(&mut members, &mut io::sink()).is_ok() {
        assert!(members.members > 0);
        assert!(members.trailing < bytes.len() as u64);
    }
});
