//! The wire shape of the throwaway servers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A further server of the drill.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct OtherServer {
    /// Its name in the scenario.
    pub(super) name: String,
    /// The server.
    pub(super) server: Server,
}

/// The throwaway server.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Server {
    /// `container` or `local`.
    pub(super) provider: String,
    /// Image name and id, or the folder of the programs.
    pub(super) origin: String,
    /// Version of the server.
    pub(super) version: String,
    /// Id of the image, or SHA-256 of the program `postgres`; null where it could not be read.
    #[serde(default)]
    pub(super) digest: Option<String>,
    /// The settings that redrill and the scenario start it with, as the server shows them.
    #[serde(default)]
    pub(super) settings: Vec<Setting>,
    /// The extensions that the backup requires, in the versions of this server.
    pub(super) extensions: Vec<Extension>,
    /// How code from the backup is isolated from the machine.
    pub(super) isolation: Vec<String>,
    /// Limitations of the isolation.
    pub(super) weaknesses: Vec<String>,
    /// The version of TLS by which programs connect, where the server was seen to refuse those without; null where
    /// they connect by a socket or a port.
    pub(super) tls: Option<String>,
    /// Why this provider was selected.
    pub(super) chosen: String,
    /// Time from the start to the first answer.
    pub(super) started_in_s: f64,
    /// Whether its settings make a restore faster than in production.
    pub(super) tuned: bool,
}

/// A setting of the server.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Setting {
    /// Its name.
    pub(super) name: String,
    /// Its value.
    pub(super) value: String,
}

/// An extension of the server.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Extension {
    /// Its name.
    pub(super) name: String,
    /// Its version.
    pub(super) version: String,
    /// Of a local server: the sum, modulo 2^256 and little-endian, of the SHA-256 of the lines `SHA-256  BYTES  NAME` of its control files, scripts and
    /// libraries. Null for a container, whose image has a digest, and where a file could not be read.
    #[serde(default)]
    pub(super) sha256: Option<String>,
}
