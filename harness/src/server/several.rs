//! The servers of one drill: one, or one for each cluster that the parts of a backup come from.

use super::kept::{Kept, NotKept};
use super::{ThrowawayServer, forget};
use crate::cleanup::Run;
use crate::outcome::CouldNotRun;

/// The servers of a drill, from before they start until they are removed.
#[derive(Default)]
pub struct Servers {
    slots: Vec<Slot>,
}

/// Room for one server. It is there before the server is, so that the teardown finds whatever was started.
pub(crate) struct Slot {
    /// The name of the server in the scenario; `None` for the only one, or for that of parts which name none.
    pub name: Option<String>,
    /// The run that owns it; `None` for that of the drill, which owns the first.
    pub run: Option<Run>,
    /// The server, once it was started.
    pub server: Option<ThrowawayServer>,
}

impl Servers {
    /// The only server of a run, if it was started.
    pub(crate) fn only(server: Option<ThrowawayServer>) -> Self {
        let slot = Slot {
            name: None,
            run: None,
            server,
        };
        Self { slots: vec![slot] }
    }

    /// Makes room for a server.
    pub(crate) fn add(&mut self, name: Option<String>, run: Option<Run>) {
        self.slots.push(Slot {
            name,
            run,
            server: None,
        });
    }

    /// Adds those of another list, to be removed with these.
    pub(crate) fn join(&mut self, others: Self) {
        self.slots.extend(others.slots);
    }

    /// Makes room for a server, which is started at once.
    pub(crate) fn add_slot(&mut self, name: Option<String>, run: Run) -> &mut Slot {
        self.add(name, Some(run));
        let last = self.slots.len() - 1;
        &mut self.slots[last]
    }

    /// Stops and removes the last one with its run; what could not be removed is left to the teardown's successor.
    pub(crate) async fn remove_last(&mut self) -> Vec<String> {
        let Some(slot) = self.slots.pop() else {
            return Vec::new();
        };
        let mut failed = Vec::new();
        if let Some(server) = slot.server {
            failed.extend(server.stop().await.err().map(|error| error.reason));
        } else if let Some(run) = &slot.run {
            failed.extend(forget(run).await);
        }
        failed.extend(slot.run.and_then(|run| Some(run.end().err()?.to_string())));
        failed
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// All of them, to be started.
    pub(crate) fn slots_mut(&mut self) -> &mut [Slot] {
        &mut self.slots
    }

    /// All that were started, each with its name and the run that owns it.
    pub(crate) fn started<'a>(
        &'a self,
        run: &'a Run,
    ) -> impl Iterator<Item = (Option<&'a str>, &'a ThrowawayServer, &'a Run)> {
        self.slots.iter().filter_map(move |slot| {
            let owner = slot.run.as_ref().unwrap_or(run);
            Some((slot.name.as_deref(), slot.server.as_ref()?, owner))
        })
    }

    /// Keeps the servers that were started, as `keep` does; returns the run of the drill, unless one of them has it now. Those that
    /// could not be kept are left to be removed.
    pub(crate) async fn keep(
        &mut self,
        run: Run,
        keep: impl AsyncFn(Option<String>, ThrowawayServer, Run) -> Result<Kept, NotKept>,
    ) -> (Option<Run>, Vec<Result<Kept, CouldNotRun>>) {
        let (mut of_drill, mut ended) = (Some(run), Vec::new());
        for mut slot in std::mem::take(&mut self.slots) {
            let has_own = slot.run.is_some();
            let (server, run) = match slot.server.take() {
                Some(server) => (server, slot.run.take().or_else(|| of_drill.take())),
                None => {
                    self.slots.push(slot);
                    continue;
                }
            };
            let Some(run) = run else { continue };
            ended.push(match keep(slot.name.clone(), server, run).await {
                Ok(kept) => Ok(kept),
                Err(NotKept { error, left }) => {
                    if let Some((server, run)) = left {
                        slot.server = Some(server);
                        *if has_own {
                            &mut slot.run
                        } else {
                            &mut of_drill
                        } = Some(run);
                        self.slots.push(slot);
                    }
                    Err(error)
                }
            });
        }
        (of_drill, ended)
    }

    /// Stops and removes all of them with their runs, then the run of the drill, unless that is kept. Returns what could not be
    /// removed.
    pub(crate) async fn remove(self, run: Option<Run>) -> Vec<String> {
        let mut failed = Vec::new();
        if self.slots.is_empty()
            && let Some(run) = &run
        {
            // Whatever else began with this run.
            failed.extend(forget(run).await);
        }
        for slot in self.slots {
            match (slot.server, slot.run.as_ref().or(run.as_ref())) {
                (Some(server), _) => {
                    failed.extend(server.stop().await.err().map(|error| error.reason));
                }
                // It may have been starting when the drill ended.
                (None, Some(run)) => failed.extend(forget(run).await),
                (None, None) => {}
            }
            if let Some(own) = slot.run {
                failed.extend(own.end().err().map(|error| error.to_string()));
            }
        }
        failed.extend(run.and_then(|run| Some(run.end().err()?.to_string())));
        failed
    }
}
