//! As whom checks ran, and what they tried.

/// The roles that a check worked as.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckConduct {
    /// Id of the check.
    pub check: String,
    /// Each role, in the order of its first session or program.
    pub roles: Vec<RoleConduct>,
}

/// What a check did as one role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleConduct {
    /// Name of the role.
    pub role: String,
    /// Whether it is the superuser that redrill reads catalogs as.
    pub superuser: bool,
    /// Number of statements that its sessions sent, without those that open, limit and reset a session. What a program sends
    /// is not known.
    pub statements: u64,
    /// Statements without their values, and programs; of the superuser only attempts and statements of the scenario.
    pub tried: Vec<Tried>,
    /// Number of further statements, each other than those.
    pub unlisted: u64,
}

/// A statement or program that a check tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tried {
    /// The statement, with `…` in place of each number and text; or a program: `program bin/balance --strict`.
    pub what: String,
    /// Whether it was rolled back, whatever its result.
    pub rolled_back: bool,
    /// Number of times.
    pub times: u64,
    /// How many of them the server refused.
    pub refused: u64,
}
