//! Rehearsals on real servers.

mod observe;
