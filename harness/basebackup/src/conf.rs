//! Files of settings of a server, as far as to say what they set.

/// Name of the file that people write.
pub const CONF: &str = "postgresql.conf";
/// Name of the file that `ALTER SYSTEM` writes.
pub const AUTO_CONF: &str = "postgresql.auto.conf";

/// Name, in lower case, and value of each setting, in the order of the file; the last of a name counts. Directives such as `include`
/// are among them.
#[must_use]
pub fn settings(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().filter_map(|line| {
        let line = line.trim();
        let end =
            line.find(|letter: char| !(letter.is_ascii_alphanumeric() || "_.".contains(letter)));
        let (name, rest) = line.split_at(end.unwrap_or(line.len()));
        if name.is_empty() {
            return None;
        }
        let rest = rest.trim_start();
        let rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
        Some((name.to_ascii_lowercase(), value(rest)))
    });
    lines.collect()
}

/// A value with or without quotes, before a comment.
fn value(text: &str) -> String {
    let Some(quoted) = text.strip_prefix('\'') else {
        let end = text.find(|letter: char| letter == '#' || letter.is_whitespace());
        return text[..end.unwrap_or(text.len())].to_owned();
    };
    let mut value = String::new();
    let mut letters = quoted.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' if letters.peek() == Some(&'\'') => {
                letters.next();
                value.push('\'');
            }
            '\'' => break,
            '\\' => value.extend(letters.next()),
            other => value.push(other),
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_the_server_does() {
        let text = "# comment\n archive_mode = on # yes\nArchive_Command='cp %p ''x''/%f'\nport 5433\n\
                    include_dir 'conf.d'\ncron.database_name = 'a\\'b'\n\n=x\n";
        let expected = [
            ("archive_mode", "on"),
            ("archive_command", "cp %p 'x'/%f"),
            ("port", "5433"),
            ("include_dir", "conf.d"),
            ("cron.database_name", "a'b"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(settings(text), expected);
    }
}
