//! A checkpoint: the size and the root of the log at one time, as text in the form of C2SP `tlog-checkpoint`.
//!
//! Origin, size and root in base64 have a line each. A further line, which the form leaves to each log, has the roots of the
//! complete subtrees, so that the next entry can be added without reading the earlier ones.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::merkle::{Hash, Tree};

/// The word that the line of the subtrees begins with.
const PEAKS: &str = "peaks";

/// The state of a log at one time, as somebody may have kept it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log: `redrill/` and 32 hexadecimal digits.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Root of the tree.
    pub root: Hash,
}

impl Checkpoint {
    /// The state of a tree.
    #[must_use]
    pub fn of(origin: &str, tree: &Tree) -> Self {
        Self {
            origin: origin.to_owned(),
            size: tree.size(),
            root: tree.root(),
        }
    }

    /// One line that can be kept elsewhere: origin, size and root.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "{} {} {}",
            self.origin,
            self.size,
            BASE64_STANDARD.encode(self.root)
        )
    }

    /// Reads the file of a checkpoint, or one line of a report. What follows the root is not read.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        Some(Self {
            origin: words.next()?.to_owned(),
            size: words.next()?.parse().ok()?,
            root: hash(words.next()?)?,
        })
    }
}

/// The file of a checkpoint.
#[must_use]
pub fn write(origin: &str, tree: &Tree) -> String {
    let root = BASE64_STANDARD.encode(tree.root());
    let peaks = tree
        .peaks()
        .iter()
        .map(|peak| format!(" {}", BASE64_STANDARD.encode(peak)));
    let peaks: String = peaks.collect();
    format!("{origin}\n{}\n{root}\n{PEAKS}{peaks}\n", tree.size())
}

/// Reads the file of a checkpoint with its tree. `None` where it has another form, or where the root is not that of the subtrees.
#[must_use]
pub fn read(text: &str) -> Option<(Checkpoint, Tree)> {
    let checkpoint = Checkpoint::parse(text)?;
    let peaks = text.lines().nth(3)?.strip_prefix(PEAKS)?;
    let peaks: Option<Vec<Hash>> = peaks.split_ascii_whitespace().map(hash).collect();
    let tree = Tree::of_peaks(checkpoint.size, peaks?)?;
    // One form only: the signature is over the text.
    (write(&checkpoint.origin, &tree) == text).then_some((checkpoint, tree))
}

fn hash(text: &str) -> Option<Hash> {
    BASE64_STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ledger::merkle::leaf;

    fn tree(size: u64) -> Tree {
        let mut tree = Tree::default();
        (0..size).for_each(|index| tree.push(leaf(&index.to_be_bytes())));
        tree
    }

    #[test]
    fn a_checkpoint_is_text() {
        assert_eq!(
            write("redrill/ab", &tree(2)),
            "redrill/ab\n2\np9kYlLYfv0Y3jYjj4bH3rvOVMsUEtIS9MVUdFeCgnf8=\n\
             peaks p9kYlLYfv0Y3jYjj4bH3rvOVMsUEtIS9MVUdFeCgnf8=\n"
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(size in 0_u64..200) {
            let tree = tree(size);
            let text = write("redrill/ab", &tree);
            let (checkpoint, read) = read(&text).unwrap();
            prop_assert_eq!(&read, &tree);
            prop_assert_eq!(Checkpoint::parse(&checkpoint.line()).unwrap(), Checkpoint::of("redrill/ab", &tree));
        }

        /// No byte can be changed without notice, except in the origin and the size: those the state names, and the entries are.
        #[test]
        fn what_was_changed_is_not_read(size in 1_u64..40, at in 11_usize..90, to in b' '..b'~') {
            let text = write("redrill/ab", &tree(size));
            let mut bytes = text.clone().into_bytes();
            let at = at % bytes.len().max(12);
            prop_assume!(at >= 11 && bytes[at] != to);
            bytes[at] = to;
            let read = read(&String::from_utf8(bytes).unwrap());
            prop_assert!(read.is_none_or(|(checkpoint, _)| checkpoint.size != size));
        }
    }
}
