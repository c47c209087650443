//! Standard output and standard error.

use std::io::Write as _;

/// Prints results on standard output.
pub(super) fn out(text: &str) {
    // Not an error: the reader ended early, as `head` does.
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end_matches('\n'));
}

/// Prints a file on standard output, byte for byte.
pub(super) fn exact(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Prints a message for people on standard error.
pub(super) fn err(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end_matches('\n'));
}
