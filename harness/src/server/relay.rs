//! Connections that are passed on: of programs to the server, of redrill to a program in a network of its own.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::task::JoinHandle;

use crate::network::Network;

/// Where connections come in.
pub(super) enum Entry {
    Socket(UnixListener),
    Port(TcpListener),
}

/// Where they are passed on to.
#[derive(Clone)]
pub(super) enum Exit {
    Socket(PathBuf),
    Port(Network, SocketAddr),
}

/// Passes connections on until it is dropped. Those that are open then stay, until one side ends.
pub struct Relay(JoinHandle<()>);

/// One side of a connection.
pub(crate) trait Side: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Side for T {}

impl Relay {
    pub(super) fn start(entry: Entry, exit: Exit) -> Self {
        Self(tokio::spawn(async move {
            loop {
                let Ok(side) = entry.accept().await else {
                    // Too many open files: they become fewer.
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                    continue;
                };
                let exit = exit.clone();
                tokio::spawn(async move { connect(side, &exit).await });
            }
        }))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Entry {
    async fn accept(&self) -> io::Result<Box<dyn Side>> {
        Ok(match self {
            Self::Socket(listener) => Box::new(listener.accept().await?.0),
            Self::Port(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

impl Exit {
    async fn connect(&self) -> io::Result<Box<dyn Side>> {
        Ok(match self {
            Self::Socket(path) => Box::new(UnixStream::connect(path).await?),
            Self::Port(network, address) => Box::new(network.connect(*address).await?),
        })
    }
}

/// Copies between both sides until both have closed, or one broke off.
async fn connect(mut side: Box<dyn Side>, exit: &Exit) -> io::Result<()> {
    /// Large enough that copying costs little.
    const BUFFER: usize = 64 * 1024;
    let mut other = exit.connect().await?;
    tokio::io::copy_bidirectional_with_sizes(&mut side, &mut other, BUFFER, BUFFER).await?;
    Ok(())
}
