//! Expressions that the server writes in two ways, though they are one.

use crate::check::definition::{tokens, unqualified};

/// Tells whether two texts are the same expression.
///
/// A list of constants of another type, `status IN ('a', 'b')` over a varchar column, is written as
/// `(ARRAY['a'::character varying])::text[]` and, once that was dumped and restored, as
/// `ARRAY[('a'::character varying)::text]`.
pub fn same(old: &str, new: &str) -> bool {
    old == new || (casts_an_array(old) || casts_an_array(new)) && push_down(old) == push_down(new)
}

/// Tells whether two texts of servers of two major versions differ only in parentheses and in how far names are
/// qualified: since 16 a view over one table has its columns without it.
pub fn similar(old: &str, new: &str) -> bool {
    let words = |text| {
        let words = tokens(text).into_iter();
        let words = words.filter(|word| word != "(" && word != ")");
        words
            .map(|word| unqualified(&word).1.to_owned())
            .collect::<Vec<_>>()
    };
    words(old) == words(new)
}

fn casts_an_array(text: &str) -> bool {
    text.contains("(ARRAY[")
}

/// Writes the cast of an array as a cast of each of its elements.
fn push_down(text: &str) -> String {
    let mut done = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("(ARRAY[") {
        let inside = &rest[at + "(ARRAY[".len()..];
        let Some((elements, behind)) = elements(inside) else {
            break;
        };
        let cast = behind.strip_prefix(")::").and_then(|behind| {
            let end = behind.find("[]")?;
            let name = &behind[..end];
            let of_name = |c: char| c.is_alphanumeric() || " _.\"".contains(c);
            name.chars()
                .all(of_name)
                .then(|| (name, &behind[end + 2..]))
        });
        done.push_str(&rest[..at]);
        match cast {
            Some((name, behind)) => {
                let cast: Vec<String> = elements
                    .iter()
                    .map(|element| format!("({element})::{name}"))
                    .collect();
                done.push_str(&format!("ARRAY[{}]", cast.join(", ")));
                rest = behind;
            }
            None => {
                done.push_str("(ARRAY[");
                rest = inside;
            }
        }
    }
    done + rest
}

/// The elements up to the closing bracket, and what stands behind it.
fn elements(text: &str) -> Option<(Vec<&str>, &str)> {
    let (mut depth, mut quote, mut from) = (0_u32, None, 0);
    let mut elements = Vec::new();
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '[') => depth += 1,
            (None, ']') if depth == 0 => {
                elements.push(text[from..at].trim());
                return Some((elements, &text[at + 1..]));
            }
            (None, ')' | ']') => depth = depth.checked_sub(1)?,
            (None, ',') if depth == 0 => {
                elements.push(text[from..at].trim());
                from = at + 1;
            }
            (None, _) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "((s)::text = ANY ((ARRAY['a'::character varying, 'b,]'::character varying])::text[]))",
        "((s)::text = ANY (ARRAY[('a'::character varying)::text, ('b,]'::character varying)::text]))",
        true
    )]
    #[case(
        "((s)::text = ANY ((ARRAY['a'::character varying])::text[]))",
        "((s)::text = ANY (ARRAY[('b'::character varying)::text]))",
        false
    )]
    #[case("(ARRAY['a'])", "(ARRAY['a'])", true)]
    #[case("(ARRAY['a'])", "ARRAY['a']", false)]
    #[case("(ARRAY['a'", "(ARRAY['a", false)]
    #[case("a", "b", false)]
    fn one_expression(#[case] old: &str, #[case] new: &str, #[case] expected: bool) {
        assert_eq!(same(old, new), expected);
    }

    #[rstest]
    #[case(
        "SELECT orders.id FROM app.orders;",
        "SELECT id FROM app.orders;",
        true
    )]
    #[case(
        "SELECT id FROM app.orders WHERE (a > 1);",
        "SELECT id FROM app.orders WHERE a > 1;",
        true
    )]
    #[case(
        "SELECT id FROM app.orders WHERE (a > 1);",
        "SELECT id FROM app.orders WHERE a > 2;",
        false
    )]
    #[case("SELECT '(a.b)'", "SELECT '(b)'", false)]
    fn two_majors(#[case] old: &str, #[case] new: &str, #[case] expected: bool) {
        assert_eq!(similar(old, new), expected);
    }
}
