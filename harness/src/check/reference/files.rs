//! The values of a column as files of a folder.

use std::path::{Component, Path, PathBuf};

use super::VALUE;
use super::keys::{Column, next_key};
use super::merge::Compared;
use crate::backup::files::blocking;
use crate::check::Restored;
use crate::digest::from_hex;
use crate::outcome::{CouldNotRun, Finding};

/// Values whose files are looked up at once.
const AT_ONCE: usize = 1024;

/// Looks each value up in the folder.
///
/// # Errors
/// When the column or the folder cannot be read. The inner one: the column is not there.
pub(super) async fn compare(
    restored: &Restored<'_>,
    from: &Column<'_>,
    folder: PathBuf,
    file: &str,
) -> Result<Result<Compared, Finding>, CouldNotRun> {
    let there = std::fs::read_dir(&folder);
    if let Err(error) = there {
        let reason = format!("cannot read the folder {}: {error}", folder.display());
        return Err(CouldNotRun::with_hint(
            reason,
            "correct `folder` in `to`; it is relative to the scenario file",
        ));
    }
    let (mut session, own) = match from.open(restored).await? {
        Ok(opened) => opened,
        Err(missing) => return Ok(Err(missing)),
    };
    let mut compared = Compared::default();
    {
        let mut keys = session.rows_out(&from.sql(own, own)).await?;
        loop {
            let mut batch = Vec::new();
            while batch.len() < AT_ONCE
                && let Some(key) = next_key(&mut keys).await?
            {
                batch.push(key);
            }
            if batch.is_empty() {
                break;
            }
            let (folder, file) = (folder.clone(), file.to_owned());
            let looked_up = blocking(move || {
                let exists = batch
                    .iter()
                    .map(|key| exists(&folder, &file, &key.hex))
                    .collect::<Result<Vec<_>, _>>()?;
                Ok(batch.into_iter().zip(exists).collect::<Vec<_>>())
            });
            for (key, exists) in looked_up.await? {
                compared.add(&key, exists);
            }
        }
    }
    session.close().await;
    Ok(Ok(compared))
}

/// Whether the file of a value exists below the folder. A value is data of the backup: one that leads out of the folder names
/// no file of it, and a link is not followed.
fn exists(folder: &Path, file: &str, hex: &[u8]) -> Result<bool, CouldNotRun> {
    let Some(value) = from_hex(hex).and_then(|bytes| String::from_utf8(bytes).ok()) else {
        return Ok(false);
    };
    let name = file.replace(VALUE, &value);
    let mut path = folder.to_owned();
    for component in Path::new(&name).components() {
        let part = match component {
            Component::Normal(part) => part,
            Component::CurDir => continue,
            _ => return Ok(false),
        };
        path.push(part);
        match path.symlink_metadata() {
            Ok(data) if data.is_symlink() => return Ok(false),
            Ok(data) if data.is_dir() || data.is_file() => {}
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                let reason = format!("cannot look into {}: {error}", folder.display());
                return Err(CouldNotRun::with_hint(
                    reason,
                    "run redrill as a user who may read the files",
                ));
            }
            Err(_) => return Ok(false),
        }
    }
    Ok(path.is_file() && path != folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::hex;
    use rstest::rstest;

    #[rstest]
    #[case::there("a.pdf", "{value}", true)]
    #[case::below("sub/b.pdf", "{value}", true)]
    #[case::of_a_pattern("b", "sub/{value}.pdf", true)]
    #[case::of_this_folder("./a.pdf", "{value}", true)]
    #[case::not_there("c.pdf", "{value}", false)]
    #[case::a_folder("sub", "{value}", false)]
    #[case::nothing("", "{value}", false)]
    #[case::out_of_it("../secret", "{value}", false)]
    #[case::out_of_it_and_back("sub/../a.pdf", "{value}", false)]
    #[case::absolute("/etc/passwd", "{value}", false)]
    #[case::through_a_link("link/secret", "{value}", false)]
    #[case::a_link("direct", "{value}", false)]
    #[case::too_long(&"x".repeat(300), "{value}", false)]
    #[case::nul("a\0.pdf", "{value}", false)]
    fn a_value_names_a_file_of_the_folder_only(
        #[case] value: &str,
        #[case] file: &str,
        #[case] expected: bool,
    ) {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("uploads");
        std::fs::create_dir_all(folder.join("sub")).unwrap();
        for name in ["uploads/a.pdf", "uploads/sub/b.pdf", "secret"] {
            std::fs::write(base.path().join(name), "x").unwrap();
        }
        std::os::unix::fs::symlink(base.path(), folder.join("link")).unwrap();
        std::os::unix::fs::symlink(base.path().join("secret"), folder.join("direct")).unwrap();
        let key = hex(value.as_bytes());
        assert_eq!(exists(&folder, file, key.as_bytes()).unwrap(), expected);
    }
}
