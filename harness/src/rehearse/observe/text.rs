//! What may be shown of a statement of the tool, and what kind of statement it is.

use pgdump::sql::token::tokens_and_comments;
use pgdump::sql::{Token, TokenKind, tokens};

/// Characters of a statement that are shown.
const SHOWN: usize = 200;
/// Bytes of a statement that are read for it.
const READ: usize = 4096;

/// What the observation has to know of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Begins a transaction block.
    Begin,
    /// Ends one.
    End,
    /// Ends one as a prepared transaction, whose locks stay.
    Prepare,
    /// Must be the first in its transaction.
    SetTransaction,
    /// Takes no lock on a relation.
    Quiet,
    /// Has a protocol of its own.
    Copy,
    /// Reads from a cursor, which may be a binary one.
    Fetch,
    /// Rows: the same text takes the same locks again.
    Rows,
    /// May commit before it ends, and then its locks are gone.
    Commits,
    Other,
}

impl Kind {
    /// Whether it may take a lock on a relation that others have to wait for.
    pub(super) const fn takes_locks(self) -> bool {
        matches!(self, Self::Copy | Self::Rows | Self::Commits | Self::Other)
    }

    /// Whether the transaction that it runs in ends with it.
    pub(super) const fn ends(self) -> bool {
        matches!(self, Self::End | Self::Prepare)
    }
}

/// A statement as it is recorded.
#[derive(Debug, Clone)]
pub(super) struct Described {
    /// Without comments, literals and numbers, white space as single spaces; cut where it is long.
    pub(super) text: String,
    pub(super) kind: Kind,
    /// How it changes `lock_timeout`.
    pub(super) lock_timeout: Option<Change>,
    /// Whether it may change what the server logs of its session.
    pub(super) log_level: bool,
}

/// A change of `lock_timeout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// For the session; whether to another value than 0.
    Session(bool),
    /// For the transaction.
    Transaction(bool),
    /// To what the session began with.
    Reset,
}

/// Whether a session has a `lock_timeout`, as far as its statements show. A rollback of SET is not followed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LockTimeout {
    /// Of its role, its database, or the options of its connection.
    pub(super) first: bool,
    pub(super) session: Option<bool>,
    pub(super) transaction: Option<bool>,
}

impl LockTimeout {
    pub(super) fn is_set(self) -> bool {
        self.transaction.or(self.session).unwrap_or(self.first)
    }

    pub(super) const fn follow(&mut self, change: Option<Change>) {
        match change {
            Some(Change::Session(on)) => self.session = Some(on),
            Some(Change::Transaction(on)) => self.transaction = Some(on),
            Some(Change::Reset) => {
                *self = Self {
                    session: None,
                    transaction: None,
                    ..*self
                }
            }
            None => {}
        }
    }
}

/// Whether a value of `lock_timeout` is a limit: `0`, `0ms` and `'0'` are none.
pub(super) fn is_limit(value: &str) -> bool {
    value.contains(|digit: char| ('1'..='9').contains(&digit))
}

fn lock_timeout(words: &[Token<'_>]) -> Option<Change> {
    let is = |at: usize, word: &str| words.get(at).is_some_and(|token| token.is_word(word));
    let value = |at: usize| {
        words
            .get(at)
            .map_or_else(String::new, |token| token.content().into_owned())
    };
    if is(0, "reset") || is(0, "discard") {
        return (is(1, "lock_timeout") || is(1, "all")).then_some(Change::Reset);
    }
    if is(0, "set") {
        let at = if is(1, "local") || is(1, "session") {
            2
        } else {
            1
        };
        if !is(at, "lock_timeout") {
            return None;
        }
        return Some(match is(1, "local") {
            true => Change::Transaction(is_limit(&value(at + 2))),
            _ if is(at + 2, "default") => Change::Reset,
            false => Change::Session(is_limit(&value(at + 2))),
        });
    }
    // SELECT set_config('lock_timeout', '2s', false)
    let at = words
        .iter()
        .position(|token| token.content().eq_ignore_ascii_case("lock_timeout"))?;
    let call = words.get(at.checked_sub(2)?)?;
    if !call.text.to_ascii_lowercase().ends_with("set_config") {
        return None;
    }
    let on = is_limit(&value(at + 2));
    Some(match is(at + 4, "true") {
        true => Change::Transaction(on),
        false => Change::Session(on),
    })
}

/// Describes a statement; `standard_strings` says whether a backslash in `'…'` is a letter.
pub(super) fn describe(statement: &[u8], standard_strings: bool) -> Described {
    let head = &statement[..statement.len().min(READ)];
    let head = String::from_utf8_lossy(head);
    let words: Vec<Token<'_>> = tokens(&head).take(400).collect();
    let mut text = String::new();
    let mut end = 0;
    let mut after_dollar = false;
    for token in tokens_and_comments(&head) {
        if token.kind == TokenKind::Comment {
            continue;
        }
        if end > 0 && token.start > end {
            text.push(' ');
        }
        end = token.end();
        let plain = token.kind == TokenKind::Literal && token.prefix() == 0;
        let escaped = plain && token.text.contains('\\') && token.text.starts_with('\'');
        match token.kind {
            // Where it ends depends on what a backslash is, also within a text that goes on in another line.
            TokenKind::Literal if escaped || (plain && !standard_strings) => {
                text.push('…');
                break;
            }
            TokenKind::Literal => text.push('…'),
            TokenKind::Number if !after_dollar => text.push('…'),
            _ => text.push_str(token.text),
        }
        after_dollar = token.text == "$";
        if text.chars().nth(SHOWN).is_some() {
            break;
        }
    }
    let text = text.trim_end_matches([';', ' ']);
    let text = match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    };
    Described {
        text,
        kind: kind(&words),
        lock_timeout: lock_timeout(&words),
        log_level: names_log_level(statement),
    }
}

