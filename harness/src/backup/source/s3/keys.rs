//! The keys of the storage: those of the scenario, or of the environment.

use super::super::found::Place;
use super::super::settings::S3;
use crate::input::secret::SecretText;
use crate::outcome::CouldNotRun;

/// Credentials that sign requests.
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) token: Option<String>,
}

impl Keys {
    /// Reads the credentials of the scenario, otherwise those of the environment; never mixes them.
    pub(super) fn of(settings: &S3, place: &Place<'_>) -> Result<Self, CouldNotRun> {
        let variable = |name: &str| SecretText::Env(name.to_owned());
        let (id, secret, token) = match (&settings.access_key_id, &settings.secret_access_key) {
            (Some(id), Some(secret)) => {
                (id.clone(), secret.clone(), settings.session_token.clone())
            }
            _ => {
                let token = place.environment.get("AWS_SESSION_TOKEN");
                let token = token.filter(|token| !token.is_empty());
                (
                    variable("AWS_ACCESS_KEY_ID"),
                    variable("AWS_SECRET_ACCESS_KEY"),
                    token.map(|_| variable("AWS_SESSION_TOKEN")),
                )
            }
        };
        let resolve = |text: &SecretText| {
            let secret = text
                .resolve(place.folder, place.environment, place.redactor)
                .map_err(|why| CouldNotRun::with_hint(
                    format!("no key for the storage: {why}"),
                    "set it, or set `access-key-id` and `secret-access-key` next to `bucket`; profiles and roles of the machine are not used, `aws configure export-credentials --format env` prints them as variables",
                ))?;
            Ok::<_, CouldNotRun>(secret.expose().trim().to_owned())
        };
        Ok(Self {
            id: resolve(&id)?,
            secret: resolve(&secret)?,
            token: token.as_ref().map(resolve).transpose()?,
        })
    }
}
