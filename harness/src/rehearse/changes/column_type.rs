//! Whether a type of a column holds every value of another one.

/// A type as the server prints it: `numeric(10,2)[]`, `timestamp(3) without time zone`.
struct ColumnType<'a> {
    /// Its name, without what is in parentheses.
    name: String,
    /// What is in parentheses: `["10", "2"]`.
    modifiers: Vec<&'a str>,
    is_array: bool,
}

impl<'a> ColumnType<'a> {
    fn parse(text: &'a str) -> Self {
        let (text, is_array) = match text.strip_suffix("[]") {
            Some(element) => (element, true),
            None => (text, false),
        };
        // A quoted name may have parentheses of its own, and is compared as a whole.
        let modifier = Some(text).filter(|text| !text.contains('"'));
        let modifier = modifier.and_then(|text| {
            let (name, rest) = text.split_once('(')?;
            let (modifiers, rest) = rest.split_once(')')?;
            Some((format!("{name}{rest}"), modifiers.split(',').collect()))
        });
        let (name, modifiers) = modifier.unwrap_or_else(|| (text.to_owned(), Vec::new()));
        Self {
            name,
            modifiers,
            is_array,
        }
    }

    /// The first number in parentheses.
    fn length(&self) -> Option<u32> {
        self.modifiers.first()?.parse().ok()
    }

    /// Digits before and after the point, of `numeric`.
    fn digits(&self) -> Option<(i64, i64)> {
        let precision: i64 = self.modifiers.first()?.parse().ok()?;
        let scale = self
            .modifiers
            .get(1)
            .map_or(Some(0), |one| one.parse().ok());
        let scale: i64 = scale?;
        Some((precision - scale, scale))
    }
}

/// Whether a column of the type `new` holds every value that a column of the type `old` holds. A type that is not known to does not:
/// a review decides.
#[must_use]
pub(super) fn holds_all(old: &str, new: &str) -> bool {
    let (old, new) = (ColumnType::parse(old), ColumnType::parse(new));
    if old.is_array != new.is_array {
        // Any value has a text.
        return !new.is_array && is_unlimited_text(&new);
    }
    if is_unlimited_text(&new) {
        return true;
    }
    match (old.name.as_str(), new.name.as_str()) {
        ("numeric", "numeric") => match (old.digits(), new.digits()) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(old), Some(new)) => old.0 <= new.0 && old.1 <= new.1,
        },
        (whole, "numeric") => whole_digits(whole)
            .is_some_and(|most| new.digits().is_none_or(|(before, _)| before >= most)),
        ("character varying" | "character", "character varying") => {
            match (old.length(), new.length()) {
                (_, None) => true,
                (None, Some(_)) => false,
                (Some(old), Some(new)) => old <= new,
            }
        }
        ("smallint", "integer" | "bigint" | "real" | "double precision")
        | ("integer", "bigint" | "double precision")
        | ("real", "double precision")
        | ("json", "jsonb") => true,
        (same, other) if same == other => match (old.length(), new.length()) {
            (_, None) => true,
            (Some(old), Some(new)) => old <= new,
            // Without a number it has the most digits, or any number of elements.
            (None, Some(_)) => false,
        },
        _ => false,
    }
}

fn is_unlimited_text(of: &ColumnType<'_>) -> bool {
    of.modifiers.is_empty() && matches!(of.name.as_str(), "text" | "character varying")
}

/// Most digits of a type of whole numbers.
fn whole_digits(name: &str) -> Option<i64> {
    match name {
        "smallint" => Some(5),
        "integer" => Some(10),
        "bigint" => Some(19),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("integer", "bigint", true)]
    #[case("bigint", "integer", false)]
    #[case("integer", "numeric", true)]
    #[case("integer", "numeric(12,2)", true)]
    #[case("integer", "numeric(10,2)", false)]
    #[case("integer", "real", false)]
    #[case("real", "double precision", true)]
    #[case("double precision", "real", false)]
    #[case("numeric", "numeric(10,2)", false)]
    #[case("numeric(10,2)", "numeric", true)]
    #[case("numeric(10,2)", "numeric(12,2)", true)]
    #[case("numeric(10,2)", "numeric(10,4)", false)]
    #[case("numeric(10)", "numeric(12,2)", true)]
    #[case("text", "character varying(50)", false)]
    #[case("text", "character varying", true)]
    #[case("character varying(50)", "character varying(80)", true)]
    #[case("character varying(50)", "character varying(20)", false)]
    #[case("character varying(50)", "text", true)]
    #[case("timestamp with time zone", "text", true)]
    #[case("timestamp with time zone", "timestamp without time zone", false)]
    #[case("timestamp(3) without time zone", "timestamp without time zone", true)]
    #[case("timestamp without time zone", "timestamp(3) without time zone", false)]
    #[case("timestamp with time zone", "date", false)]
    #[case("integer[]", "bigint[]", true)]
    #[case("integer[]", "integer", false)]
    #[case("integer[]", "text", true)]
    #[case("text", "text[]", false)]
    #[case("public.vector(32)", "public.vector", true)]
    #[case("public.vector", "public.vector(32)", false)]
    #[case("json", "jsonb", true)]
    #[case("jsonb", "json", false)]
    #[case("text", "app.\"Short (5)\"", false)]
    fn a_type_that_is_not_known_to_hold_all_does_not(
        #[case] old: &str,
        #[case] new: &str,
        #[case] holds: bool,
    ) {
        assert_eq!(holds_all(old, new), holds);
    }
}
