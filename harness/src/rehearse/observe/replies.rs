//! What the server sends to the tool: passed on, but for the replies to what redrill added.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

use super::message::{Incoming, Message, Outgoing, fields, message, number, text};
use super::observer::Shared;
use super::split::{Added, original_position};

/// Something that the server said, for the task that reads from the tool.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) at: Duration,
    /// How many times the server had been ready before.
    pub(super) epoch: u64,
    pub(super) what: What,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A setting of the session changed.
    Setting { name: String, value: String },
    /// The process of the server.
    Process(i32),
    /// The session waits at a mark.
    Mark,
    /// A statement ended, or returned as many rows as were asked for; with the rows that it wrote.
    Complete(u64),
    /// A statement waits for rows.
    CopyIn,
    /// `again`: it is about a mark, was not passed on, and the string has to be sent as it is.
    Error { sqlstate: String, again: bool },
    /// With the status of its transaction: `I`, `T` or `E`.
    Ready(u8),
}

/// What redrill sends in place of what the tool sent.
#[derive(Debug, Default)]
pub(super) enum Plan {
    /// Nothing else.
    #[default]
    Plain,
    /// A simple query by the extended protocol, in this epoch.
    Single { epoch: u64 },
    /// A string with marks.
    Marked { epoch: u64, added: Vec<Added> },
}

/// What both directions of a connection share.
#[derive(Default)]
pub(super) struct Link {
    plan: Mutex<Plan>,
    /// How many times the server was ready, as far as the other direction has followed.
    handled: watch::Sender<u64>,
}

impl Link {
    pub(super) fn plan(&self, plan: Plan) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = plan;
    }

    /// Says that a number of times that the server was ready has been followed.
    pub(super) fn handled(&self, ready: u64) {
        self.handled.send_replace(ready);
    }
}

/// The direction from the server to the tool.
pub(super) struct Replies<W> {
    shared: Arc<Shared>,
    link: Arc<Link>,
    events: UnboundedSender<Event>,
    out: Outgoing<W>,
    epoch: u64,
    /// Replies to a translated query that wait for what comes next.
    held: Vec<Bytes>,
    /// Whether the next reply is that of a mark.
    mark_ends: bool,
    /// Whether nothing is passed on until the server is ready.
    again: bool,
    /// Whether the tool does not listen any more.
    gone: bool,
}

impl<W: AsyncWrite + Unpin> Replies<W> {
    pub(super) fn new(
        shared: Arc<Shared>,
        link: Arc<Link>,
        events: UnboundedSender<Event>,
        client: W,
    ) -> Self {
        Self {
            shared,
            link,
            events,
            out: Outgoing::new(client),
            epoch: 0,
            held: Vec::new(),
            mark_ends: false,
            again: false,
            gone: false,
        }
    }

    /// Passes on what the server sends until it ends the connection.
    pub(super) async fn run(mut self, server: impl AsyncRead + Unpin) -> io::Result<()> {
        let mut incoming = Incoming::new(server, b"Dd");
        loop {
            let message = match incoming.ready()? {
                Some(message) => Some(message),
                None => {
                    self.flush().await;
                    let muted = self.shared.stop.muted.cancelled();
                    tokio::select! {
                        biased;
                        () = muted => std::future::pending().await,
                        message = incoming.next() => message?,
                    }
                }
            };
            let Some(message) = message else {
                break;
            };
            self.message(message).await;
        }
        self.flush().await;
        self.out.shutdown().await;
        Ok(())
    }

    async fn message(&mut self, message: Message) {
        match message.tag {
            // Rows, and what follows of a long message.
            b'D' | b'd' | 0 => return self.pass(&message.bytes).await,
            b'K' => {
                if let Some(pid) = number(message.body()) {
                    self.tell(What::Process(pid));
                }
            }
            b'S' => {
                let setting = text(message.body());
                let setting = setting.and_then(|(name, rest)| Some((name, text(rest)?.0)));
                if let Some((name, value)) = setting {
                    let [name, value] =
                        [name, value].map(|text| String::from_utf8_lossy(text).into_owned());
                    self.tell(What::Setting { name, value });
                }
            }
            b'G' | b'W' => self.tell(What::CopyIn),
            b'Z' => return self.ready(&message).await,
            _ => {}
        }
        let link = Arc::clone(&self.link);
        let relocated = {
            let plan = link.plan.lock().unwrap_or_else(PoisonError::into_inner);
            match &*plan {
                Plan::Single { epoch } if *epoch == self.epoch => None,
                Plan::Marked { epoch, added } if *epoch == self.epoch => Some(match message.tag {
                    b'N' | b'E' if message.rest == 0 => relocate(&message, added),
                    _ => Relocated::Same,
                }),
                _ => Some(Relocated::Same),
            }
        };
        match relocated {
            None => self.single(message).await,
            Some(relocated) => self.plain(message, relocated).await,
        }
    }

