//! Two ordered lists of values side by side. Memory is that of one value of each, whatever their number.

use std::cmp::Ordering;

use super::keys::{Key, next_key};
use crate::backup::source::Listing;
use crate::database::RowsOut;
use crate::digest::from_hex;
use crate::outcome::CouldNotRun;

/// How many values there are, and how many of them exist nowhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Compared {
    /// Different values.
    pub keys: u64,
    /// Rows with a value.
    pub rows: u64,
    /// Values that do not exist on the other side.
    pub orphans: u64,
    /// Rows with such a value.
    pub orphan_rows: u64,
    /// Values whose file is empty although nothing says that it is.
    pub empty: u64,
    /// Values whose file has another size than their rows state.
    pub other_size: u64,
    /// Different values of the other side, where that is known.
    pub targets: Option<u64>,
}

impl Compared {
    /// Counts a value.
    pub(super) fn add(&mut self, key: &Key, exists: bool) {
        self.keys += 1;
        self.rows += key.rows;
        if !exists {
            self.orphans += 1;
            self.orphan_rows += key.rows;
        }
    }

    /// Counts a value by the size of its file; `None` where there is no file.
    pub(super) fn add_file(&mut self, key: &Key, bytes: Option<u64>) {
        self.add(key, bytes.is_some());
        let Some(bytes) = bytes else { return };
        match key.sizes {
            Some((least, greatest)) => {
                let is = |size: i64| u64::try_from(size) == Ok(bytes);
                self.other_size += u64::from(!is(least) || !is(greatest));
            }
            None => self.empty += u64::from(bytes == 0),
        }
    }
}

/// Compares the values of two queries, both in the order of their bytes.
///
/// # Errors
/// When a server cannot go on, or does not keep the order.
pub(super) async fn merge(
    keys: &mut RowsOut<'_>,
    targets: &mut RowsOut<'_>,
) -> Result<Compared, CouldNotRun> {
    let mut compared = Compared::default();
    let (mut ordered, mut ordered_targets) = (InOrder::default(), InOrder::default());
    let mut count = 0;
    let mut target = ordered_targets.next(targets, &mut count).await?;
    let mut all = 0;
    while let Some(key) = ordered.next(keys, &mut all).await? {
        while target
            .as_ref()
            .is_some_and(|target| target.hex.cmp(&key.hex) == Ordering::Less)
        {
            target = ordered_targets.next(targets, &mut count).await?;
        }
        let exists = target.as_ref().is_some_and(|target| target.hex == key.hex);
        compared.add(&key, exists);
    }
    // The rest is read too, because an error in it would be an error of the backup.
    while target.is_some() {
        target = ordered_targets.next(targets, &mut count).await?;
    }
    compared.targets = Some(count);
    Ok(compared)
}

/// Looks values up in a listing of files in the order of the bytes of their names.
///
/// # Errors
/// When the server or the listing cannot go on, or does not keep the order.
pub(super) async fn merge_files(
    keys: &mut RowsOut<'_>,
    files: &mut Listing,
) -> Result<Compared, CouldNotRun> {
    let mut compared = Compared::default();
    let mut ordered = InOrder::default();
    let mut all = 0;
    let mut count = 0;
    let mut file = files.next().await?;
    while let Some(key) = ordered.next(keys, &mut all).await? {
        let name = from_hex(&key.hex).unwrap_or_default();
        while let Some(before) = file.take_if(|file| file.key.as_bytes() < name.as_slice()) {
            drop(before);
            count += 1;
            file = files.next().await?;
        }
        let same = file
            .as_ref()
            .filter(|file| file.key.as_bytes() == name.as_slice());
        compared.add_file(&key, same.map(|file| file.bytes));
    }
    // What is behind the last value does not matter, except that there is something.
    compared.targets = Some(count + u64::from(file.is_some()));
    Ok(compared)
}

/// Requires that each value is greater than the one before: functions of the backup may answer in any order.
#[derive(Default)]
struct InOrder {
    last: Option<Vec<u8>>,
}

impl InOrder {
    async fn next(
        &mut self,
        rows: &mut RowsOut<'_>,
        count: &mut u64,
    ) -> Result<Option<Key>, CouldNotRun> {
        let Some(key) = next_key(rows).await? else {
            return Ok(None);
        };
        if self.last.as_ref().is_some_and(|last| *last >= key.hex) {
            return Err(CouldNotRun::new(
                "the server does not send the values in order, so they cannot be compared",
            ));
        }
        self.last = Some(key.hex.clone());
        *count += 1;
        Ok(Some(key))
    }
}
