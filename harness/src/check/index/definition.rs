//! Definitions of indexes, compared as text.

/// Splits a definition into words, quoted things and signs; white space is left out.
fn tokens(text: &str) -> Vec<String> {
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
fn unqualified(token: &str) -> (Option<&str>, &str) {
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

/// Gives the table that a definition is about.
pub fn table(definition: &str) -> Option<String> {
    let tokens = tokens(definition);
    let on = tokens.iter().position(|token| token == "ON")?;
    tokens[on + 1..]
        .iter()
        .find(|token| *token != "ONLY")
        .cloned()
}

/// Tells whether `actual`, which has a schema, is the operator class that is asked for.
pub fn operator_class_is(expected: &str, actual: &str) -> bool {
    expected == actual || unqualified(actual).1 == expected
}

/// Defaults of options that an index need not spell out: `CREATE INDEX` pages of the manual, and
/// pgvector's README.
const DEFAULTS: &[(&str, &str, &str)] = &[
    ("hnsw", "m", "16"),
    ("hnsw", "ef_construction", "64"),
    ("ivfflat", "lists", "100"),
    ("btree", "fillfactor", "90"),
    ("btree", "deduplicate_items", "on"),
    ("hash", "fillfactor", "75"),
    ("gist", "fillfactor", "90"),
    ("gist", "buffering", "auto"),
    ("spgist", "fillfactor", "80"),
    ("gin", "fastupdate", "on"),
    ("brin", "pages_per_range", "128"),
    ("brin", "autosummarize", "off"),
];

/// Compares an option of an index with what is asked for; gives what it is instead.
pub fn option_is(name: &str, expected: &str, method: &str, options: &[String]) -> Option<String> {
    let set = options
        .iter()
        .filter_map(|option| option.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value);
    let default = DEFAULTS
        .iter()
        .find(|(m, key, _)| *m == method && *key == name)
        .map(|(_, _, value)| *value);
    match set.or(default) {
        Some(value) if plain(value) == plain(expected) => None,
        Some(value) if set.is_none() => Some(format!("{name} = {value}, the default")),
        Some(value) => Some(format!("{name} = {value}")),
        None => Some(format!("{name} is not set")),
    }
}

/// Writes a boolean in one way.
fn plain(value: &str) -> String {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => "on".to_owned(),
        "false" | "no" | "off" => "off".to_owned(),
        other => other.to_owned(),
    }
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

    #[rstest]
    #[case(HNSW, Some("app.e"))]
    #[case(
        "CREATE INDEX i ON ONLY \"My App\".t USING btree (a)",
        Some("\"My App\".t")
    )]
    #[case("nonsense", None)]
    fn tables(#[case] definition: &str, #[case] expected: Option<&str>) {
        assert_eq!(table(definition).as_deref(), expected);
    }

    #[rstest]
    #[case("m", "16", "hnsw", "m=16", None)]
    #[case("m", "16", "hnsw", "", None)]
    #[case("m", "16", "hnsw", "m=8", Some("m = 8"))]
    #[case("lists", "20", "ivfflat", "", Some("lists = 100, the default"))]
    #[case("fastupdate", "off", "gin", "fastupdate=false", None)]
    #[case("other", "1", "btree", "", Some("other is not set"))]
    fn options_are_compared(
        #[case] name: &str,
        #[case] expected: &str,
        #[case] method: &str,
        #[case] options: &str,
        #[case] actual: Option<&str>,
    ) {
        let options: Vec<String> = options.split_whitespace().map(str::to_owned).collect();
        assert_eq!(
            option_is(name, expected, method, &options).as_deref(),
            actual
        );
    }

    #[rstest]
    #[case("vector_cosine_ops", "public.vector_cosine_ops", true)]
    #[case("public.vector_cosine_ops", "public.vector_cosine_ops", true)]
    #[case("ext.vector_cosine_ops", "public.vector_cosine_ops", false)]
    #[case("vector_l2_ops", "public.vector_cosine_ops", false)]
    fn operator_classes(#[case] expected: &str, #[case] actual: &str, #[case] same: bool) {
        assert_eq!(operator_class_is(expected, actual), same);
    }
}
