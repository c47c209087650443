//! Properties of functions, as a scenario writes them and as SQL does.

use schemars::JsonSchema;
use serde::Deserialize;

/// What a function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FunctionSort {
    /// An ordinary function.
    Function,
    /// A procedure, for CALL.
    Procedure,
    /// An aggregate.
    Aggregate,
    /// A window function.
    Window,
}

impl FunctionSort {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Procedure => "procedure",
            Self::Aggregate => "aggregate",
            Self::Window => "window function",
        }
    }
}

/// How an answer may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Volatility {
    /// Never.
    Immutable,
    /// From statement to statement.
    Stable,
    /// At any time.
    Volatile,
}

impl Volatility {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Immutable => "IMMUTABLE",
            Self::Stable => "STABLE",
            Self::Volatile => "VOLATILE",
        }
    }
}

/// Whether parallel workers may call a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Parallel {
    /// They may.
    Safe,
    /// Only the leader may.
    Restricted,
    /// No plan with it is parallel.
    Unsafe,
}

impl Parallel {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Safe => "PARALLEL SAFE",
            Self::Restricted => "PARALLEL RESTRICTED",
            Self::Unsafe => "PARALLEL UNSAFE",
        }
    }
}

/// As whom a function runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Security {
    /// As its owner.
    Definer,
    /// As whoever calls it.
    Invoker,
}

impl Security {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Definer => "SECURITY DEFINER",
            Self::Invoker => "SECURITY INVOKER",
        }
    }
}
