//! Names that the restored database does not have: what is meant, or that the backup has no such thing.

use crate::support::{Case, on_plur};

/// A check with a slip of the pen, and the hint.
const SLIPS: [(&str, &str); 10] = [
    (
        "[[check.row-count]]\ntable = 'plur.audit_event'\nmin = 1",
        "did you mean `plur.audit_events`?",
    ),
    (
        "[[check.row-count]]\ntable = 'org_acme.engram'\nmin = 1",
        "did you mean `org_acme.engrams`?",
    ),
    (
        "[[check.row-count]]\ntables = ['plurr.*']\nmin = 1",
        "did you mean `plur.*`?",
    ),
    (
        "[[check.row-count]]\ntable = 'plur.zzzzzzzzzz'\nmin = 1",
        "the backup has no CREATE TABLE for it",
    ),
    (
        "[[check.freshness]]\ntable = 'plur.audit_events'\ncolumn = 'occured_at'\nwithin = '1d'",
        "did you mean `occurred_at`?",
    ),
    (
        "[[check.vector]]\ntable = 'org_acme.engrams'\ncolumn = 'embeding'\ndimensions = 3",
        "did you mean `embedding`?",
    ),
    (
        "[[check.function]]\nfunction = 'plur.nosuch_function_at_all()'",
        "the backup has no CREATE FUNCTION for it",
    ),
    (
        "[[check.constraint]]\ntable = 'plur.orgs'\nconstraints = ['nosuch']",
        "the backup has no ADD CONSTRAINT for it",
    ),
    (
        "[[check.role]]\nrole = 'plur_ap'\nfloor = []",
        "did you mean `plur_app`?",
    ),
    (
        "[[check.role]]\nrole = 'zzzzzzzzzzz'\nfloor = []",
        "pg_dumpall --globals-only",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_says_what_is_meant() {
    on_plur(async |plur| {
        for (check, hint) in SLIPS {
            let case = Case {
                name: "a name that is not there",
                change: "",
                undo: "",
                check,
            };
            let observation = plur.run(case).await.unwrap();
            let hints = observation
                .all_findings()
                .filter_map(|one| one.hint.as_deref());
            let hints: Vec<&str> = hints.collect();
            assert!(
                hints.iter().any(|one| one.contains(hint)),
                "no `{hint}` in {hints:?} of {check}"
            );
        }
    })
    .await;
}
