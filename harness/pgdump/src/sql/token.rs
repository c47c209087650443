//! SQL text token by token, by the rules of "Lexical Structure" in the server's manual.
//!
//! This is the one tokenizer of SQL that is in memory. The reader of dumps has a lexer of its own
//! (`backup/format/lexer`), because it does something else: it finds where statements end in a stream
//! that may be cut at any byte, and it follows psql, which knows commands of its own, bodies of functions
//! and parentheses. Which bytes make a word, and where a literal ends, both take from here.

use std::borrow::Cow;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// A keyword or a name, with its dots and quoted parts: `app."My Table"`.
    Word,
    /// Begins with a digit.
    Number,
    /// A text between quotes or dollars, with its prefix: `'it''s'`, `E'\n'`, `$$…$$`.
    Literal,
    /// `-- …` up to its line's end, or `/* … */`.
    Comment,
    /// Any other character; an operator may be several.
    Sign,
}

/// A token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: TokenKind,
    /// As it is written, with its quotes.
    pub text: &'a str,
    /// Byte at which it begins.
    pub start: usize,
}

impl Token<'_> {
    /// The byte after it.
    #[must_use]
    pub const fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Whether it is this keyword, in upper or lower case.
    #[must_use]
    pub fn is_word(&self, word: &str) -> bool {
        self.kind == TokenKind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// Bytes of a literal before its first quote or dollar: 1 for `E'…'`, 0 for `'…'`.
    #[must_use]
    pub fn prefix(&self) -> usize {
        let open = self.text.find(['\'', '$']);
        open.filter(|_| self.kind == TokenKind::Literal)
            .unwrap_or(0)
    }

    /// The text within the quotes of a literal, doubled quotes made single and escapes left as they are;
    /// of any other token the token itself.
    #[must_use]
    pub fn content(&self) -> Cow<'_, str> {
        if self.kind != TokenKind::Literal {
            return self.text.into();
        }
        let text = &self.text[self.prefix()..];
        match dollar_tag(text.as_bytes()).map(<[u8]>::len) {
            Some(tag) => {
                let inner = &text[tag..];
                inner
                    .get(..inner.len().saturating_sub(tag))
                    .unwrap_or(inner)
                    .into()
            }
            None => {
                let inner = text.strip_prefix('\'').unwrap_or(text);
                let inner = inner.strip_suffix('\'').unwrap_or(inner);
                match inner.contains("''") {
                    true => inner.replace("''", "'").into(),
                    false => inner.into(),
                }
            }
        }
    }
}

/// Splits a text into tokens; white space and comments are left out.
pub fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    tokens_and_comments(text).filter(|token| token.kind != TokenKind::Comment)
}

/// Splits a text into tokens, comments among them. What is not closed ends with the text.
pub fn tokens_and_comments(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = &text.as_bytes()[at..];
        let blank = rest.iter().position(|byte| !is_space(*byte))?;
        let start = at + blank;
        let (kind, length) = first_token(&rest[blank..]);
        at = start + length;
        Some(Token {
            kind,
            // Only ASCII ends a token, so that no letter is cut.
            text: &text[start..at],
            start,
        })
    })
}

/// What the token at the start of `text`, which is not empty, is, and its bytes.
fn first_token(text: &[u8]) -> (TokenKind, usize) {
    let literal = |prefix: usize, escapes: bool| {
        let length = quoted_length(&text[prefix..], escapes);
        let length = length.map_or(text.len(), |length| prefix + length);
        (TokenKind::Literal, length)
    };
    match text {
        [b'-', b'-', ..] => {
            let end = memchr::memchr(b'\n', text).unwrap_or(text.len());
            (TokenKind::Comment, end)
        }
        [b'/', b'*', ..] => (TokenKind::Comment, block_comment_length(text)),
        [b'\'', ..] => literal(0, false),
        [b'e' | b'E', b'\'', ..] => literal(1, true),
        [b'b' | b'B' | b'n' | b'N' | b'x' | b'X', b'\'', ..] => literal(1, false),
        [b'u' | b'U', b'&', b'\'', ..] => literal(2, false),
        [b'$', ..] => match dollar_tag(text) {
            Some(tag) => {
                let end = find_tag(&text[tag.len()..], tag);
                let length = end.map_or(text.len(), |at| at + 2 * tag.len());
                (TokenKind::Literal, length)
            }
            None => (TokenKind::Sign, 1),
        },
        [b'0'..=b'9', ..] => {
            let end = text
                .iter()
                .position(|byte| !is_word(*byte) && *byte != b'.');
            (TokenKind::Number, end.unwrap_or(text.len()))
        }
        [first, ..] if *first == b'"' || is_word(*first) => (TokenKind::Word, name_length(text)),
        _ => (TokenKind::Sign, 1),
    }
}

/// Bytes of a name with its dots: a dot belongs to it only where a name follows.
#[must_use]
pub fn name_length(text: &[u8]) -> usize {
    let mut at = 0;
    loop {
        let rest = &text[at..];
        at += match rest.first() {
            Some(b'"') => quoted_length(rest, false).unwrap_or(rest.len()),
            _ => word_length(rest).unwrap_or(rest.len()),
        };
        match text[at..] {
            [b'.', next, ..] if next == b'"' || begins_word(next) => at += 1,
            _ => return at,
        }
    }
}

/// Bytes of the comment that `text` begins with; such comments nest.
fn block_comment_length(text: &[u8]) -> usize {
    let (mut at, mut depth) = (2, 1_u32);
    while depth > 0 {
        let rest = text.get(at..).unwrap_or_default();
        let Some(stop) = memchr::memchr2(b'*', b'/', rest) else {
            return text.len();
        };
        at += match rest[stop..] {
            [b'*', b'/', ..] => {
                depth -= 1;
                stop + 2
            }
            [b'/', b'*', ..] => {
                depth += 1;
                stop + 2
            }
            _ => stop + 1,
        };
    }
    at
}

