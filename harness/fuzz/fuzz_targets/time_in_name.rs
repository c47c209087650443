//! Times in the names of files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redrill::backup::source::time_in_name;

fuzz_target!(|name: &str| {
    let _ = time_in_name(name);
});
