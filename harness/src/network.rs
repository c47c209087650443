//! A network of its own for programs of this machine: nothing but a loopback interface. Sockets that are made in it
//! serve this process like any other.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_blocking;

use crate::namespace::{Entrance, Namespaces, Order, SELF, SocketWanted, receive};
use crate::process::{self, Input, Program};

/// How long this program may take to make a network or a socket for itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// A network of its own.
#[derive(Debug, Clone)]
pub struct Network {
    namespaces: Namespaces,
    run: String,
}

impl Network {
    /// Makes a new one, for the run of this id.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn create(entrance: Entrance, run: &str) -> io::Result<Self> {
        let namespaces = match entrance {
            Entrance::Thread => blocking(Namespaces::new_as_root).await?,
            Entrance::Program => made_by_program(run).await?,
        };
        let run = run.to_owned();
        Ok(Self { namespaces, run })
    }

    /// That of a process which redrill started with this entrance.
    ///
    /// # Errors
    /// When the process is not there, or is another user's.
    pub fn of(process: i32, entrance: Entrance, run: &str) -> io::Result<Self> {
        let namespaces = Namespaces::of(process, entrance)?;
        let run = run.to_owned();
        Ok(Self { namespaces, run })
    }

    /// Its namespaces, for [`Place::Network`](process::Place::Network).
    #[must_use]
    pub fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    /// Listens in it.
    ///
    /// # Errors
    /// What the system says.
    pub async fn listen(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let socket = self.socket(SocketWanted::Listen(address)).await?;
        let listener = std::net::TcpListener::from(socket);
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    }

    /// Connects in it.
    ///
    /// # Errors
    /// What the system says.
    pub async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = self.socket(SocketWanted::Connect(address)).await?;
        let stream = std::net::TcpStream::from(socket);
        stream.set_nonblocking(true)?;
        TcpStream::from_std(stream)
    }

    async fn socket(&self, wanted: SocketWanted) -> io::Result<OwnedFd> {
        let Some((user, net)) = self.namespaces.paths() else {
            let namespaces = self.namespaces.clone();
            return blocking(move || namespaces.within(move || wanted.make())).await;
        };
        let (ours, theirs) = UnixStream::pair()?;
        let made = process::run(
            Program {
                path: PathBuf::from(SELF),
                arguments: Order::MakeSocket { user, net, wanted }.arguments()?.into(),
                input: Input::File(File::from(OwnedFd::from(theirs))),
                run: self.run.clone(),
                ..Program::default()
            },
            PATIENCE,
        );
        let made = made.await.map_err(io::Error::other)?;
        if !made.status.success() {
            return Err(io::Error::other(made.stderr.trim().to_owned()));
        }
        receive(&OwnedFd::from(ours))
    }
}

/// A network that this program, started again, made in a user namespace.
async fn made_by_program(run: &str) -> io::Result<Namespaces> {
    let mut maker = process::spawn(Program {
        path: PathBuf::from(SELF),
        arguments: Order::MakeNetwork.arguments()?.into(),
        input: Input::Pipe,
        run: run.to_owned(),
        ..Program::default()
    })
    .map_err(io::Error::other)?;
    // It stays until this pipe is closed.
    let _stay = maker.stdin();
    let mut said = [0; 5];
    let made = async {
        match maker.stdout() {
            Some(mut stdout) => stdout.read_exact(&mut said).await.map(drop),
            None => Ok(()),
        }
    };
    let made = tokio::time::timeout(PATIENCE, made).await;
    if !matches!(made, Ok(Ok(()))) {
        let why = process::keep_end(maker.stderr()).await;
        return Err(io::Error::other(why.trim().to_owned()));
    }
    let id = maker
        .id()
        .ok_or_else(|| io::Error::other("it ended too early"))?;
    Namespaces::of(id, Entrance::Program)
}

async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(act).await.map_err(io::Error::other)?
}