    /// A message that is passed on at once, unless it is about a mark.
    async fn plain(&mut self, message: Message, relocated: Relocated) {
        match message.tag {
            b'N' if self.is_mark(&message) => {
                self.mark_ends = true;
                return self.tell(What::Mark);
            }
            b'C' if self.mark_ends => {
                self.mark_ends = false;
                return;
            }
            b'C' | b'I' | b's' => self.tell(What::Complete(written(&message))),
            b'E' => {
                self.mark_ends = false;
                self.again = relocated == Relocated::Mark;
                self.tell(What::Error {
                    sqlstate: sqlstate(&message),
                    again: self.again,
                });
            }
            _ => {}
        }
        match relocated {
            Relocated::Same => self.pass(&message.bytes).await,
            Relocated::Moved(bytes) => self.pass(&bytes).await,
            Relocated::Mark => {}
        }
    }

    /// A reply to a simple query that was sent by the extended protocol, as the simple protocol has it. That says that a
    /// statement is complete after its commit, and describes rows where there are any or the statement has succeeded.
    async fn single(&mut self, message: Message) {
        match message.tag {
            b'1' | b'2' | b'n' => {}
            b'T' => self.held.push(message.bytes),
            b'C' | b'I' | b's' => {
                self.tell(What::Complete(written(&message)));
                self.held.push(message.bytes);
            }
            b'E' => {
                self.held.clear();
                self.tell(What::Error {
                    sqlstate: sqlstate(&message),
                    again: false,
                });
                self.pass(&message.bytes).await;
            }
            b'N' => self.write(&message.bytes).await,
            _ => self.pass(&message.bytes).await,
        }
    }

    async fn ready(&mut self, message: &Message) {
        let status = message.body().first().copied().unwrap_or(b'I');
        self.tell(What::Ready(status));
        self.epoch += 1;
        if self.shared.stop.is_set() {
            // The tool must not go on where it is cut off after this reply.
            let mut handled = self.link.handled.subscribe();
            let epoch = self.epoch;
            let ended = self.events.closed();
            tokio::select! {
                _ = handled.wait_for(|handled| *handled >= epoch) => {}
                () = ended => {}
            }
        }
        if std::mem::take(&mut self.again) {
            return;
        }
        self.pass(&message.bytes).await;
    }

    fn is_mark(&self, message: &Message) -> bool {
        let mut fields = fields(message.body());
        fields.any(|(kind, value)| kind == b'M' && value == self.shared.nonce.as_bytes())
    }

    fn tell(&self, what: What) {
        // Whoever reads from the tool may have ended.
        let _ = self.events.send(Event {
            at: self.shared.record.now(),
            epoch: self.epoch,
            what,
        });
    }

    /// Passes on what was held, and then this.
    async fn pass(&mut self, bytes: &[u8]) {
        for held in std::mem::take(&mut self.held) {
            self.write(&held).await;
        }
        self.write(bytes).await;
    }

    async fn write(&mut self, bytes: &[u8]) {
        // A statement that was sent runs to its end, also where the tool has gone.
        self.gone = self.gone || self.out.push(bytes).await.is_err();
    }

    async fn flush(&mut self) {
        self.gone = self.gone || self.out.flush().await.is_err();
    }
}

/// The rows that a statement wrote, as in `INSERT 0 5`.
fn written(complete: &Message) -> u64 {
    let tag = text(complete.body()).map_or(&[][..], |(tag, _)| tag);
    let tag = std::str::from_utf8(tag).unwrap_or_default();
    let mut words = tag.split(' ');
    match words.next() {
        Some("INSERT" | "UPDATE" | "DELETE" | "MERGE" | "COPY") => {}
        _ => return 0,
    }
    words
        .next_back()
        .and_then(|count| count.parse().ok())
        .unwrap_or(0)
}

fn sqlstate(error: &Message) -> String {
    let code = fields(error.body()).find(|(kind, _)| *kind == b'C');
    code.map_or_else(String::new, |(_, code)| {
        String::from_utf8_lossy(code).into_owned()
    })
}

/// An error or notice of a string with marks.
#[derive(Debug, PartialEq, Eq)]
enum Relocated {
    /// It names no place, or the place is right.
    Same,
    /// With the place in the string of the tool.
    Moved(Bytes),
    /// It is about a mark.
    Mark,
}

fn relocate(error: &Message, added: &[Added]) -> Relocated {
    let place = fields(error.body()).find(|(kind, _)| *kind == b'P');
    let place = place.and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse::<usize>().ok());
    let Some(place) = place.and_then(|place| place.checked_sub(1)) else {
        return Relocated::Same;
    };
    match original_position(place, added) {
        None => Relocated::Mark,
        Some(original) if original == place => Relocated::Same,
        Some(original) => {
            let mut body = Vec::with_capacity(error.bytes.len());
            for (kind, value) in fields(error.body()) {
                body.push(kind);
                match kind {
                    b'P' => body.extend_from_slice((original + 1).to_string().as_bytes()),
                    _ => body.extend_from_slice(value),
                }
                body.push(0);
            }
            body.push(0);
            Relocated::Moved(message(error.tag, &body))
        }
    }
}
