//! The members of a tar file: whatever the reader's buffer, the same members.
#![no_main]

use std::io::{BufRead, BufReader, Read as _};

use libfuzzer_sys::fuzz_target;
use pgdump::format::tar::{Member, Members};

fuzz_target!(|bytes: &[u8]| {
    assert_eq!(walk(bytes), walk(BufReader::with_capacity(7, bytes)));
});

fn walk(reader: impl BufRead) -> (Vec<(Member, u64)>, bool) {
    let mut members = Members::new(reader);
    let mut all = Vec::new();
    loop {
        match members.next_member() {
            Ok(Some(member)) => {
                let mut text = Vec::new();
                let whole = members.read_to_end(&mut text).is_ok();
                assert_eq!(whole, text.len() as u64 == member.bytes);
                all.push((member, text.len() as u64));
            }
            Ok(None) => return (all, true),
            Err(_) => return (all, false),
        }
    }
}
