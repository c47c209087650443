//! The statement that is not finished: what psql keeps of it to know its end, and what an INSERT holds.

/// Words that determine the kind of a statement.
const FIRST_WORDS: usize = 4;

/// A statement that is not finished.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) begun: bool,
    /// Line of its first word.
    pub(super) line: u64,
    /// Byte of its first word.
    pub(super) begins: u64,
    parens: u32,
    bodies: u32,
    /// First letters of the first words: used as in psql, to detect the body of a function.
    words: Vec<u8>,
    in_values: bool,
    by_default: bool,
    pub(super) groups: u64,
    pub(super) on_conflict: bool,
    /// The beginning of the word that is being read.
    word: Vec<u8>,
}

impl Pending {
    pub(super) fn new(line: u64, begins: u64) -> Self {
        Self {
            begun: true,
            line,
            begins,
            ..Self::default()
        }
    }

    pub(super) fn in_word(&self) -> bool {
        !self.word.is_empty()
    }

    /// Whether the word before this byte is `word`.
    pub(super) fn word_is(&self, word: &[u8]) -> bool {
        self.word.eq_ignore_ascii_case(word)
    }

    /// A part of a word.
    pub(super) fn word(&mut self, part: &[u8]) {
        let room = 64_usize.saturating_sub(self.word.len()).min(part.len());
        self.word.extend_from_slice(&part[..room]);
    }

    pub(super) fn open(&mut self) {
        self.parens += 1;
    }

    pub(super) fn close(&mut self) {
        self.parens = self.parens.saturating_sub(1);
        if self.parens == 0 && self.in_values {
            self.groups += 1;
        }
    }

    /// Whether words have no meaning at this place, as in the rows of an INSERT.
    pub(super) fn in_row(&self) -> bool {
        self.parens > 0 && self.words.len() == FIRST_WORDS
    }

    /// Whether a semicolon ends it.
    pub(super) fn may_end(&self) -> bool {
        self.parens == 0 && self.bodies == 0
    }

    /// Counts words the way psql does, to know the body of an SQL-standard function.
    pub(super) fn end_word(&mut self) {
        if self.word.is_empty() {
            return;
        }
        let mut word = std::mem::take(&mut self.word);
        word.make_ascii_lowercase();
        if self.words.len() < FIRST_WORDS {
            self.words.push(match word.as_slice() {
                b"create" => b'c',
                b"function" => b'f',
                b"procedure" => b'p',
                b"or" => b'o',
                b"replace" => b'r',
                b"insert" => b'i',
                _ => b'-',
            });
        }
        if self.parens == 0 {
            self.count(&word);
        }
        // Its room is used again.
        word.clear();
        self.word = word;
    }

    /// A word outside parentheses.
    fn count(&mut self, word: &[u8]) {
        let defines = matches!(
            self.words.as_slice(),
            [b'c', b'f' | b'p', ..] | [b'c', b'o', b'r', b'f' | b'p']
        );
        if defines {
            match word {
                b"begin" => self.bodies += 1,
                b"case" if self.bodies > 0 => self.bodies += 1,
                b"end" => self.bodies = self.bodies.saturating_sub(1),
                _ => {}
            }
        } else if self.words.first() == Some(&b'i') {
            match word {
                b"values" if self.by_default => self.groups = 1,
                b"values" => self.in_values = true,
                b"on" | b"returning" => self.in_values = false,
                b"conflict" => self.on_conflict = true,
                _ => {}
            }
            self.by_default = word == b"default";
        }
    }
}
