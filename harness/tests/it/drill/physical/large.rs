//! A table of more than 1 GB, which Postgres keeps in several files.

use super::{CLUSTER, drill};
use crate::support::shared;

/// Without its second file the table ends after the first one, and a server says nothing.
#[test]
#[ignore = "slow: ci/slow.sh"]
fn a_missing_segment_of_a_table_is_not_proven() {
    let made = shared::made_by_postgres(&[CLUSTER, include_str!("large.sh")].concat());
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "schema = 1\nname = \"x\"\n[server.local]\n[backup.base]\npath = {:?}\n[recovery]\ntarget = \"immediate\"\n\
         [[check.row-count]]\ntable = \"public.orders\"\nmin = 1\n",
        made.join("base")
    );
    let drilled = drill(folder.path(), &[], &text);
    assert_eq!(drilled.code, 0, "{}", drilled.said);
    let path = std::fs::read_to_string(made.join("path")).unwrap();
    std::fs::remove_file(made.join("base").join(format!("{}.1", path.trim()))).unwrap();
    let drilled = drill(folder.path(), &[], &text);
    assert_eq!(drilled.code, 10, "{}", drilled.said);
    assert_eq!(drilled.record["verdict"], "NOT PROVEN");
    assert!(drilled.said.contains("public.orders"), "{}", drilled.said);
}
