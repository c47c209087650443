//! A check of several objects as two: of those that did not fail on the backup, and of those that did.

use super::{Block, NAMED, Value};
use crate::init::section::listed;

/// Keys that list the objects of a check, where an entry of the result is about one of them.
const LISTS: &[&str] = &["tables", "functions", "sequences"];

impl Block {
    /// Splits a check of several objects into one of the objects that did not fail, and one of those that did. `None` where it
    /// is not known what it is about, or no other object is left.
    #[must_use]
    pub fn split(&self, failed: &[String]) -> Option<(Self, Self)> {
        let lists = self.body.iter().find_map(|(key, value)| match value {
            Value::List(list) => {
                let key = LISTS.iter().find(|list| key == *list)?;
                Some((
                    *key,
                    list.iter().map(Value::as_name).collect::<Option<_>>()?,
                ))
            }
            _ => None,
        });
        let (key, all) = self.objects.clone().or(lists)?;
        let others: Vec<String> = all
            .iter()
            .filter(|one| !failed.contains(one))
            .cloned()
            .collect();
        if failed.is_empty() || others.is_empty() || others.len() + failed.len() != all.len() {
            return None;
        }
        Some((
            self.narrowed(key, &all, &others, Some(failed)),
            self.narrowed(key, &all, failed, None),
        ))
    }

    /// The check of some of its objects: a list of them, or all it names `except` those that failed.
    fn narrowed(
        &self,
        key: &'static str,
        all: &[String],
        kept: &[String],
        except: Option<&[String]>,
    ) -> Self {
        let mut block = self.clone();
        let value = |names: &[String]| Value::from(names.to_vec());
        let at = |block: &Self, key: &str| block.body.iter().position(|(own, _)| own == key);
        match (&self.objects, except) {
            (Some(_), Some(failed)) => {
                let mut names = failed.to_vec();
                if let Some(at) = at(&block, "except")
                    && let (_, Value::List(more)) = block.body.remove(at)
                {
                    names.extend(more.iter().filter_map(Value::as_name));
                }
                let end = at(&block, key).map_or(0, |at| at + 1);
                block.body.insert(end, ("except".to_owned(), value(&names)));
                block.objects = Some((key, kept.to_vec()));
            }
            (None, _) | (_, None) => {
                block = block.without(&["except"]);
                block.objects = None;
                match at(&block, key).and_then(|at| block.body.get_mut(at)) {
                    Some((_, list)) => *list = value(kept),
                    None => block.body.insert(0, (key.to_owned(), value(kept))),
                }
            }
        }
        let (before, now) = (listed(all, NAMED), listed(kept, NAMED));
        if block.name.contains(&before) {
            block.name = block.name.replace(&before, &now);
        } else if except.is_none() {
            block.name = format!("{}: {now}", block.name);
        }
        let weaker = self.otherwise.iter();
        block.otherwise = weaker
            .map(|weaker| weaker.narrowed(key, all, kept, except))
            .collect();
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_of_several_tables_is_split() {
        let names = ["app.a", "app.b", "app.c"];
        let of = |kind, name: &str| Block::new(kind, name);
        let rls = of("rls", "row-level security of app.a, app.b, app.c").of_tables(&names);
        let rls = rls.clone().with("forced", true).or(rls);
        let failed = |name: &str| [name.to_owned()];
        let (others, alone) = rls.split(&failed("app.b")).unwrap();
        let constraint = of("constraint", "all are validated")
            .with("tables", vec!["app.*"])
            .with("all-valid", true)
            .objects("tables", &names);
        let (first, _) = constraint.split(&failed("app.b")).unwrap();
        let (second, last) = first.split(&failed("app.c")).unwrap();
        let sequence = of("sequence", "none is behind").with("owned", true);
        let (except, one) = sequence
            .clone()
            .objects("sequences", &names)
            .split(&failed("app.a"))
            .unwrap();
        let all = [
            &others,
            &others.otherwise[0],
            &alone,
            &second,
            &last,
            &except,
            &one,
        ];
        insta::assert_snapshot!(all.map(Block::render).join("\n"), @r#"
        [[check.rls]]
        name = "row-level security of app.a, app.c"
        tables = ["app.a", "app.c"]
        forced = true

        [[check.rls]]
        name = "row-level security of app.a, app.c"
        tables = ["app.a", "app.c"]

        [[check.rls]]
        name = "row-level security of app.b"
        tables = ["app.b"]
        forced = true

        [[check.constraint]]
        name = "all are validated"
        tables = ["app.*"]
        except = ["app.c", "app.b"]
        all-valid = true

        [[check.constraint]]
        name = "all are validated: app.c"
        tables = ["app.c"]
        all-valid = true

        [[check.sequence]]
        name = "none is behind"
        except = ["app.a"]
        owned = true

        [[check.sequence]]
        name = "none is behind: app.a"
        sequences = ["app.a"]
        owned = true
        "#);
        // All of them, one that it does not name, or nobody knows what it is about.
        let all = names.map(str::to_owned);
        assert_eq!(rls.split(&all), None);
        assert_eq!(rls.split(&failed("app.d")), None);
        assert_eq!(constraint.split(&failed("constraint x on app.a")), None);
        assert_eq!(sequence.split(&failed("app.a")), None);
    }
}
