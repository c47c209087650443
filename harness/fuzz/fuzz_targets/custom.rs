//! A custom archive, from its head to its last block, and the SQL that is made of it.
#![no_main]

use std::io::{Sink, Write};

use libfuzzer_sys::fuzz_target;
use pgdump::format::archive::{Entry, custom, script};

struct Nowhere(Sink);

impl Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl script::Output for Nowhere {
    fn entry(&mut self, _: &Entry) {}
}

fuzz_target!(|bytes: &[u8]| {
    let _ = custom::read(bytes);
    let _ = script::custom(bytes, "shop", &mut Nowhere(std::io::sink()));
});
