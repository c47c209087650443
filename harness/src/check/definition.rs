//! Definitions as the server writes them, compared as text.

/// Splits a definition into words, quoted things and signs; white space is left out.
#[must_use]
pub fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut chars = text.trim().trim_end_matches(';').chars().peekable();
    let in_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '.');
    while let Some(c) = chars.next() {
        let mut token = String::from(c);
        if c.is_whitespace() {
            continue;
        } else if c == '\'' {
            // Doubled quotes make two tokens side by side, which is the same on both sides.
            for next in chars.by_ref() {
                token.push(next);
                if next == '\'' {
                    break;
                }
            }
        } else if c == '"' || in_name(c) {
            let mut quoted = c == '"';
            while let Some(next) = chars.next_if(|next| quoted || in_name(*next) || *next == '"') {
                quoted ^= next == '"';
                token.push(next);
            }
        }
        tokens.push(token);
    }
    tokens
}

/// Splits `schema.name` at the dot that is not in quotes.
#[must_use]
pub fn unqualified(token: &str) -> (Option<&str>, &str) {
    let mut quoted = false;
    let mut last = None;
    for (at, c) in token.char_indices() {
        quoted ^= c == '"';
        if c == '.' && !quoted {
            last = Some(at);
        }
    }
    match last {
        Some(at) => (Some(&token[..at]), &token[at + 1..]),
        None => (None, token),
    }
}

/// Tells whether two definitions are the same but for white space, `ONLY`, and schemas that the
/// expected one leaves out: which names are qualified depends on the session that wrote it.
#[must_use]
pub fn same_definition(expected: &str, actual: &str) -> bool {
    // `ON ONLY` is how the server writes an index of a partitioned table, and `ON` how people do.
    let words = |text| tokens(text).into_iter().filter(|token| token != "ONLY");
    let (expected, actual): (Vec<_>, Vec<_>) = (words(expected).collect(), words(actual).collect());
    expected.len() == actual.len()
        && expected.iter().zip(&actual).all(|(expected, actual)| {
            expected == actual || {
                let is_name =
                    actual.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '"');
                let (schema, name) = unqualified(actual);
                is_name && schema.is_some() && name == expected
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const HNSW: &str =
        "CREATE INDEX e_idx ON app.e USING hnsw (v public.vector_l2_ops) WITH (m='16')";

    #[rstest]
    #[case(HNSW, HNSW, true)]
    #[case(
        "CREATE INDEX e_idx\n  ON app.e USING hnsw\t( v public.vector_l2_ops ) WITH (m = '16');",
        HNSW,
        true
    )]
    #[case(
        "CREATE INDEX e_idx ON e USING hnsw (v vector_l2_ops) WITH (m='16')",
        HNSW,
        true
    )]
    #[case(
        "CREATE INDEX e_idx ON app.e USING hnsw (v vector_cosine_ops) WITH (m='16')",
        HNSW,
        false
    )]
    #[case(
        "CREATE INDEX e_idx ON app.e USING hnsw (v other.vector_l2_ops) WITH (m='16')",
        HNSW,
        false
    )]
    #[case(
        "CREATE INDEX e_idx ON app.e USING hnsw (v public.vector_l2_ops) WITH (m='8')",
        HNSW,
        false
    )]
    #[case(
        "CREATE INDEX e_idx ON app.e USING hnsw (v public.vector_l2_ops)",
        HNSW,
        false
    )]
    #[case(
        "CREATE INDEX i ON t USING btree (a)",
        "CREATE INDEX i ON ONLY app.t USING btree (a)",
        true
    )]
    #[case(
        "CREATE INDEX i ON t USING btree (a)",
        "CREATE UNIQUE INDEX i ON app.t USING btree (a)",
        false
    )]
    #[case("x ((a = 'B  C'))", "x ((a = 'B C'))", false)]
    #[case("x (\"My Column\")", "x (\"My  Column\")", false)]
    #[case("x (\"S\".\"T\")", "x (\"S\".\"T\")", true)]
    #[case("x (\"T\")", "x (\"S\".\"T\")", true)]
    #[case("x (app.t)", "x (t)", false)]
    #[case("x (5)", "x (1.5)", false)]
    fn definitions(#[case] expected: &str, #[case] actual: &str, #[case] same: bool) {
        assert_eq!(same_definition(expected, actual), same);
    }
}
