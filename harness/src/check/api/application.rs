//! The application as a process: started on the restored database, watched until it is ready,
//! killed with everything it started.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::request::HttpClient;
use super::{Api, Ready};
use crate::check::{Restored, program};
use crate::input::secret::SecretText;
use crate::outcome::{CouldNotRun, Finding};
use crate::process::{self, Running};
use crate::server::Reached;
use crate::units::show_duration;

/// Pause between two requests for whether it is ready.
const POLL: Duration = Duration::from_millis(50);

/// An application that runs. Dropping it kills it with all that it started.
pub struct Application {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    /// The way to a program in a network of its own.
    reached: Option<Reached>,
    running: Running,
    output: [JoinHandle<String>; 2],
}

impl Application {
    /// Starts the command of the check.
    pub async fn start(check: &Api, restored: &Restored<'_>) -> Result<Self, CouldNotRun> {
        let tls = restored.server.tls();
        let port = match tls {
            Some(tls) => tls.free_port().await,
            None => free_port(),
        };
        let no_port = |error| CouldNotRun::new(format!("this machine gives no free port: {error}"));
        let port = port.map_err(no_port)?;
        let reached = tls
            .map(|tls| tls.reach(port))
            .transpose()
            .map_err(no_port)?;
        let places = places(check, restored, port);
        // The program itself is no text with places.
        let command = check.command.iter().enumerate().map(|(at, word)| match at {
            0 => word.clone(),
            _ => fill(word, &places),
        });
        let environment = environment(check, restored, port)?;
        let folder = check.working_directory.as_deref();
        let mut running = program::start(restored, command, environment, folder).await?;
        let output = [
            tokio::spawn(process::keep_end(running.stdout())),
            tokio::spawn(process::keep_end(running.stderr())),
        ];
        Ok(Self {
            port,
            reached,
            running,
            output,
        })
    }

    /// The socket by which it is asked, where it has a network of its own.
    pub fn socket(&self) -> Option<&Path> {
        self.reached
            .as_ref()
            .map(|reached| reached.socket.as_path())
    }

    /// Waits until it answers, and gives the time that took.
    pub async fn ready(&mut self, client: &HttpClient, ready: &Ready) -> Result<Duration, Finding> {
        let began = Instant::now();
        let limit = ready.within.0;
        let expected = format!(
            "status {} of GET {} within {}",
            ready.status,
            ready.path,
            show_duration(limit)
        );
        let mut last = None;
        loop {
            let left = limit.saturating_sub(began.elapsed());
            // A request that has no time left would hide why those before it failed.
            if let Some(last) = last
                && left < POLL
            {
                return Err(Finding::new(expected, format!("at the end, {last}")));
            }
            last = match client.status(self.port, &ready.path, left).await {
                Ok(status) if status == ready.status => return Ok(began.elapsed()),
                Ok(status) => Some(format!("status {status}")),
                Err(why) => Some(why),
            };
            if let Ok(Some(status)) = self.running.try_wait() {
                let how = match status.code() {
                    Some(code) => format!("it exited with code {code}"),
                    None => "a signal ended it".to_owned(),
                };
                let after = show_duration(began.elapsed());
                return Err(Finding::new(expected, format!("{how} after {after}")));
            }
            tokio::time::sleep(POLL).await;
        }
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

/// Lets the system choose a port. Another program could take it before the application does; then
/// the application says so and ends.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

/// The connection, as libpq's variables.
fn connection(check: &Api, restored: &Restored<'_>) -> Vec<(String, String)> {
    restored
        .server
        .endpoint()
        .environment(&check.role, restored.database)
}

/// Values of the placeholders `{port}`, `{url}`, `{host}`, `{role}` and `{database}`.
fn places(check: &Api, restored: &Restored<'_>, port: u16) -> Vec<(&'static str, String)> {
    let connection = connection(check, restored);
    let value = |name: &str| {
        let found = connection.iter().find(|(known, _)| known == name);
        found.map_or_else(String::new, |(_, value)| value.clone())
    };
    vec![
        ("{port}", port.to_string()),
        ("{url}", value("DATABASE_URL")),
        ("{host}", value("PGHOST")),
        ("{role}", check.role.clone()),
        ("{database}", restored.database.to_owned()),
    ]
}

/// Fills in the places of a text, in one pass: placeholders in values are not replaced.
fn fill(text: &str, places: &[(&'static str, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match places.iter().find(|(place, _)| rest.starts_with(place)) {
            Some((place, value)) => {
                out.push_str(value);
                rest = &rest[place.len()..];
            }
            None => {
                out.push('{');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// Makes the application's whole environment.
fn environment(
    check: &Api,
    restored: &Restored<'_>,
    port: u16,
) -> Result<Vec<(String, String)>, CouldNotRun> {
    let mut variables: BTreeMap<String, String> = program::inherited(restored).collect();
    for (name, value) in connection(check, restored) {
        let name = match (&check.url_variable, name.as_str()) {
            (Some(other), "DATABASE_URL") => other.clone(),
            _ => name,
        };
        variables.insert(name, value);
    }
    let name = check.port_variable.as_deref().unwrap_or("PORT");
    variables.insert(name.to_owned(), port.to_string());
    let places = places(check, restored, port);
    for (name, text) in &check.env {
        let value = text
            .resolve(restored.folder, restored.environment, restored.redactor)
            .map_err(|error| CouldNotRun::new(format!("env `{name}`: {error}")))?;
        let value = match text {
            SecretText::Plain(plain) => fill(plain, &places),
            SecretText::Env(_) | SecretText::File(_) => value.expose().to_owned(),
        };
        variables.insert(name.clone(), value);
    }
    Ok(variables.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("--port={port}", "--port=8080")]
    #[case("{url}", "postgres://{port}/x")]
    #[case("{\"a\": {port}}", "{\"a\": 8080}")]
    #[case("{unknown}", "{unknown}")]
    fn places_are_filled_in_once(#[case] text: &str, #[case] filled: &str) {
        let places = [
            ("{port}", "8080".to_owned()),
            ("{url}", "postgres://{port}/x".to_owned()),
        ];
        assert_eq!(fill(text, &places), filled);
    }

    #[test]
    fn a_free_port_can_be_taken() {
        let port = free_port().unwrap();
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
    }
}
