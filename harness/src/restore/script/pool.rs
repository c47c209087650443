//! Sessions that load rows and build indexes beside the session that reads the dump.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use super::loading::{Joint, Loading, frozen, keep, rows_of};
use super::order::Beside;
use super::schedule::Schedule;
use super::sending::Place;
use super::session::{Budget, Ended, Job, Load, Report, Way, lost, work};
use crate::database::Endpoint;
use crate::outcome::RestoreStep;
use crate::restore::settings::Sizes;
use crate::restore::wire::{Connection, ServerError};
use crate::sql::QualifiedName;

/// Statements that may wait; more are not read until some have ended.
const WAITING: usize = 2_000;

/// Loads of small tables that may wait for each session.
const LOADS: usize = 16;

/// Sessions beyond these would leave too few of the server's for the rest of the drill.
const MOST: usize = 32;

/// A statement of the dump that may run beside others.
#[derive(Debug)]
pub(super) struct Task {
    pub text: Vec<u8>,
    pub place: Place,
    pub beside: Beside,
}

/// What came of statements and loads since it was last asked.
#[derive(Default)]
pub(super) struct Outcomes {
    /// Statements that failed, which may be due to what ran beside them.
    pub failed: Vec<Task>,
    /// Loads that failed.
    pub errors: Vec<(ServerError, Place)>,
    pub steps: Vec<RestoreStep>,
}

struct Session {
    jobs: Sender<Job>,
    thread: JoinHandle<()>,
    /// Jobs that it was given and has not ended.
    given: usize,
}

/// Says that a session is gone.
struct Farewell(Sender<Report>);

impl Drop for Farewell {
    fn drop(&mut self) {
        let _ = self.0.send(Report::Lost(lost()));
    }
}

/// A job that a session was given.
enum Given {
    Statement {
        scheduled: usize,
        task: Task,
        cost: u64,
    },
    /// A load, or a session's part of it.
    Load { place: Option<Place>, what: String },
}

/// The sessions.
pub(super) struct Pool {
    sessions: Vec<Session>,
    sizes: Sizes,
    reports: Receiver<Report>,
    schedule: Schedule<(Task, u64)>,
    given: BTreeMap<usize, Given>,
    next: usize,
    loads: usize,
    /// Errors of the parts of the load that all sessions take part in.
    parts: Vec<ServerError>,
    budget: Arc<Budget>,
    outcomes: Outcomes,
    built: Built,
}

/// How far the indexes and constraints are.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Built {
    pub built: u64,
    pub of: u64,
    /// The costs of both.
    pub work: u64,
    pub total: u64,
}

impl Pool {
    /// Opens so many sessions, with these settings; fewer where the server refuses more, and none where it refuses all.
    pub(super) fn open(
        endpoint: &Endpoint,
        database: &str,
        (size, sizes): (usize, Sizes),
        settings: &[Arc<[u8]>],
    ) -> io::Result<Option<Self>> {
        let (reporting, reports) = channel();
        let mut sessions = Vec::new();
        for number in 0..size.min(MOST) {
            let Ok(connection) = Connection::open(endpoint, database)? else {
                break;
            };
            let (jobs, own) = channel();
            let reporting = reporting.clone();
            let thread = std::thread::spawn(move || {
                // However the thread ends, nobody waits for it in vain.
                let reporting = Farewell(reporting);
                work(number, connection, &own, &reporting.0);
            });
            sessions.push(Session {
                jobs,
                thread,
                given: 0,
            });
        }
        let mut pool = Self {
            sessions,
            sizes,
            reports,
            schedule: Schedule::default(),
            given: BTreeMap::new(),
            next: 0,
            loads: 0,
            parts: Vec::new(),
            budget: Arc::default(),
            outcomes: Outcomes::default(),
            built: Built::default(),
        };
        for setting in settings {
            pool.set(setting);
        }
        Ok((!pool.sessions.is_empty()).then_some(pool))
    }

    /// Whether statements wait or run.
    pub(super) fn has_statements(&self) -> bool {
        !self.schedule.is_empty()
    }

    /// How many sessions there are.
    pub(super) fn size(&self) -> usize {
        self.sessions.len()
    }

    /// Changes a setting of all sessions, for what follows.
    pub(super) fn set(&mut self, text: &Arc<[u8]>) {
        for session in &self.sessions {
            // A session that is gone has said so.
            let _ = session.jobs.send(Job::Setting(text.clone()));
        }
    }

    /// Adds a statement.
    pub(super) fn add(&mut self, task: Task, cost: u64) -> io::Result<()> {
        while self.loads > 0 || self.schedule.waiting() >= WAITING {
            self.wait()?;
        }
        if !task.beside.builds.is_empty() {
            self.built.of += 1;
            self.built.total += cost;
        }
        let claims = task.beside.claims.clone();
        self.schedule.add((task, cost), claims, cost);
        while let Ok(report) = self.reports.try_recv() {
            self.reported(report)?;
        }
        self.dispatch();
        Ok(())
    }

    /// Waits until everything has ended, and tells how far it is each time that something has.
    pub(super) fn drain(&mut self, tell: impl Fn(Built)) -> io::Result<()> {
        while self.loads > 0 || !self.schedule.is_empty() {
            if self.loads == 0 {
                tell(self.built);
            }
            self.wait()?;
        }
        self.built = Built::default();
        Ok(())
    }

    /// What came of everything that has ended.
    pub(super) fn outcomes(&mut self) -> Outcomes {
        std::mem::take(&mut self.outcomes)
    }

