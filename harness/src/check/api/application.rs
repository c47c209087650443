//! The processes of the application: started on the restored database, watched until they are ready,
//! killed with everything they started.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::process::{MAIN, ProcessSettings};
use super::ready::{Watch, Way};
use super::request::{HttpClient, Request};
use crate::check::{Restored, program};
use crate::input::secret::SecretText;
use crate::outcome::{CouldNotRun, Finding};
use crate::process::{self, Running};
use crate::server::Reached;
use crate::units::show_duration;

/// The placeholders that are no port of a named process, without their braces.
pub const PLACES: &[&str] = &["port", "url", "host", "role", "database"];

/// Pause between two attempts to find whether it is ready.
const POLL: Duration = Duration::from_millis(50);

/// How long the output of a process that has ended is waited for: another process may hold the pipe open.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A process of the application that runs. Dropping it kills it with all that it started.
pub struct Application {
    /// The role that it connects as.
    pub role: String,
    name: String,
    /// Whether it is the only one, so that findings need not name it.
    only: bool,
    port: u16,
    /// The way to a program in a network of its own.
    reached: Option<Reached>,
    client: HttpClient,
    started: Instant,
    watch: Watch,
    running: Running,
    output: [JoinHandle<String>; 2],
}

/// Starts all processes; where one cannot be started, those before it are killed.
pub async fn start(
    processes: &[ProcessSettings<'_>],
    restored: &Restored<'_>,
) -> Result<Vec<Application>, CouldNotRun> {
    let ports = match restored.server.tls() {
        Some(tls) => tls.free_ports(processes.len()).await,
        None => free_ports(processes.len()),
    };
    let ports = ports.map_err(no_port)?;
    let names: Vec<(String, u16)> = processes
        .iter()
        .map(|process| process.name.to_owned())
        .zip(ports)
        .collect();
    let mut started = Vec::new();
    for ((_, port), process) in names.iter().zip(processes) {
        started.push(Application::start(process, restored, *port, &names).await?);
    }
    Ok(started)
}

fn no_port(error: io::Error) -> CouldNotRun {
    CouldNotRun::new(format!("this machine gives no free port: {error}"))
}

/// Sends a request to the process of a name; without one, to that of `command`.
pub async fn ask(
    processes: &[Application],
    request: &Request,
    restored: &Restored<'_>,
) -> Result<Vec<Finding>, CouldNotRun> {
    let name = request.process.as_deref().unwrap_or(MAIN);
    // Names are validated with the scenario.
    match processes.iter().find(|process| process.name == name) {
        Some(process) => process.client.ask(request, process.port, restored).await,
        None => Err(CouldNotRun::new(format!("there is no process `{name}`"))),
    }
}

impl Application {
    async fn start(
        settings: &ProcessSettings<'_>,
        restored: &Restored<'_>,
        port: u16,
        ports: &[(String, u16)],
    ) -> Result<Self, CouldNotRun> {
        let places = places(settings, restored, port, ports);
        let environment = environment(settings, restored, port, &places)?;
        let folder = settings.working_directory.unwrap_or(Path::new("."));
        let watch = Watch::begin(settings.ready, &restored.folder.join(folder));
        // The program itself is no text with places.
        let command = settings.command.iter().enumerate();
        let command = command.map(|(at, word)| match at {
            0 => word.clone(),
            _ => program::fill(word, &places),
        });
        let tls = restored.server.tls();
        let reached = tls
            .map(|tls| tls.reach(port))
            .transpose()
            .map_err(no_port)?;
        let client = HttpClient::new(reached.as_ref().map(|reached| reached.socket.as_path()))?;
        let folder = settings.working_directory;
        restored.note_program(settings.role, settings.command);
        let mut running = program::start(restored, command, environment, folder).await?;
        let output = [
            tokio::spawn(process::watch_to_end(running.stdout(), watch.lines())),
            tokio::spawn(process::watch_to_end(running.stderr(), watch.lines())),
        ];
        Ok(Self {
            role: settings.role.to_owned(),
            name: settings.name.to_owned(),
            only: ports.len() == 1,
            port,
            reached,
            client,
            started: Instant::now(),
            watch,
            running,
            output,
        })
    }

    /// Its name in texts.
    pub fn title(&self) -> String {
        match self.name.as_str() {
            MAIN => format!("the {MAIN}"),
            name => name.to_owned(),
        }
    }

    /// A finding that names the process where there are several.
    fn finding(&self, expected: &str, actual: String) -> Finding {
        if self.only {
            Finding::new(expected, actual)
        } else {
            Finding::about(self.title(), expected, actual)
        }
    }

    /// Waits until it is ready, and gives the time that took since its start.
    pub async fn ready(&mut self) -> Result<Duration, Finding> {
        let expected = self.watch.ready().expectation();
        let limit = self.watch.ready().within.0;
        let mut last: Option<String> = None;
        loop {
            let left = limit.saturating_sub(self.started.elapsed());
            // An attempt that has no time left would hide why those before it failed.
            if let Some(last) = last
                && left < POLL
            {
                return Err(self.finding(&expected, format!("at the end, {last}")));
            }
            last = match self.probe(left).await {
                Ok(()) => return Ok(self.started.elapsed()),
                Err(why) => Some(why),
            };
            if let Some(how) = self.ended() {
                self.read_last_words().await;
                if matches!(self.watch.way(), Way::Writes) && self.watch.has_written().is_ok() {
                    // It got ready; that it did not go on is another finding.
                    return Ok(self.started.elapsed());
                }
                let after = show_duration(self.started.elapsed());
                return Err(self.finding(&expected, format!("{how} after {after}")));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Tries once whether it is ready; an error says in a few words why not.
    async fn probe(&self, limit: Duration) -> Result<(), String> {
        match self.watch.way() {
            Way::Connects => {
                let connecting = async {
                    match &self.reached {
                        Some(reached) => reached.connect().await,
                        None => TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))
                            .await
                            .map(drop),
                    }
                };
                match tokio::time::timeout(limit, connecting).await {
                    Ok(Ok(())) => Ok(()),
                    _ => Err("no connection".to_owned()),
                }
            }
            Way::Answers(path, status) => match self.client.status(self.port, path, limit).await? {
                found if found == status => Ok(()),
                found => Err(format!("status {found}")),
            },
            Way::Writes => self.watch.has_written(),
        }
    }

    /// Waits a moment until what a process that has ended wrote is read.
    async fn read_last_words(&self) {
        let is_read = || self.output.iter().all(JoinHandle::is_finished);
        let began = Instant::now();
        while !is_read() && began.elapsed() < LAST_WORDS {
            tokio::time::sleep(POLL / 10).await;
        }
    }

    /// Says how it ended; `None` while it runs.
    fn ended(&mut self) -> Option<String> {
        let status = self.running.try_wait().ok()??;
        Some(match status.code() {
            Some(code) => format!("it exited with code {code}"),
            None => "a signal ended it".to_owned(),
        })
    }

    /// Finds that it ended although nobody stopped it.
    pub fn find_end(&mut self) -> Option<Finding> {
        let how = self.ended()?;
        Some(self.finding("it runs until the last request is answered", how))
    }

    /// Kills it with all that it started, and gives the end of what it wrote.
    pub async fn stop(mut self) -> String {
        self.running.kill();
        let mut text = String::new();
        for output in &mut self.output {
            // The pipes close with the processes; one that got away may not hold up the drill.
            if let Ok(Ok(part)) = tokio::time::timeout(Duration::from_secs(2), output).await {
                text.push_str(&part);
            }
        }
        text
    }
}

/// Lets the system choose ports. Another program could take one before the application does; then
/// the application says so and ends.
fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    // All are held until the last one is chosen, so no two are the same.
    let listeners: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<io::Result<_>>()?;
    listeners
        .iter()
        .map(|one| Ok(one.local_addr()?.port()))
        .collect()
}

/// The connection, as libpq's variables.
fn connection(settings: &ProcessSettings<'_>, restored: &Restored<'_>) -> Vec<(String, String)> {
    restored
        .server
        .endpoint()
        .environment(settings.role, restored.database)
}

/// Values of the placeholders `{port}`, `{NAME.port}`, `{url}`, `{host}`, `{role}` and `{database}`.
fn places(
    settings: &ProcessSettings<'_>,
    restored: &Restored<'_>,
    port: u16,
    ports: &[(String, u16)],
) -> Vec<(String, String)> {
    let connection = connection(settings, restored);
    let value = |name: &str| {
        let found = connection.iter().find(|(known, _)| known == name);
        found.map_or_else(String::new, |(_, value)| value.clone())
    };
    let mut places = vec![
        ("{port}".to_owned(), port.to_string()),
        ("{url}".to_owned(), value("DATABASE_URL")),
        ("{host}".to_owned(), value("PGHOST")),
        ("{role}".to_owned(), settings.role.to_owned()),
        ("{database}".to_owned(), restored.database.to_owned()),
    ];
    places.extend(
        ports
            .iter()
            .map(|(name, port)| (format!("{{{name}.port}}"), port.to_string())),
    );
    places
}

/// Makes the whole environment of a process.
fn environment(
    settings: &ProcessSettings<'_>,
    restored: &Restored<'_>,
    port: u16,
    places: &[(String, String)],
) -> Result<Vec<(String, String)>, CouldNotRun> {
    let mut variables: BTreeMap<String, String> = program::inherited(restored).collect();
    for (name, value) in connection(settings, restored) {
        let name = match (settings.url_variable, name.as_str()) {
            (Some(other), "DATABASE_URL") => other.to_owned(),
            _ => name,
        };
        variables.insert(name, value);
    }
    let name = settings.port_variable.unwrap_or("PORT");
    variables.insert(name.to_owned(), port.to_string());
    for (name, text) in settings.env.iter().copied().flatten() {
        let value = text
            .resolve(restored.folder, restored.environment, restored.redactor)
            .map_err(|error| CouldNotRun::new(format!("env `{name}`: {error}")))?;
        let value = match text {
            SecretText::Plain(plain) => program::fill(plain, places),
            SecretText::Env(_) | SecretText::File(_) => value.expose().to_owned(),
        };
        variables.insert(name.clone(), value);
    }
    Ok(variables.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_can_be_taken_and_differ() {
        let ports = free_ports(3).unwrap();
        let taken: Vec<TcpListener> = ports
            .iter()
            .map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).unwrap())
            .collect();
        assert_eq!(taken.len(), 3);
    }
}
