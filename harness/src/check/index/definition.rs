//! Definitions of indexes, compared as text.

use crate::sql::{split_qualified, tokens};

/// Gives the table that a definition is about.
pub fn table(definition: &str) -> Option<String> {
    let mut words = tokens(definition).map(|token| token.text);
    words.find(|word| *word == "ON")?;
    words.find(|word| *word != "ONLY").map(str::to_owned)
}

/// Tells whether `actual`, which has a schema, is the operator class that is asked for.
pub fn operator_class_is(expected: &str, actual: &str) -> bool {
    expected == actual || split_qualified(actual).1 == expected
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
