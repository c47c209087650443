//! Plain SQL: whatever the reader's buffer, the same contents and the same judgement.
#![no_main]

use std::io::BufReader;

use libfuzzer_sys::fuzz_target;
use pgdump::format::plain;

fuzz_target!(|bytes: &[u8]| {
    let read =
        |reader: &mut dyn std::io::BufRead| plain::read(reader).expect("memory does not fail");
    let (whole, found, length) = read(&mut &*bytes);
    let (parts, found_in_parts, _) = read(&mut BufReader::with_capacity(7, bytes));
    assert_eq!(length, bytes.len() as u64);
    assert_eq!(
        format!("{whole:?}{found:?}"),
        format!("{parts:?}{found_in_parts:?}")
    );
    let _ = whole.roles_needed();
});