/// Whether a text names the setting by which the server logs less, anywhere: in SET, in the body of a function.
pub(super) fn names_log_level(text: &[u8]) -> bool {
    const NAME: &[u8] = b"log_min_messages";
    memchr::memchr2_iter(b'l', b'L', text).any(|at| {
        let found = text.get(at..at + NAME.len());
        found.is_some_and(|found| found.eq_ignore_ascii_case(NAME))
    })
}

/// Whether a statement has a parameter such as `$1`, outside of literals.
pub(super) fn has_parameters(statement: &[u8]) -> bool {
    let any = memchr::memchr_iter(b'$', statement)
        .any(|at| statement.get(at + 1).is_some_and(u8::is_ascii_digit));
    if !any {
        return false;
    }
    let text = String::from_utf8_lossy(statement);
    let mut before = None;
    tokens(&text).any(|token| {
        let parameter = token.kind == TokenKind::Number && before == Some(token.start);
        before = (token.text == "$").then(|| token.end());
        parameter
    })
}

fn kind(words: &[Token<'_>]) -> Kind {
    let begin = words.iter().position(|token| token.text != "(");
    let words = &words[begin.unwrap_or(words.len())..];
    let word = |at: usize| {
        let token: Option<&Token<'_>> = words.get(at);
        let token = token.filter(|token| token.kind == TokenKind::Word);
        token.map_or_else(String::new, |token| token.text.to_ascii_lowercase())
    };
    let second = word(1);
    let concurrently = || words.iter().any(|token| token.is_word("concurrently"));
    match word(0).as_str() {
        "begin" => Kind::Begin,
        "start" => Kind::Begin,
        "commit" | "rollback" if second == "prepared" => Kind::Other,
        "rollback" | "abort" if second == "to" || word(2) == "to" => Kind::Quiet,
        "commit" | "end" | "rollback" | "abort" => Kind::End,
        "prepare" if second == "transaction" => Kind::Prepare,
        "set" if second == "constraints" => Kind::Other,
        "set"
            if [&second, &word(2)]
                .iter()
                .any(|word| word.starts_with("transaction")) =>
        {
            Kind::SetTransaction
        }
        "savepoint" | "release" | "set" | "reset" | "show" | "listen" | "unlisten" | "notify"
        | "deallocate" | "discard" | "close" | "checkpoint" => Kind::Quiet,
        "copy" => Kind::Copy,
        "fetch" | "move" => Kind::Fetch,
        "insert" | "update" | "delete" | "merge" | "select" | "values" | "with" | "table"
        | "execute" => Kind::Rows,
        "vacuum" | "reindex" | "cluster" | "call" | "do" => Kind::Commits,
        _ if concurrently() => Kind::Commits,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("SELECT 1", "SELECT …")]
    #[case(
        "  ALTER  TABLE\n\tapp.a -- secret\n ADD b text /* x */ DEFAULT 'secret';",
        "ALTER TABLE app.a ADD b text DEFAULT …"
    )]
    #[case("ALTER ROLE a PASSWORD 'hunter22'", "ALTER ROLE a PASSWORD …")]
    #[case("ALTER ROLE a PASSWORD E'a\\'hunter22'", "ALTER ROLE a PASSWORD …")]
    #[case(
        "INSERT INTO t VALUES ($1, 4111, $$x$$, 1.5e3)",
        "INSERT INTO t VALUES ($1, …, …, …)"
    )]
    #[case("SELECT 'C:\\' , 'x'", "SELECT …")]
    #[case("SELECT E'a'\n'b\\'hunter22'", "SELECT … …")]
    #[case("SELECT 'open hunter22", "SELECT …")]
    #[case("", "")]
    #[case("-- nothing", "")]
    fn the_text_has_no_values(#[case] statement: &str, #[case] expected: &str) {
        assert_eq!(describe(statement.as_bytes(), true).text, expected);
    }

    #[rstest]
    #[case("SELECT 'it\\'s hunter22', 1")]
    #[case("SELECT 'a''\\' hunter22'")]
    fn a_literal_whose_end_is_not_certain_ends_the_text(#[case] statement: &str) {
        assert_eq!(describe(statement.as_bytes(), false).text, "SELECT …");
    }

    #[test]
    fn a_long_statement_is_cut() {
        let statement = format!("SELECT {}", "é, ".repeat(4000));
        let text = describe(statement.as_bytes(), true).text;
        assert_eq!(text.chars().count(), SHOWN + 1);
        let secret = format!("SELECT '{}hunter22'", "x".repeat(READ - 20));
        assert_eq!(describe(secret.as_bytes(), true).text, "SELECT …");
    }

    #[rstest]
    #[case("BEGIN", Kind::Begin)]
    #[case("start transaction read only", Kind::Begin)]
    #[case("commit;", Kind::End)]
    #[case("END WORK", Kind::End)]
    #[case("ROLLBACK TO SAVEPOINT a", Kind::Quiet)]
    #[case("ROLLBACK WORK TO a", Kind::Quiet)]
    #[case("ROLLBACK AND CHAIN", Kind::End)]
    #[case("PREPARE TRANSACTION 'a'", Kind::Prepare)]
    #[case("COMMIT PREPARED 'a'", Kind::Other)]
    #[case("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", Kind::SetTransaction)]
    #[case(
        "SET LOCAL transaction_isolation = 'serializable'",
        Kind::SetTransaction
    )]
    #[case("SET lock_timeout = '2s'", Kind::Quiet)]
    #[case("SET CONSTRAINTS ALL IMMEDIATE", Kind::Other)]
    #[case("/* x */ (SELECT 1)", Kind::Rows)]
    #[case("CREATE INDEX CONCURRENTLY i ON t (a)", Kind::Commits)]
    #[case("CREATE INDEX i ON t (a)", Kind::Other)]
    #[case("copy t from stdin", Kind::Copy)]
    #[case("", Kind::Other)]
    fn statements_are_of_a_kind(#[case] statement: &str, #[case] expected: Kind) {
        assert_eq!(describe(statement.as_bytes(), true).kind, expected);
    }

    #[rstest]
    #[case("SET lock_timeout = '2s'", Some(Change::Session(true)))]
    #[case("SET SESSION lock_timeout TO 0", Some(Change::Session(false)))]
    #[case("set local lock_timeout = 500", Some(Change::Transaction(true)))]
    #[case("SET lock_timeout TO DEFAULT", Some(Change::Reset))]
    #[case("RESET ALL", Some(Change::Reset))]
    #[case(
        "SELECT pg_catalog.set_config('lock_timeout', '1min', true)",
        Some(Change::Transaction(true))
    )]
    #[case(
        "SELECT set_config('lock_timeout', '0ms', false)",
        Some(Change::Session(false))
    )]
    #[case("SET statement_timeout = 5", None)]
    #[case("SELECT 'lock_timeout', 5", None)]
    fn changes_of_lock_timeout_are_followed(
        #[case] statement: &str,
        #[case] expected: Option<Change>,
    ) {
        assert_eq!(describe(statement.as_bytes(), true).lock_timeout, expected);
    }

    #[rstest]
    #[case("SET log_min_messages = 'error'", true)]
    #[case("SELECT set_config('LOG_min_messages', 'error', true)", true)]
    #[case("DO $$ BEGIN SET LOCAL log_min_messages = 'error'; END $$", true)]
    #[case("SET client_min_messages = 'error'", false)]
    #[case("SELECT log_min_message", false)]
    fn what_changes_the_level_of_the_log_is_seen(#[case] statement: &str, #[case] expected: bool) {
        assert_eq!(describe(statement.as_bytes(), true).log_level, expected);
    }

    #[rstest]
    #[case("SELECT $1", true)]
    #[case("SELECT a$1 FROM t", false)]
    #[case("SELECT '$1', $$ $1 $$", false)]
    #[case("SELECT 1", false)]
    fn parameters_are_found(#[case] statement: &str, #[case] expected: bool) {
        assert_eq!(has_parameters(statement.as_bytes()), expected);
    }
}
