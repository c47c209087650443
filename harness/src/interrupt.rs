//! Signals that end a drill.

use std::io::Write as _;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Turns the first SIGINT or SIGTERM into the orderly end of the drill: the value becomes true. Later
/// signals change nothing: the teardown has a limit of its own. Needs a runtime.
///
/// # Errors
/// When the system does not let this process handle signals.
pub fn watch() -> std::io::Result<watch::Receiver<bool>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            let first = !sender.send_replace(true);
            let text = if first {
                "\ninterrupted: tearing down"
            } else {
                "still tearing down"
            };
            // A closed standard error must not end it.
            let _ = writeln!(std::io::stderr(), "{text}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    Ok(receiver)
}
