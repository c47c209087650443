//! The manifest that lies beside a backup: what the database looked like in the snapshot of the dump.

use std::io::Read as _;

use super::Found;
use crate::outcome::Finding;

/// What its name adds to the name of the backup.
pub const ENDING: &str = ".baseline.toml";

/// A manifest is read up to here.
pub(super) const READ: u64 = 256 * 1024 * 1024;

/// Looks for it beside a local file or folder.
pub(super) fn beside(found: &mut Found) {
    let (Some(folder), Some(name)) = (found.path.parent(), found.path.file_name()) else {
        return;
    };
    let name = format!("{}{ENDING}", name.to_string_lossy());
    let path = folder.join(&name);
    if !path.is_file() {
        return;
    }
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(READ).read_to_string(&mut text));
    stated(
        found,
        name,
        read.map(|_| text)
            .map_err(|error| format!("it cannot be read: {error}")),
    );
}

/// Takes what a side file says.
pub(super) fn stated(found: &mut Found, name: String, text: Result<String, String>) {
    match text {
        Ok(text) => found.manifest = Some((name, text)),
        Err(why) => found
            .warnings
            .push(Finding::about(name, "the manifest of the backup", why)),
    }
}
