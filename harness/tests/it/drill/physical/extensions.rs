//! Graphs of Apache AGE and vectors on a recovered server.

use super::{CLUSTER, drill};
use crate::support::shared;

const CHECKS: &str = r#"
[[check.graph]]
graph = "people"
vertices = { User = 20 }
edges = { KNOWS = 1 }
patterns = [{ pattern = "(a:User {name: 'user 1'})-[:KNOWS]->(b:User)", rows = 1 }]

[[check.vector]]
table = "public.documents"
column = "embedding"
dimensions = 8
zero = "none"
recall = { min = "90%" }

[[check.row-count]]
table = "public.documents"
exact = 600
"#;

#[test]
fn graphs_and_vectors_are_checked_at_the_target() {
    let made = shared::made_in_image(17, &[CLUSTER, include_str!("extensions.sh")].concat());
    let folder = tempfile::tempdir().unwrap();
    let recovered_to = |target: &str| {
        let text = format!(
            "schema = 1\nname = \"x\"\n[server.container]\n[backup.base]\npath = {:?}\n[backup.wal]\npath = {:?}\n[recovery]\n{target}\n{CHECKS}",
            made.join("base"),
            made.join("wal")
        );
        let drilled = drill(folder.path(), &[], &text);
        let checks = drilled.record["checks"].as_array().unwrap();
        let outcomes = checks
            .iter()
            .map(|one| one["outcome"].as_str().unwrap().to_owned());
        (outcomes.collect::<Vec<_>>(), drilled)
    };
    let (outcomes, good) = recovered_to("name = \"good\"");
    assert_eq!(good.code, 0, "{}", good.said);
    assert_eq!(good.record["verdict"], "PROVEN");
    assert_eq!(outcomes, ["pass", "pass", "pass"]);
    let (outcomes, bad) = recovered_to("target = \"latest\"");
    assert_eq!(bad.code, 10, "{}", bad.said);
    assert_eq!(outcomes, ["fail", "fail", "pass"], "{}", bad.said);
}
