//! Rows per table, in the backup and in the restored database.

use super::block::Page;
use super::inline::{Inline, code, fixed, strong, words};
use crate::outcome::{DrillResult, TableRows};
use crate::report::view;
use crate::units::show_count;

/// The longest list of tables whose rows differ.
const DIFFERENCES: usize = 200;
/// How many of the largest tables are shown.
const LARGEST: usize = 20;

pub(in crate::report) fn write(page: &mut Page, result: &DrillResult) {
    page.heading(2, fixed("Rows per table"));
    let all = result.restore.as_ref().map_or(&[][..], |r| &r.rows);
    if all.is_empty() {
        return page.paragraph(fixed("Rows were not counted."));
    }
    let rows = view::rows(all, LARGEST);
    page.paragraph(match (rows.compared, rows.differ.len()) {
        (false, _) => fixed("Rows in the backup; the restored database was not counted."),
        (true, 0) => fixed("**No table differs.** ") + LEGEND,
        (true, 1) => fixed("**1 table differs** and comes first. ") + LEGEND,
        (true, differ) => {
            fixed("**") + words(&view::show(differ)) + " tables differ** and come first. " + LEGEND
        }
    });
    let mut lines: Vec<Vec<Inline>> = Vec::new();
    let shown = rows.differ.iter().take(DIFFERENCES);
    lines.extend(shown.map(|table| line(table, "DIFFERS")));
    let others = rows.largest.iter();
    lines.extend(others.map(|table| line(table, view::word(table))));
    lines.push(vec![
        Inline::default(),
        Inline::default(),
        fixed("**all ") + words(&view::show(rows.tables)) + " tables**",
        fixed("**") + words(&show_count(rows.backup)) + "**",
        if rows.compared {
            fixed("**") + words(&show_count(rows.restored)) + "**"
        } else {
            Inline::default()
        },
    ]);
    page.table(
        &["", "database", "table", "in the backup", "restored"],
        lines,
    );
    page.more(rows.differ.len().saturating_sub(DIFFERENCES));
    if rows.rest > 0 {
        page.paragraph(
            words(&view::show(rows.rest))
                + if rows.compared {
                    " smaller tables do not differ; `drill.json` lists all."
                } else {
                    " smaller tables are not shown; `drill.json` lists all."
                },
        );
    }
}

/// What the words of the first column say.
const LEGEND: &str = "**equal**: every row has the values of the backup. **same count**: as many rows as in the backup; their values were not compared.";

fn line(table: &TableRows, word: &'static str) -> Vec<Inline> {
    vec![
        strong(word),
        code(&table.database),
        code(&table.table),
        words(&show_count(table.backup)),
        words(&view::restored_rows(table)),
    ]
}
