//! What the session that reads the dump gives to other sessions, and what comes back.

use std::io;
use std::time::Instant;

use pgdump::script::statement::Words;

use super::fresh::Loading as Order;
use super::loading::keep;
use super::order::{self, Beside};
use super::pool::{Outcomes, Pool, Task};
use super::sending::{Done, Place, Sending};
use crate::event::Event;
use crate::sql::{self, QualifiedName};

impl Sending {
    /// Changes a setting, for the other sessions too once what came before it has ended. A dump repeats most of them.
    pub(super) fn set(&mut self, name: &str, text: &[u8], place: &Place) -> io::Result<Done> {
        let is_new = self.settings.is_new(name, text);
        if is_new {
            self.settle()?;
            if let Some(pool) = &mut self.pool {
                pool.set(&text.into());
            }
        }
        let done = self.send(text, place)?;
        if is_new && !done.failed {
            self.settings.add(name, text.into());
        }
        Ok(done)
    }

    /// Gives a statement to the other sessions.
    pub(super) fn beside(&mut self, beside: Beside, text: &[u8], place: Place) -> io::Result<()> {
        let bytes = |claim: &order::Claim| self.rows_of(&claim.table);
        let bytes = beside.claims.iter().map(bytes).max().unwrap_or(0);
        let cost = bytes * cost_of(&beside.method) + 1;
        let task = Task {
            text: text.to_owned(),
            place,
            beside,
        };
        match self.pool()? {
            Some(pool) => pool.add(task, cost),
            None => self.alone(task),
        }
    }

    /// Runs a statement that failed beside others, or has nobody to run it.
    fn alone(&mut self, task: Task) -> io::Result<()> {
        let began = Instant::now();
        self.send(&task.text, &task.place)?;
        if !task.beside.builds.is_empty() {
            keep(&mut self.steps, task.beside.step(began.elapsed()));
        }
        Ok(())
    }

    /// The table whose rows follow a COPY, if other sessions may load them, and how.
    pub(super) fn loads(&mut self, words: &Words<'_>) -> Option<(QualifiedName, Order)> {
        let table = order::qualified(words, 1);
        let copy = words.copy()?;
        let columns = match copy.columns {
            "" => 0,
            columns => {
                sql::tokens(columns)
                    .filter(|token| token.text == ",")
                    .count()
                    + 1
            }
        };
        match self.fresh.loading(table.as_ref(), columns) {
            Order::InOrder => None,
            loading => Some((table.filter(|_| copy.is_text)?, loading)),
        }
    }

    /// Begins to give rows to the other sessions.
    pub(super) fn load(
        &mut self,
        (table, order): (QualifiedName, Order),
        text: &[u8],
        place: Place,
    ) -> io::Result<()> {
        let bytes = self.rows_of(&table);
        let statements = self.pool.as_ref().is_some_and(Pool::has_statements);
        if order == Order::Beside || statements {
            // Its rows may collide with those before them, in the order of the dump; and code in the definition of an index
            // may read them, which are not there yet.
            self.settle()?;
        }
        if let Some(pool) = self.pool()? {
            let of = (bytes, order == Order::Fresh);
            self.loading = Some(pool.load((text, place), &table, of)?);
            return Ok(());
        }
        self.send(text, &place).map(drop)
    }

    /// Bytes of the rows of a table in the dump.
    fn rows_of(&self, table: &QualifiedName) -> u64 {
        let rows = &self.part.contents.rows;
        let of = |database: &str| rows.get(&(database.to_owned(), table.clone()));
        let rows = of(&self.database).or_else(|| of(""));
        rows.map_or(0, |rows| rows.bytes)
    }

    /// The other sessions, with the settings of this one.
    fn pool(&mut self) -> io::Result<Option<&mut Pool>> {
        if self.pool.is_none() && self.sessions > 0 {
            self.pool = Pool::open(
                &self.endpoint,
                &self.database,
                (self.sessions, self.tolerate.sizes),
                &self.settings.all(),
            )?;
            match &self.pool {
                Some(pool) => self.opened = self.opened.max(pool.size()),
                None => self.sessions = 0,
            }
        }
        Ok(self.pool.as_mut())
    }

    /// Waits for the other sessions. What failed there is tried again, in its order.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        let Some(pool) = &mut self.pool else {
            return Ok(());
        };
        let listener = &self.listener;
        pool.drain(|built| {
            listener(Event::Built {
                built: built.built,
                of: built.of,
                work: built.work,
                total: built.total,
            });
        })?;
        let Outcomes {
            mut failed,
            mut errors,
            steps,
        } = pool.outcomes();
        for step in steps {
            keep(&mut self.steps, step);
        }
        errors.sort_by_key(|(error, place)| place.line + error.row);
        for (error, place) in errors {
            self.error(error, &place);
        }
        failed.sort_by_key(|task| task.place.line);
        for task in failed {
            self.alone(task)?;
        }
        Ok(())
    }
}

/// How long an index takes for the bytes of its table, in relation to a B-tree: it decides what begins first.
fn cost_of(method: &str) -> u64 {
    match method {
        "hnsw" => 50,
        "ivfflat" => 20,
        "gin" | "spgist" => 5,
        "gist" => 8,
        "brin" => 1,
        _ => 2,
    }
}
