//! The files of an extension on this machine, by one digest: a version says little about what was compiled.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

use crate::file_content::Content;

/// Where an installation has its extensions, as the server says (`pg_config`).
#[derive(Debug, Clone)]
pub(super) struct Folders {
    /// `SHAREDIR`: control files and scripts are in its `extension`.
    pub(super) shared: PathBuf,
    /// `PKGLIBDIR`: the libraries.
    pub(super) libraries: PathBuf,
}

/// A library that a control file or a script names.
static LIBRARY: LazyLock<Regex> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "a constant; the tests compile it")]
    Regex::new(r"\$libdir/([A-Za-z0-9_.-]+)").expect("the pattern is a regular expression")
});

/// The sum, modulo 2^256 and little-endian, of the SHA-256 of the lines `SHA-256  BYTES  NAME` of the control files of an extension, of its scripts, and
/// of the libraries that these name; in hex. `None` where its control file or one of the others cannot be read. Blocks.
pub(super) fn digest(folders: &Folders, name: &str) -> Option<String> {
    let folder = folders.shared.join("extension");
    let control = folder.join(format!("{name}.control"));
    let text = std::fs::read_to_string(&control).ok()?;
    let scripts = folders.shared.join(directory(&text));
    let mut files = BTreeSet::from([control]);
    for folder in [&folder, &scripts] {
        for entry in std::fs::read_dir(folder).ok()?.flatten() {
            let file = entry.file_name();
            let own = file.to_str().and_then(|file| file.strip_prefix(name));
            let own = own.and_then(|rest| rest.strip_prefix("--"));
            if own.is_some_and(|rest| rest.ends_with(".sql") || rest.ends_with(".control")) {
                files.insert(entry.path());
            }
        }
    }
    let mut libraries = BTreeSet::new();
    for file in &files {
        let text = std::fs::read_to_string(file).ok()?;
        let named = LIBRARY.captures_iter(&text);
        libraries.extend(named.filter_map(|found| Some(found.get(1)?.as_str().to_owned())));
    }
    for library in libraries {
        let library = library.strip_suffix(".so").unwrap_or(&library).to_owned();
        let library = folders.libraries.join(format!("{library}.so"));
        // A script that leads from an older version may name a library that there is no more.
        if library.exists() {
            files.insert(library);
        }
    }
    Content::of_files(&files).ok()
}

/// The folder of the scripts, in `SHAREDIR`: what a control file says, otherwise `extension`.
fn directory(control: &str) -> &Path {
    let line = control.lines().find_map(|line| {
        let value = line.trim().strip_prefix("directory")?.trim_start();
        Some(value.strip_prefix('=')?.trim())
    });
    let named = line.and_then(|value| value.strip_prefix('\'')?.split('\'').next());
    Path::new(named.unwrap_or("extension"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn any_file_of_an_extension_changes_its_digest() {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders {
            shared: folder.path().join("share"),
            libraries: folder.path().join("lib"),
        };
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "share/extension/shape.control",
            "default_version = '2'\nmodule_pathname = '$libdir/shape'\ndirectory = 'shape-2'\n",
        );
        write("share/extension/shape--1.control", "");
        write("share/shape-2/shape--2.sql", "SELECT 'MODULE_PATHNAME'");
        write(
            "share/shape-2/shape--1--2.sql",
            "'$libdir/shape-raster', '$libdir/gone'",
        );
        write("lib/shape.so", "elf");
        write("lib/shape-raster.so", "elf");
        let now = || digest(&folders, "shape").unwrap();
        let mut seen = BTreeSet::from([now()]);
        for name in [
            "share/extension/shape.control",
            "share/extension/shape--1.control",
            "share/shape-2/shape--2.sql",
            "share/shape-2/shape--1--2.sql",
            "lib/shape.so",
            "lib/shape-raster.so",
        ] {
            let text = fs::read_to_string(folder.path().join(name)).unwrap();
            write(name, &format!("{text} "));
            assert!(seen.insert(now()), "{name}");
        }
        // Not its own.
        let last = now();
        write("share/extension/shape_topology.control", "");
        write("share/shape-2/shape_topology--2.sql", "");
        write("share/shape-2/README--2.sql", "");
        write("lib/other.so", "elf");
        assert_eq!(now(), last);
        assert_eq!(digest(&folders, "none"), None);
        fs::remove_file(folder.path().join("lib/shape-raster.so")).unwrap();
        assert_ne!(now(), last);
    }
}