    /// Begins to load a table; `bytes` is how large its rows are.
    pub(super) fn load(
        &mut self,
        (copy, place): (&[u8], Place),
        table: &QualifiedName,
        (bytes, is_fresh): (u64, bool),
    ) -> io::Result<Loading> {
        // What waits takes memory, also where it has no rows.
        while self.loads >= LOADS * self.sessions.len() {
            self.wait()?;
        }
        let (rows, waiting) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        let copy: Arc<[u8]> = copy.into();
        let what = table.to_string();
        let load = |way| Load {
            copy: copy.clone(),
            way,
            rows: waiting.clone(),
            budget: self.budget.clone(),
        };
        let splits = is_fresh && bytes >= self.sizes.split && self.sessions.len() > 1;
        let mut joint = None;
        if splits {
            let loads: Vec<Load> = self.sessions.iter().map(|_| load(Way::Held)).collect();
            for (session, load) in loads.into_iter().enumerate() {
                self.give_load(session, load, None, &what);
            }
            joint = Some(place);
        } else {
            // The name is sent as UTF-8, whatever the encoding of the dump.
            let empties = is_fresh && bytes >= self.sizes.emptied && what.is_ascii();
            let frozen = empties.then(|| frozen(&copy)).flatten();
            let load = load(match frozen {
                Some(frozen) => Way::Emptied {
                    truncate: format!("TRUNCATE ONLY {table}").into_bytes(),
                    copy: frozen,
                },
                None => Way::Plain,
            });
            let least = self.sessions.iter().enumerate();
            let least = least.min_by_key(|(_, session)| session.given);
            let session = least.map_or(0, |(at, _)| at);
            self.give_load(session, load, Some(place), &what);
        }
        let load = Joint {
            place: joint,
            table: what,
            began: Instant::now(),
        };
        Ok(Loading::new(rows, load, self.budget.clone()))
    }

    /// All rows of a load were sent.
    pub(super) fn loaded(&mut self, loading: Loading) -> io::Result<()> {
        let Joint {
            place,
            table: what,
            began,
        } = loading.end()?;
        let Some(place) = place else {
            return Ok(());
        };
        while self.loads > 0 {
            self.wait()?;
        }
        let mut errors = std::mem::take(&mut self.parts);
        // One session would have met the first of them.
        errors.sort_by_key(|error| error.row);
        let commit = errors.is_empty();
        for at in 0..self.sessions.len() {
            let number = self.next(Given::Load {
                place: None,
                what: what.clone(),
            });
            self.loads += 1;
            self.give(at, Job::Decided { number, commit });
        }
        while self.loads > 0 {
            self.wait()?;
        }
        errors.append(&mut self.parts);
        keep(&mut self.outcomes.steps, rows_of(&what, began.elapsed()));
        let first = errors.into_iter().next();
        self.outcomes
            .errors
            .extend(first.map(|error| (error, place)));
        Ok(())
    }

    fn give_load(&mut self, session: usize, load: Load, place: Option<Place>, what: &str) {
        let what = what.to_owned();
        let number = self.next(Given::Load { place, what });
        self.loads += 1;
        self.give(session, Job::Load { number, load });
    }

    fn next(&mut self, given: Given) -> usize {
        self.next += 1;
        self.given.insert(self.next, given);
        self.next
    }

    fn give(&mut self, session: usize, job: Job) {
        if let Some(session) = self.sessions.get_mut(session) {
            session.given += 1;
            // A session that is gone has said so.
            let _ = session.jobs.send(job);
        }
    }

    /// Gives sessions that have nothing to do what may begin.
    fn dispatch(&mut self) {
        for at in 0..self.sessions.len() {
            if self
                .sessions
                .get(at)
                .is_none_or(|session| session.given > 0)
            {
                continue;
            }
            let Some((scheduled, (task, cost))) = self.schedule.begin() else {
                return;
            };
            let text = task.text.clone();
            let number = self.next(Given::Statement {
                scheduled,
                task,
                cost,
            });
            self.give(at, Job::Statement { number, text });
        }
    }

    fn wait(&mut self) -> io::Result<()> {
        self.dispatch();
        let report = self.reports.recv().map_err(io::Error::other)?;
        self.reported(report)?;
        self.dispatch();
        Ok(())
    }

    fn reported(&mut self, report: Report) -> io::Result<()> {
        let Ended {
            session,
            number,
            errors,
            took,
        } = match report {
            Report::Ended(ended) => ended,
            Report::Lost(error) => return Err(error),
        };
        if let Some(session) = self.sessions.get_mut(session) {
            session.given -= 1;
        }
        match self.given.remove(&number) {
            None => {}
            Some(Given::Statement {
                scheduled,
                task,
                cost,
            }) => {
                self.schedule.end(scheduled);
                if !task.beside.builds.is_empty() {
                    self.built.built += 1;
                    self.built.work += cost;
                }
                if !errors.is_empty() {
                    self.outcomes.failed.push(task);
                } else if !task.beside.builds.is_empty() {
                    keep(&mut self.outcomes.steps, task.beside.step(took));
                }
            }
            Some(Given::Load { place, what }) => {
                self.loads -= 1;
                match place {
                    Some(place) => {
                        let errors = errors.into_iter().map(|error| (error, place.clone()));
                        self.outcomes.errors.extend(errors);
                        keep(&mut self.outcomes.steps, rows_of(&what, took));
                    }
                    None => self.parts.extend(errors),
                }
            }
        }
        Ok(())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for Session { jobs, thread, .. } in self.sessions.drain(..) {
            drop(jobs);
            // Of a session in the middle of a statement nobody waits for the end: the server is stopped.
            if thread.is_finished() {
                let _ = thread.join();
            }
        }
    }
}
