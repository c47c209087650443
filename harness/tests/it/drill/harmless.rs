//! Files that say the same in another way raise no alarm.

use redrill::backup::inspect::{Inspection, inspect};
use redrill::backup::source;
use redrill::backup::source::Rules;
use redrill::backup::spool::Spool;

use super::GOOD;
use super::broken::check::CHECKS;
use super::broken::harmless::CHANGES;
use super::builder::{none, redrill};

#[test]
fn what_says_the_same_raises_no_alarm() {
    let folder = tempfile::tempdir().unwrap();
    let look = |bytes: &[u8]| {
        let path = folder.path().join("backup");
        std::fs::write(&path, bytes).unwrap();
        let spool = Spool::in_folder(folder.path().join("spool"));
        let found = source::path::find(&path, &Rules::default()).unwrap();
        inspect(&found, &Inspection::quiet(spool)).unwrap()
    };
    let rows = |backup: &redrill::backup::Backup| -> Vec<_> {
        let contents = backup.contents();
        let rows = contents.rows.iter();
        rows.map(|(table, rows)| (table.clone(), rows.count))
            .collect()
    };
    let good = rows(&look(&GOOD.gzip));
    let mut wrong = Vec::new();
    for change in CHANGES {
        let bytes = (change.file)(&GOOD);
        let backup = look(&bytes);
        let named = format!("{} {}", change.id, change.what);
        let warned = backup
            .warnings
            .iter()
            .any(|warning| !change.warns.is_empty() && warning.actual.contains(change.warns));
        if !backup.problems.is_empty() || rows(&backup) != good {
            wrong.push(format!("{named}: {:?}", backup.problems));
        } else if warned == change.warns.is_empty() || backup.warnings.len() > 1 {
            wrong.push(format!("{named}: warnings {:?}", backup.warnings));
        }
        if change.drilled
            && let Err(why) = redrill()
                .scenario(&super::check::scenario(CHECKS))
                .backup(bytes, "harmless")
                .run()
                .is_proven()
        {
            wrong.push(format!("{named}: {why}"));
        }
    }
    none(wrong);
}
