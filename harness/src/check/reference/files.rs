//! The values of a column as files of a folder, or as objects of a bucket.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::VALUE;
use super::keys::{Column, next_key};
use super::merge::{Compared, merge_files};
use crate::backup::files::blocking;
use crate::backup::source::settings::S3;
use crate::backup::source::{Listing, Place};
use crate::check::Restored;
use crate::digest::from_hex;
use crate::event::Listener;
use crate::input::secret::SecretText;
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
    let base = open_folder(&folder)?;
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
            let (base, file) = (base.clone(), file.to_owned());
            let looked_up = blocking(move || {
                let sizes = batch
                    .iter()
                    .map(|key| size(&base, &file, &key.hex))
                    .collect::<Result<Vec<_>, _>>()?;
                Ok(batch.into_iter().zip(sizes).collect::<Vec<_>>())
            });
            for (key, bytes) in looked_up.await? {
                compared.add_file(&key, bytes);
            }
        }
    }
    session.close().await;
    // Where it vanished meanwhile, that files are missing says nothing of the backup.
    open_folder(&folder)?;
    Ok(Ok(compared))
}

/// The folder without links, which can be read.
fn open_folder(folder: &Path) -> Result<PathBuf, CouldNotRun> {
    let opened = std::fs::read_dir(folder).and_then(|_| folder.canonicalize());
    opened.map_err(|error| {
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        CouldNotRun::with_hint(
            format!("cannot read the folder {}: {error}", folder.display()),
            "correct `folder` in `to`, which is relative to the scenario file, or mount it",
        )
    })
}

/// Looks each value up in a bucket, whose objects are listed once.
///
/// # Errors
/// When the column or the bucket cannot be read. The inner one: the column is not there.
pub(super) async fn compare_objects(
    restored: &Restored<'_>,
    from: &Column<'_>,
    bucket: &S3,
    file: &str,
) -> Result<Result<Compared, Finding>, CouldNotRun> {
    let silent: Listener = Arc::new(|_| {});
    let place = Place {
        folder: restored.folder,
        // Nothing is fetched.
        spool: Path::new(""),
        run: restored.run,
        environment: restored.environment,
        redactor: restored.redactor,
        listener: &silent,
    };
    let prefix = file.split(VALUE).next().unwrap_or_default();
    let prefix = prefix.rfind('/').map_or("", |at| &prefix[..at]);
    let mut objects = Listing::open(bucket, prefix, &place)?;
    let (mut session, own) = match from.open(restored).await? {
        Ok(opened) => opened,
        Err(missing) => return Ok(Err(missing)),
    };
    let compared = {
        let mut keys = session.rows_out(&from.sql(own, own)).await?;
        merge_files(&mut keys, &mut objects).await?
    };
    session.close().await;
    Ok(Ok(compared))
}

/// The size of the file of a value below `base`, a path without links; `None` where there is none. A value is data of the
/// backup: one that leads out of the folder names no file of it, by itself or by a link.
fn size(base: &Path, file: &str, hex: &[u8]) -> Result<Option<u64>, CouldNotRun> {
    let Some(value) = from_hex(hex).and_then(|bytes| String::from_utf8(bytes).ok()) else {
        return Ok(None);
    };
    let name = file.replace(VALUE, &value);
    let is_below = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    if !Path::new(&name).components().all(is_below) {
        return Ok(None);
    }
    let found = base.join(&name).canonicalize();
    match found.and_then(|path| Ok((path.metadata()?, path))) {
        Ok((data, path)) => {
            let is_file = data.is_file() && path.starts_with(base);
            Ok(is_file.then_some(data.len()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            let reason = format!("cannot look into {}: {error}", base.display());
            Err(CouldNotRun::with_hint(
                reason,
                "run redrill as a user who may read the files",
            ))
        }
        Err(_) => Ok(None),
    }
}

/// What is wrong with the bucket: the key, the fault and a hint.
pub(super) fn find_bucket_errors(bucket: &S3) -> Vec<[&'static str; 3]> {
    let mut errors = Vec::new();
    if bucket.bucket.is_empty() || bucket.bucket.contains('/') {
        errors.push([
            "bucket",
            "`bucket` is the name of a bucket",
            "write `s3 = { bucket = \"uploads\" }`; a folder in it belongs in `file`",
        ]);
    }
    if bucket.key.is_some() || bucket.newest.is_some() || bucket.version.is_some() {
        errors.push([
            "",
            "`s3` here is a bucket, not an object",
            "write the key as `file = \"uploads/{value}\"`",
        ]);
    }
    if bucket.access_key_id.is_some() != bucket.secret_access_key.is_some() {
        errors.push([
            "",
            "`access-key-id` and `secret-access-key` belong together",
            "add the other one, or leave both to the environment",
        ]);
    }
    let secrets = [&bucket.secret_access_key, &bucket.session_token];
    if secrets
        .into_iter()
        .flatten()
        .any(|secret| matches!(secret, SecretText::Plain(_)))
    {
        errors.push([
            "secret-access-key",
            "a secret is never written in a scenario",
            "write `{ env = \"NAME\" }` or `{ file = \"path\" }`",
        ]);
    }
    let is_address = |text: &String| text.starts_with("http://") || text.starts_with("https://");
    if bucket
        .endpoint
        .as_ref()
        .is_some_and(|text| !is_address(text))
    {
        errors.push([
            "endpoint",
            "`endpoint` is an HTTP address",
            "write such as `endpoint = \"https://storage.example:9000\"`",
        ]);
    }
    errors
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
    #[case::a_link_out_of_it("direct", "{value}", false)]
    #[case::a_link("inner", "{value}", true)]
    #[case::below_a_link("inner_folder/b.pdf", "{value}", true)]
    #[case::a_link_to_a_folder("inner_folder", "{value}", false)]
    #[case::a_link_to_nothing("dangling", "{value}", false)]
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
        std::os::unix::fs::symlink("sub/b.pdf", folder.join("inner")).unwrap();
        std::os::unix::fs::symlink("sub", folder.join("inner_folder")).unwrap();
        std::os::unix::fs::symlink("gone.pdf", folder.join("dangling")).unwrap();
        let folder = open_folder(&folder).unwrap();
        let key = hex(value.as_bytes());
        let found = size(&folder, file, key.as_bytes()).unwrap();
        assert_eq!(found, expected.then_some(1));
    }
}
