//! One connection of the tool: its startup, and the tasks of its two directions.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc::unbounded_channel;

use super::message::{Incoming, number, parameters};
use super::observer::Shared;
use super::replies::{Link, Replies};
use super::requests::Requests;
use super::text::{is_limit, names_log_level};
use crate::database::{Address, Endpoint, SOCKET};
use crate::server::Side;

/// The longest packet that the server accepts as the first one.
const LONGEST: u32 = 10_000;
/// Codes of the manual, in place of a version.
const SSL: i32 = 80_877_103;
const GSS: i32 = 80_877_104;
const CANCEL: i32 = 80_877_102;
/// The major version of the protocol.
const MAJOR: i32 = 3;

/// Passes on a connection until one side ends it, or the tool is cut off.
pub(super) async fn serve(client: UnixStream, shared: Arc<Shared>) {
    tokio::select! {
        biased;
        () = shared.stop.cut.cancelled() => {}
        // Either side may break off at any time.
        _ = pass(client, &shared) => {}
    }
}

async fn pass(client: UnixStream, shared: &Arc<Shared>) -> io::Result<()> {
    let mut server = connect(&shared.endpoint).await?;
    let (client, mut to_client) = client.into_split();
    let mut client = Incoming::new(client, b"d");
    let (packet, body) = loop {
        let Some(length) = client.bytes(4).await? else {
            return Ok(());
        };
        let size = u32::from_be_bytes([length[0], length[1], length[2], length[3]]);
        if !(8..=LONGEST).contains(&size) {
            // The server says what it is not.
            return unobserved(client, to_client, server, &length).await;
        }
        let Some(body) = client.bytes(size as usize - 4).await? else {
            return Ok(());
        };
        let packet = [&length[..], &body].concat();
        match number(&body) {
            Some(SSL | GSS) => {
                server.write_all(&packet).await?;
                let answer = server.read_u8().await?;
                to_client.write_all(&[answer]).await?;
                if answer != b'N' {
                    shared.record.note("connections that are encrypted");
                    return unobserved(client, to_client, server, &[]).await;
                }
            }
            Some(CANCEL) => return unobserved(client, to_client, server, &packet).await,
            Some(version) if version >> 16 == MAJOR => {
                let replicates = parameter(&body, b"replication");
                if replicates
                    .is_some_and(|value| !matches!(value, b"false" | b"off" | b"no" | b"0"))
                {
                    shared.record.note("replication connections");
                    return unobserved(client, to_client, server, &packet).await;
                }
                break (packet, body);
            }
            _ => return unobserved(client, to_client, server, &packet).await,
        }
    };
    let user = parameter(&body, b"user").unwrap_or_default();
    let database = parameter(&body, b"database").filter(|name| !name.is_empty());
    let [user, database] =
        [user, database.unwrap_or(user)].map(|name| String::from_utf8_lossy(name).into_owned());
    let relations = shared
        .databases
        .relations(&shared.endpoint, &database)
        .await;
    let relations = relations.unwrap_or_else(|error| {
        // The server refuses a connection to a database that does not exist.
        if error.sqlstate.as_deref() != Some("3D000") {
            shared.record.note(&format!("locks in a database: {error}"));
        }
        Arc::default()
    });
    if names_log_level(&body) {
        shared.record.note_log_level();
    }
    let number = shared.record.connect(user.clone(), Arc::clone(&relations));
    server.write_all(&packet).await?;
    let (from_server, to_server) = tokio::io::split(server);
    let link = Arc::new(Link::default());
    let (sender, events) = unbounded_channel();
    let replies = Replies::new(Arc::clone(shared), Arc::clone(&link), sender, to_client);
    let connection = (number, relations);
    let mut requests = Requests::new(Arc::clone(shared), link, connection, to_server, events);
    requests.lock_timeout.first = match limit(&body) {
        Some(limited) => limited,
        // Where that cannot be read, the server does not answer the tool either.
        None => shared
            .reader
            .has_lock_timeout(&user, &database)
            .await
            .unwrap_or_default(),
    };
    let _disconnect = Disconnect { shared, number };
    let (replied, ()) = tokio::join!(replies.run(from_server), requests.run(client));
    replied
}

/// A parameter of a startup message.
fn parameter<'a>(body: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let mut all = parameters(body.get(4..)?);
    all.find(|(name, _)| *name == wanted)
        .map(|(_, value)| value)
}

/// Whether a startup message sets a `lock_timeout` that is a limit; `None` where it sets none.
fn limit(body: &[u8]) -> Option<bool> {
    if let Some(value) = parameter(body, b"lock_timeout") {
        return Some(is_limit(&String::from_utf8_lossy(value)));
    }
    // As in `-c lock_timeout=2s --other=1`.
    let options = String::from_utf8_lossy(parameter(body, b"options")?).into_owned();
    let (_, value) = options.rsplit_once("lock_timeout=")?;
    value.split_whitespace().next().map(is_limit)
}

/// Ends the record of a connection, however it ends.
struct Disconnect<'a> {
    shared: &'a Shared,
    number: usize,
}

impl Drop for Disconnect<'_> {
    fn drop(&mut self) {
        self.shared.record.disconnect(self.number);
    }
}

/// Connects to the server.
async fn connect(endpoint: &Endpoint) -> io::Result<Box<dyn Side>> {
    Ok(match &endpoint.address {
        Address::Socket { sessions, .. } => {
            Box::new(UnixStream::connect(sessions.join(SOCKET)).await?)
        }
        Address::Loopback(port) => {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).await?;
            stream.set_nodelay(true)?;
            Box::new(stream)
        }
    })
}

/// Passes on everything after `first` as it is.
async fn unobserved(
    client: Incoming<OwnedReadHalf>,
    to_client: OwnedWriteHalf,
    mut server: Box<dyn Side>,
    first: &[u8],
) -> io::Result<()> {
    let (read, client) = client.into_parts();
    server.write_all(first).await?;
    server.write_all(&read).await?;
    let mut client = tokio::io::join(client, to_client);
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
