//! Starts and ends an observation: a socket for the tool, a task for each connection, and one that samples locks.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::connection::serve;
use super::locks::{Databases, Lock, Reader};
use super::record::Record;
use super::{Control, CutOff, Meeting, Observed, StopAt, When};
use crate::database::{Address, Endpoint, SOCKET};
use crate::outcome::CouldNotRun;
use crate::redact::Secret;
use crate::server::ThrowawayServer;

/// Time between two samples of the locks of statements that run.
const SAMPLE: Duration = Duration::from_millis(50);
/// How long the connections of a tool that has ended may take to end.
const END_WITHIN: Duration = Duration::from_secs(10);

/// Observes what a tool does with a server, until it is finished or dropped.
pub struct Observer {
    endpoint: Endpoint,
    shared: Arc<Shared>,
    /// Ends the listener, and lets connections end.
    finish: CancellationToken,
    listener: JoinHandle<()>,
    sampler: JoinHandle<()>,
    /// Breaks off whatever is left.
    _cut: DropGuard,
}

/// What all connections share.
pub(super) struct Shared {
    /// The server.
    pub(super) endpoint: Endpoint,
    pub(super) record: Record,
    pub(super) reader: Reader,
    pub(super) databases: Databases,
    /// The message of a mark, which no code of the database can know.
    pub(super) nonce: String,
    pub(super) stop: Stop,
    pub(super) meeting: Option<Meeting>,
}

/// Where the run is stopped.
pub(super) struct Stop {
    at: Option<StopAt>,
    /// Nothing passes any more in either direction.
    pub(super) muted: CancellationToken,
    /// All connections are closed.
    pub(super) cut: CancellationToken,
    /// Where it was cut off.
    place: OnceLock<CutOff>,
}

impl Stop {
    pub(super) const fn is_set(&self) -> bool {
        self.at.is_some()
    }

    /// Where at this statement.
    fn at(&self, statement: usize) -> Option<&When> {
        let at = self.at.as_ref().filter(|at| at.statement == statement);
        at.map(|at| &at.when)
    }

    pub(super) fn is_before(&self, statement: usize) -> bool {
        self.at(statement) == Some(&When::Before)
    }

    /// Whether it is stopped there at the latest.
    pub(super) fn is_after(&self, statement: usize) -> bool {
        matches!(self.at(statement), Some(When::After | When::During(_)))
    }

    /// The tables that are used meanwhile, where it is stopped within this statement.
    pub(super) fn is_during(&self, statement: usize) -> Option<&[String]> {
        match self.at(statement)? {
            When::During(tables) => Some(tables),
            When::Before | When::After => None,
        }
    }
}

impl Shared {
    /// Ends all connections as if the tool had been killed, and the processes of the server, so that nothing of a string
    /// runs after its statement.
    pub(super) async fn cut(&self, place: CutOff) {
        if self.stop.place.set(place).is_err() {
            return;
        }
        self.stop.muted.cancel();
        if let Err(error) = self.reader.terminate(&self.record.pids()).await {
            self.record.note(&format!("the end of the run: {error}"));
        }
        self.stop.cut.cancel();
    }
}

impl Observer {
    /// Listens on a socket in `folder`, which must be short, whose connections go to the server; `control` breaks them all off at
    /// a statement, or lets them wait there.
    ///
    /// # Errors
    /// When the socket cannot be made, the server requires TLS or refuses a session.
    pub async fn start(
        server: &ThrowawayServer,
        folder: &Path,
        control: Option<Control>,
    ) -> Result<Self, CouldNotRun> {
        let endpoint = server.endpoint().clone();
        if endpoint.tls.is_some() {
            return Err(CouldNotRun::new(
                "connections that require TLS cannot be observed",
            ));
        }
        let reader = Reader::open(endpoint.clone()).await?;
        let socket = folder.join(SOCKET);
        let unable = |error: std::io::Error| {
            CouldNotRun::with_hint(
                format!("cannot listen on {}: {error}", socket.display()),
                "set `--work-dir` to a shorter folder, such as /tmp",
            )
        };
        let listener = UnixListener::bind(&socket).map_err(unable)?;
        // The tool may run as another user; who may enter the folder is the caller's decision.
        std::fs::set_permissions(&socket, Permissions::from_mode(0o777)).map_err(unable)?;
        let cut = CancellationToken::new();
        let (at, meeting) = match control {
            Some(Control::Stop(at)) => (Some(at), None),
            Some(Control::Meet(meeting)) => (None, Some(meeting)),
            None => (None, None),
        };
        let shared = Arc::new(Shared {
            endpoint: endpoint.clone(),
            record: Record::new(),
            reader,
            databases: Databases::default(),
            nonce: Secret::random()?.expose().to_owned(),
            stop: Stop {
                at,
                muted: CancellationToken::new(),
                cut: cut.clone(),
                place: OnceLock::new(),
            },
            meeting,
        });
        let finish = CancellationToken::new();
        Ok(Self {
            endpoint: Endpoint {
                address: Address::Socket {
                    sessions: folder.to_owned(),
                    programs: folder.to_owned(),
                },
                ..endpoint
            },
            listener: tokio::spawn(listen(listener, Arc::clone(&shared), finish.clone())),
            sampler: tokio::spawn(sample(Arc::clone(&shared))),
            shared,
            finish,
            _cut: cut.drop_guard(),
        })
    }

    /// How programs connect.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Where the run was cut off at its statement; `None` where it was not.
    #[must_use]
    pub fn cut_off(&self) -> Option<CutOff> {
        let stop = &self.shared.stop;
        let place = stop.place.get().filter(|_| stop.cut.is_cancelled());
        place.copied()
    }

    /// Ends the observation of a tool that has ended: waits until the server has ended its connections, for some seconds.
    pub async fn finish(self) -> Observed {
        self.finish.cancel();
        if let Some(meeting) = &self.shared.meeting {
            meeting.end();
        }
        // A task that panicked has nothing to add.
        let _ = self.listener.await;
        self.sampler.abort();
        let _ = self.sampler.await;
        self.shared.record.take()
    }
}

/// Accepts connections until the observation ends.
async fn listen(listener: UnixListener, shared: Arc<Shared>, finish: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = finish.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            // Dropped: the tool was cut off.
            Ok(_) if shared.stop.muted.is_cancelled() => {}
            Ok((client, _)) => drop(connections.spawn(serve(client, Arc::clone(&shared)))),
            // Too many open files: they become fewer.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
        while connections.try_join_next().is_some() {}
    }
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(END_WITHIN, all).await.is_err() {
        shared.record.note_left_open();
        connections.shutdown().await;
    }
}

/// Samples the locks of statements that run, and how long they wait for them.
async fn sample(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(SAMPLE).await;
        let running = shared.record.running();
        let pids: Vec<i32> = running.iter().map(|running| running.pid).collect();
        // The tasks of connections note an error that stays.
        let Ok(locks) = shared.reader.locks(&pids).await else {
            continue;
        };
        let now = shared.record.now();
        for running in running {
            let of_process = locks.iter().filter(|lock| lock.pid == running.pid).copied();
            let locks: Vec<Lock> = of_process.collect();
            shared.record.sample(running, &locks, now);
        }
    }
}
