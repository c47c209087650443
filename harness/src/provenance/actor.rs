//! Who ran a drill, outside of a CI system that says so.

use nix::unistd::{User, geteuid};

use crate::input::Environment;
use crate::outcome::Actor;

/// Who became root by `sudo`.
const SUDO: &str = "SUDO_USER";

/// The user of this process; of root, the user who became root by `sudo`, where there is one.
pub(super) fn of_process(environment: &Environment) -> Actor {
    let own = geteuid();
    let before = environment.get(SUDO).filter(|name| !name.is_empty());
    if let (true, Some(name)) = (own.is_root(), before) {
        return Actor {
            name: name.clone(),
            variable: Some(SUDO.into()),
        };
    }
    let user = User::from_uid(own).ok().flatten();
    Actor {
        // A container may run as a user without a name.
        name: user.map_or_else(|| format!("uid {own}"), |user| user.name),
        variable: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_whoever_became_it() {
        let environment = Environment::from([(SUDO.to_owned(), "alice".to_owned())]);
        let actor = of_process(&environment);
        let alice = Actor {
            name: "alice".to_owned(),
            variable: Some(SUDO.into()),
        };
        assert_eq!(actor == alice, geteuid().is_root());
        assert_eq!(of_process(&Environment::new()).variable, None);
    }
}
