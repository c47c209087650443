//! Whether a server requires TLS, tried as a program would.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

use super::HOST;
use crate::network::Network;
use crate::outcome::CouldNotRun;

/// Limit for both attempts.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of the first answer that are read: an error of the server is far shorter.
const LONGEST: u32 = 16 * 1024;
/// The error of a connection that no rule of `pg_hba.conf` lets in: `invalid_authorization_specification`.
const REFUSED: &str = "28000";

/// How a server answers the first message of a client.
enum Answer {
    /// The client is in.
    LetIn,
    /// An error, with this SQLSTATE.
    Refused(String),
}

/// Tries both, and returns the version of the protocol.
pub(super) async fn probe(
    network: &Network,
    address: SocketAddr,
    trust: &Arc<ClientConfig>,
    user: &str,
) -> Result<String, CouldNotRun> {
    let tried = async {
        let version = encrypted(network, address, trust, user).await?;
        let plain = network.connect(address).await;
        let plain = plain.map_err(|error| no_answer(&error))?;
        match greet(plain, user)
            .await
            .map_err(|error| no_answer(&error))?
        {
            Answer::Refused(code) if code == REFUSED => Ok(version),
            Answer::Refused(code) => Err(CouldNotRun::new(format!(
                "it is not known whether the server refuses clients without TLS: it answers SQLSTATE {code}"
            ))),
            Answer::LetIn => Err(CouldNotRun::with_hint(
                "the server lets a client without TLS in",
                "code of the backup changed it, or the programs of the server are no PostgreSQL",
            )),
        }
    };
    let tried = tokio::time::timeout(PATIENCE, tried).await;
    tried.unwrap_or_else(|_| {
        Err(CouldNotRun::new(format!(
            "the server did not answer a client by TLS within {PATIENCE:?}"
        )))
    })
}

fn no_answer(error: &io::Error) -> CouldNotRun {
    CouldNotRun::new(format!("the server does not answer on its port: {error}"))
}

/// Connects by TLS; returns the version of the protocol.
async fn encrypted(
    network: &Network,
    address: SocketAddr,
    trust: &Arc<ClientConfig>,
    user: &str,
) -> Result<String, CouldNotRun> {
    let unable = |error: &io::Error| {
        CouldNotRun::with_hint(
            format!("the server cannot be reached by TLS: {error}"),
            format!(
                "a certificate of the scenario must be signed by its `ca` and be valid today, for the name `{HOST}`"
            ),
        )
    };
    let begin = async {
        let mut stream = network.connect(address).await?;
        let mut request = BytesMut::new();
        frontend::ssl_request(&mut request);
        stream.write_all(&request).await?;
        if stream.read_u8().await? != b'S' {
            return Err(io::Error::other("it has no TLS"));
        }
        let name = ServerName::try_from(HOST).map_err(io::Error::other)?;
        TlsConnector::from(Arc::clone(trust))
            .connect(name, stream)
            .await
    };
    let stream = begin.await.map_err(|error| unable(&error))?;
    let version = stream.get_ref().1.protocol_version();
    match greet(stream, user).await.map_err(|error| unable(&error))? {
        Answer::LetIn => {
            let version = version.and_then(|version| version.as_str());
            Ok(version.unwrap_or("TLS").replace('_', "."))
        }
        Answer::Refused(code) => Err(CouldNotRun::new(format!(
            "the server refuses a client by TLS: SQLSTATE {code}"
        ))),
    }
}

/// Says who connects, and reads the first answer: a letter, the length of what follows with its own four bytes, and the
/// fields of an error, each a letter and a text with a NUL at its end.
async fn greet(mut stream: impl AsyncRead + AsyncWrite + Unpin, user: &str) -> io::Result<Answer> {
    let mut message = BytesMut::new();
    frontend::startup_message([("user", user), ("database", "template1")], &mut message)?;
    stream.write_all(&message).await?;
    let kind = stream.read_u8().await?;
    let length = stream.read_u32().await?.clamp(4, LONGEST) - 4;
    let mut content = vec![0; length as usize];
    stream.read_exact(&mut content).await?;
    match (kind, content.as_slice()) {
        (b'R', [0, 0, 0, 0]) => Ok(Answer::LetIn),
        (b'E', fields) => {
            let mut fields = fields.split(|byte| *byte == 0);
            let code = fields.find_map(|field| field.strip_prefix(b"C"));
            let code = String::from_utf8_lossy(code.unwrap_or_default());
            Ok(Answer::Refused(code.chars().take(5).collect()))
        }
        _ => Err(io::Error::other(
            "it gave an answer that no PostgreSQL gives",
        )),
    }
}
