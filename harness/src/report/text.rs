//! Makes texts from outside safe to print.
//!
//! Object names and messages come from the backup, and a backup is hostile until it is shown not
//! to be: its texts must not move a cursor, hide other text or break a file's syntax.

/// The longest text that a report for people shows; the JSON report has all of it.
const LONGEST: usize = 1_000;

/// Makes one line: without terminal sequences, and every other unprintable character visible.
pub(crate) fn line(text: &str) -> String {
    let text: String = lines(text)
        .chars()
        .map(|c| if matches!(c, '\n' | '\t') { ' ' } else { c })
        .collect();
    cut(text.trim())
}

/// Makes lines of it; as `line`, but line ends stay and nothing is cut.
pub(super) fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => {
                // Colours are removed. Nothing else is read as a sequence: one that never ends would
                // hide the text after it.
                let rest: String = chars.clone().take(SEQUENCE).collect();
                match colour(&rest) {
                    Some(length) => {
                        for _ in 0..length {
                            chars.next();
                        }
                    }
                    None => out.push(char::REPLACEMENT_CHARACTER),
                }
            }
            '\r' => {
                chars.next_if_eq(&'\n');
                out.push('\n');
            }
            '\n' | '\u{85}' | '\u{2028}' | '\u{2029}' => out.push('\n'),
            '\t' => out.push('\t'),
            c if unprintable(c) => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
    out
}

/// Maximum length of a sequence.
const SEQUENCE: usize = 32;

/// Measures, in characters after the escape, a control sequence: `[`, parameters, a final letter.
fn colour(rest: &str) -> Option<usize> {
    let parameters = rest.strip_prefix('[')?;
    let end = parameters.find(|c: char| !matches!(c, ' '..='?'))?;
    parameters[end..]
        .starts_with(|c| matches!(c, '@'..='~'))
        .then_some(end + 2)
}

/// Whether a character is invisible, changes the direction of text, or is not allowed in XML.
fn unprintable(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

/// Cuts a very long text in the middle, and says so: the output of a program has its error at the end.
fn cut(text: &str) -> String {
    let characters = text.chars().count();
    if characters <= LONGEST {
        return text.to_owned();
    }
    let place = |number: usize| text.char_indices().nth(number).map_or(0, |(at, _)| at);
    let begin = &text[..place(LONGEST / 2)];
    let end = &text[place(characters - LONGEST / 2)..];
    format!("{begin}… ({} characters) …{end}", characters - LONGEST)
}

/// Quotes a word of a command line for a shell, where it needs that.
pub(crate) fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("plain", "plain")]
    #[case("\x1b[31mred\x1b[0m", "red")]
    #[case("\x1b[2J\x1b[Hx", "x")]
    #[case("\x1b]0;title\x07 after", "\u{fffd}]0;title\u{fffd} after")]
    #[case("\x1b[31", "\u{fffd}[31")]
    #[case("a\0b\x08\u{9b}c\u{ffff}", "a\u{fffd}b\u{fffd}\u{fffd}c\u{fffd}")]
    #[case("\u{202e}drowssap", "\u{fffd}drowssap")]
    #[case("a\r\nb\rc\u{2028}d\te", "a b c d e")]
    #[case("größe 日本", "größe 日本")]
    fn one_harmless_line(#[case] text: &str, #[case] harmless: &str) {
        assert_eq!(line(text), harmless);
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        let half = LONGEST / 2;
        let text = format!("{}lost!{}", "é".repeat(half), "ü".repeat(half));
        let (begin, end) = ("é".repeat(half), "ü".repeat(half));
        assert_eq!(line(&text), format!("{begin}… (5 characters) …{end}"));
        assert_eq!(line(&begin), begin);
    }
}