/// White space, as the server has it.
#[must_use]
pub const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Whether a byte is part of a word: a letter, a digit, `_`, or of a letter beyond ASCII. Behind its first
/// byte a word may also have `$`.
#[must_use]
pub const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Whether a word may begin with a byte.
#[must_use]
pub const fn begins_word(byte: u8) -> bool {
    is_word(byte) && !byte.is_ascii_digit()
}

/// Bytes of the word, or the part of one, that `text` begins with; `None` where it does not end in `text`.
#[must_use]
pub fn word_length(text: &[u8]) -> Option<usize> {
    text.iter()
        .position(|byte| !is_word(*byte) && *byte != b'$')
}

/// Bytes of the quoted text or name that `text` begins with, quotes included and doubled quotes passed over;
/// `None` where it is not closed. `escapes` says whether a backslash takes the next byte with it.
#[must_use]
pub fn quoted_length(text: &[u8], escapes: bool) -> Option<usize> {
    let quote = *text.first()?;
    let mut at = 1;
    loop {
        let rest = text.get(at..)?;
        at += 1 + if escapes {
            memchr::memchr2(quote, b'\\', rest)?
        } else {
            memchr::memchr(quote, rest)?
        };
        let doubled = text.get(at) == Some(&quote);
        if doubled || text[at - 1] != quote {
            at += 1;
        } else {
            return Some(at);
        }
    }
}

/// Maximum length of the tag of a dollar quote in bytes.
pub const LONGEST_TAG: usize = 256;

/// `$$` or `$tag$` at the start of `text`.
#[must_use]
pub fn dollar_tag(text: &[u8]) -> Option<&[u8]> {
    let text = &text[..text.len().min(LONGEST_TAG)];
    let end = 1 + text
        .strip_prefix(b"$")?
        .iter()
        .position(|byte| *byte == b'$')?;
    let tag = &text[1..end];
    let first_is_digit = tag.first().is_some_and(u8::is_ascii_digit);
    (!first_is_digit && tag.iter().all(|byte| is_word(*byte))).then_some(&text[..=end])
}

/// Where a dollar quote's tag is in `text`.
#[must_use]
pub fn find_tag(text: &[u8], tag: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'$', text).find(|at| text[*at..].starts_with(tag))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn split(text: &str) -> Vec<&str> {
        tokens(text).map(|token| token.text).collect()
    }

    #[rstest]
    #[case("SELECT a.b, \"C d\".\"e\"\"f\"", &["SELECT", "a.b", ",", "\"C d\".\"e\"\"f\""])]
    #[case("app.* , x.1", &["app", ".", "*", ",", "x", ".", "1"])]
    #[case("'it''s' E'a\\'b' x'0F' U&'d\\'", &["'it''s'", "E'a\\'b'", "x'0F'", "U&'d\\'"])]
    #[case("namE'x' \"a\"AS", &["namE", "'x'", "\"a\"", "AS"])]
    #[case("$$ a $ b $$ $_1$ $$ $_1$ $1 a$b$c", &["$$ a $ b $$", "$_1$ $$ $_1$", "$", "1", "a$b$c"])]
    #[case("1.5::numeric(5,2)", &["1.5", ":", ":", "numeric", "(", "5", ",", "2", ")"])]
    #[case("a -- it's\nb /* ' /* */ \" */ c", &["a", "b", "c"])]
    #[case("größe über", &["größe", "über"])]
    #[case("'open", &["'open"])]
    #[case("\"open", &["\"open"])]
    #[case("$a$open", &["$a$open"])]
    #[case("a /* open", &["a"])]
    #[case("E'open\\", &["E'open\\"])]
    fn text_is_split_as_the_server_splits_it(#[case] text: &str, #[case] expected: &[&str]) {
        assert_eq!(split(text), expected);
    }

    #[rstest]
    #[case("'it''s'", "it's")]
    #[case("''", "")]
    #[case("E'a\\tb'", "a\\tb")]
    #[case("$q$it's$q$", "it's")]
    #[case("U&'x'", "x")]
    #[case("off", "off")]
    #[case("\"A\"", "\"A\"")]
    #[case("'open", "open")]
    fn the_content_of_a_literal(#[case] text: &str, #[case] content: &str) {
        assert_eq!(tokens(text).next().unwrap().content(), content);
    }

    proptest! {
        /// Between tokens there is white space and nothing else.
        #[test]
        fn nothing_is_left_out(text in "[aE1_é.'\"$\\-/*()\\\\ \n;]{0,60}") {
            let mut end = 0;
            for token in tokens_and_comments(&text) {
                prop_assert!(!token.text.is_empty());
                prop_assert!(text[end..token.start].bytes().all(is_space));
                prop_assert_eq!(&text[token.start..token.end()], token.text);
                let _ = token.content();
                end = token.end();
            }
            prop_assert!(text[end..].bytes().all(is_space));
        }

        #[test]
        fn quoting_hides_everything(inner in "[a;'\\\\$\\-/*( \n\"]{0,40}") {
            let literal = format!("'{}'", inner.replace('\'', "''"));
            let name = format!("\"{}\"", inner.replace('"', "\"\""));
            let text = format!("a {literal} {name} b");
            prop_assert_eq!(split(&text), ["a", literal.as_str(), name.as_str(), "b"]);
            let token = tokens(&literal).next().unwrap();
            prop_assert_eq!(token.content(), inner);
        }
    }
}
