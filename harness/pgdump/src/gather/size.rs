//! The bound on what is kept of a dump.

use std::io;

use super::Gather;
use crate::digest::show_count;

/// Maximum number of names that are kept: of objects, tables, roles and what belongs to them. Each needs some
/// 500 bytes; a gzip file of a few megabytes may contain millions.
pub const NAMES: usize = 4_000_000;

impl Gather {
    /// Checks that what is kept fits in memory.
    ///
    /// # Errors
    /// [`OutOfMemory`](io::ErrorKind::OutOfMemory) when there are more than `NAMES` names.
    pub fn check_size(&self) -> io::Result<()> {
        self.check_number(NAMES)
    }

    fn check_number(&self, most: usize) -> io::Result<()> {
        let contents = &self.contents;
        let kept = [
            contents.rows.len(),
            contents.tables.len(),
            contents.sequences.len(),
            contents.refreshed.len(),
            contents.large_object_values.len(),
            contents.policies.len(),
            contents.roles.len(),
            contents.roles_named.len(),
            contents.owners.len(),
            contents.schemas.len(),
            contents.extensions.len(),
            contents.graphs.len(),
            contents.creates.len(),
            contents.connects.len(),
            contents.settings.len(),
            contents.access_methods.len(),
            self.entries.len(),
            self.objects.len(),
        ];
        if kept.iter().sum::<usize>() > most {
            return Err(io::Error::new(
                io::ErrorKind::OutOfMemory,
                format!(
                    "it contains more than {} names of objects",
                    show_count(most as u64)
                ),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::ReadStatement;
    use super::*;
    use crate::encoding::Encoding;
    use crate::fault::Place;
    use crate::script::statement::Words;

    #[test]
    fn more_names_than_memory_holds_are_an_error() {
        let mut gather = Gather::default();
        for table in 0..10 {
            let sql = format!("CREATE TABLE app.t{table} (a integer);");
            let words = Words::of(sql.as_bytes());
            gather.entries.statement(1, &words, &sql);
            gather.statement(ReadStatement {
                place: Place::Line(1),
                words: &words,
                text: sql.as_bytes(),
                bytes: sql.len() as u64,
                value_groups: 0,
                on_conflict: false,
                encoding: Encoding::default(),
            });
        }
        assert!(gather.check_number(21).is_ok());
        let error = gather.check_number(20).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
        assert!(error.to_string().contains("more than 20 names"), "{error}");
    }
}
