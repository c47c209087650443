//! `[server] tls`: programs connect to the server by TLS only.
//!
//! The server listens in its own network, redrill in another one that the programs run in, and passes their connections
//! on: code of the backup cannot reach a program, or answer in its place, and nothing else of this machine the server.

mod certificate;
mod probe;

use std::fs::DirBuilder;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;
use tokio::net::UnixListener;

pub(super) use self::certificate::{Certificate, KEY};
use super::relay::{Entry, Exit, Relay};
use crate::database::ProgramsTls;
use crate::namespace::Namespaces;
use crate::network::Network;
use crate::outcome::CouldNotRun;

/// The port that the server listens on in its network, and redrill in that of programs.
pub(super) const PORT: u16 = 5432;
/// The name that programs connect to.
const HOST: &str = "localhost";

/// Settings of a server whose files are in `folder`, and whose key is `key`.
pub(super) fn settings(folder: &Path, key: &Path) -> Vec<(&'static str, String)> {
    let file = |name: &str| folder.join(name).display().to_string();
    vec![
        ("listen_addresses", Ipv4Addr::LOCALHOST.to_string()),
        ("ssl", "on".to_owned()),
        ("ssl_cert_file", file(certificate::CHAIN)),
        ("ssl_key_file", key.display().to_string()),
        ("hba_file", file(certificate::HBA)),
    ]
}

/// The way of programs to a server by TLS.
pub struct Tls {
    /// The network of programs.
    network: Network,
    ca: PathBuf,
    /// For sockets that lead to programs. No server sees it: a socket may be connected to wherever it is seen.
    folder: PathBuf,
    trust: Arc<ClientConfig>,
    superuser: String,
    _relays: Vec<Relay>,
}

/// A program in a network of its own, as this process reaches it.
pub struct Reached {
    /// A socket whose connections are passed on to its port.
    pub socket: PathBuf,
    network: Network,
    address: SocketAddr,
    _relay: Relay,
}

impl Reached {
    /// Connects to the program itself, and closes the connection.
    ///
    /// # Errors
    /// When it does not listen.
    pub async fn connect(&self) -> io::Result<()> {
        self.network.connect(self.address).await.map(drop)
    }
}

impl Tls {
    /// Makes the network of programs and the way from there to the server, which listens in `server`.
    ///
    /// # Errors
    /// When the kernel refuses, or the server does not require TLS.
    pub(super) async fn open(
        certificate: &Certificate,
        (server, programs): (Network, Network),
        folder: PathBuf,
        superuser: &str,
    ) -> Result<Self, CouldNotRun> {
        DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .map_err(|error| {
                CouldNotRun::new(format!("cannot create {}: {error}", folder.display()))
            })?;
        let exit = Exit::Port(server, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
        let unable =
            |error: io::Error| CouldNotRun::new(format!("no network for programs: {error}"));
        let mut relays = Vec::new();
        for (address, is_needed) in [
            (IpAddr::from(Ipv4Addr::LOCALHOST), true),
            // A system without IPv6 resolves the name to the other one.
            (IpAddr::from(Ipv6Addr::LOCALHOST), false),
        ] {
            match programs.listen(SocketAddr::from((address, PORT))).await {
                Ok(listener) => relays.push(Relay::start(Entry::Port(listener), exit.clone())),
                Err(error) if is_needed => return Err(unable(error)),
                Err(_) => {}
            }
        }
        Ok(Self {
            network: programs,
            ca: certificate.ca(),
            folder,
            trust: certificate.trust()?,
            superuser: superuser.to_owned(),
            _relays: relays,
        })
    }

    /// What programs are given.
    pub(super) fn for_programs(&self) -> ProgramsTls {
        ProgramsTls {
            host: HOST,
            port: PORT,
            ca: self.ca.clone(),
        }
    }

    /// Where programs run.
    #[must_use]
    pub fn namespaces(&self) -> &Namespaces {
        self.network.namespaces()
    }

    /// Free ports in the network of programs.
    ///
    /// # Errors
    /// When there are none.
    pub async fn free_ports(&self, count: usize) -> io::Result<Vec<u16>> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        // All are held until the last one is chosen, so no two are the same.
        let mut listeners = Vec::new();
        for _ in 0..count {
            listeners.push(self.network.listen(any).await?);
        }
        listeners
            .iter()
            .map(|listener| Ok(listener.local_addr()?.port()))
            .collect()
    }

    /// A way for this process to a program that listens on this port.
    ///
    /// # Errors
    /// When its socket cannot be made.
    pub fn reach(&self, port: u16) -> io::Result<Reached> {
        let socket = self.folder.join(format!("program-{port}"));
        let listener = UnixListener::bind(&socket)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let exit = Exit::Port(self.network.clone(), address);
        Ok(Reached {
            socket,
            network: self.network.clone(),
            address,
            _relay: Relay::start(Entry::Socket(listener), exit),
        })
    }

    /// Connects as a program would: with TLS, which must be accepted, and without, which must be refused. Returns the
    /// version of the protocol.
    ///
    /// # Errors
    /// What is not so.
    pub async fn probe(&self) -> Result<String, CouldNotRun> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
        probe::probe(&self.network, address, &self.trust, &self.superuser).await
    }
}

impl Drop for Reached {
    fn drop(&mut self) {
        // The folder of the run is removed in any case.
        let _ = std::fs::remove_file(&self.socket);
    }
}
