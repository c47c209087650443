//! What is wrong with a physical backup.

/// One fault, free of row values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{object}: {found}")]
pub struct Fault {
    /// The file or segment that it is about: `base/5/1259`, `000000010000000000000007`.
    pub object: String,
    /// The expected state.
    pub expected: String,
    /// The actual state.
    pub found: String,
}

impl Fault {
    /// A fault of a file.
    pub fn new(
        object: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self {
            object: object.into(),
            expected: expected.into(),
            found: found.into(),
        }
    }
}
