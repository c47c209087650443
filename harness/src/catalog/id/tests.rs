use super::kind::NameForm;
use super::parse::CLASSES;
use super::*;
use crate::sql::quote_ident;
use proptest::prelude::*;
use rstest::rstest;

#[rstest]
#[case("server")]
#[case("database")]
#[case("database settings")]
#[case("database settings of role \"Odd role\"")]
#[case("large objects")]
#[case("table app.orders")]
#[case("table app.orders column id")]
#[case("table app.\"a index b\"")]
#[case("table app.\"a index b\" index \"x rule y\"")]
#[case("table \"my.app\".\"Odd.table ' \"\" \"")]
#[case("table app.orders inherited constraint named_here")]
#[case("table app.orders statistics app.together")]
#[case("table public.server")]
#[case("foreign table app.far column id")]
#[case("materialized view app.filled index filled_id")]
#[case("domain app.positive constraint is_positive")]
#[case("function app.f()")]
#[case("function app.f(integer, app.\"My) type\"[])")]
#[case("operator app.===(app.pair, app.pair)")]
#[case("operator class.+(, integer)")]
#[case("operator class app.pair_ops using btree")]
#[case("operator family app.pairs using \"odd method\"")]
#[case("cast (app.pair AS character varying)")]
#[case("transform for app.\"a language b\" language plperl")]
#[case("user mapping for PUBLIC on elsewhere")]
#[case("user mapping for \"PUBLIC\" on \"else on where\"")]
#[case("default privileges of maker on tables")]
#[case("default privileges of \"a in schema b\" in schema app on large objects")]
#[case("parameter log_min_messages")]
#[case("parameter app.jwt_claims")]
#[case("publication a_part table app.orders")]
#[case("graph plur label \"Label\"")]
#[case("text search configuration app.english")]
#[case("role \"time\"")]
#[case("role \"a\nb\"")]
fn every_identity_is_printed_as_it_was_parsed(#[case] text: &str) {
    let id: ObjectId = text.parse().unwrap();
    assert_eq!(id.to_string(), text);
}

#[rstest]
#[case("", "`` does not begin with a kind of object")]
#[case("tables app.orders", "does not begin with a kind of object")]
#[case("table", "does not begin with a kind of object")]
#[case(
    "table ",
    "expected a name, in quotes where it is not plain lower case, found the end"
)]
#[case("table orders", "expected `.`, found the end")]
#[case(
    "table app.Orders",
    "expected a name, in quotes where it is not plain lower case, found `Orders`"
)]
#[case("table app.\"orders", "expected a name in quotes, found `\"orders`")]
#[case("table app.\"\"", "expected a name in quotes, found `\"\"`")]
#[case("table app.orders.id", "expected the end, found `.id`")]
#[case("table app.orders colum id", "`colum id` is not a part of a table")]
#[case("table app.orders column", "`column` is not a part of a table")]
#[case("table app.orders column a b", "expected the end, found ` b`")]
#[case("role app column id", "`column id` is not a part of a role")]
#[case("function app.f", "expected types in brackets, found the end")]
#[case(
    "function app.f(integer",
    "expected types in brackets, found `(integer`"
)]
#[case("function app.f() owner", "`owner` is not a part of a function")]
#[case(
    "operator app.plus(integer)",
    "expected an operator, found `plus(integer)`"
)]
#[case(
    "default privileges of a on rocks",
    "expected a class of objects, found `rocks`"
)]
#[case("cast )", "expected types in brackets, found `)`")]
#[case("parameter ", "expected a name, found the end")]
fn mistakes_say_what_was_expected(#[case] text: &str, #[case] message: &str) {
    let error = text.parse::<ObjectId>().unwrap_err();
    assert!(error.contains(message), "{error}");
}

#[test]
fn parts_follow_their_object() {
    let mut all: Vec<ObjectId> = [
        "table app.b",
        "table app.a trigger t",
        "table app.\"a trigger t\"",
        "table app.a",
    ]
    .map(|text| text.parse().unwrap())
    .into();
    all.sort();
    let shown: Vec<String> = all.iter().map(ToString::to_string).collect();
    let (whole, part) = (&all[0], &all[1]);
    assert_eq!(shown[..2], ["table app.a", "table app.a trigger t"]);
    assert!(part.is_part_of(whole) && part.whole() == *whole);
    assert!(!all[2].is_part_of(whole) && !whole.is_part_of(whole));
}

/// Unusual names, and words of the text itself.
fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z_][a-z0-9_]{0,5}",
        "[\\PC\n\t\r\"'. ]{1,8}",
        "[a-z\" ]{0,2} (index|rule|column|using|language|on|in schema|settings of role) [a-z\" ]{0,2}",
        prop::sample::select(vec![
            "server", "database", "table", "PUBLIC", "public", "time", " a", "a "
        ])
        .prop_map(str::to_owned),
    ]
}

/// Types as a server prints them.
fn any_types() -> impl Strategy<Value = String> {
    let name = || any_name().prop_map(|name| quote_ident(&name));
    let one = (prop::option::of(name()), name(), "(\\[\\]|\\(10,2\\))?").prop_map(
        |(schema, name, end)| match schema {
            Some(schema) => format!("{schema}.{name}{end}"),
            None => format!("{name}{end}"),
        },
    );
    prop::collection::vec(one, 0..3).prop_map(|all| all.join(", "))
}

/// Any valid identity.
pub fn any_object() -> impl Strategy<Value = ObjectId> {
    let parts = (prop::sample::select(PartKind::ALL), any_name(), any_name());
    let own = (
        any_name(),
        any_name(),
        any_types(),
        any::<bool>(),
        "[-+*/<>=]{1,3}",
    );
    let kind = prop::sample::select(ObjectKind::ALL);
    (kind, own, prop::option::of(parts)).prop_map(
        |(kind, (schema, name, types, other, symbol), part)| {
            let mut id = ObjectId::new(kind, name.clone());
            let qualified = ObjectId::qualified(
                kind,
                &QualifiedName {
                    schema,
                    name: name.clone(),
                },
            );
            match kind.form() {
                NameForm::Alone => id.name.clear(),
                NameForm::Name => {}
                NameForm::Qualified => id = qualified,
                NameForm::Routine => {
                    id = ObjectId {
                        signature: Some(types),
                        ..qualified
                    }
                }
                NameForm::Operator => {
                    id = ObjectId {
                        signature: Some(types),
                        name: symbol,
                        ..qualified
                    }
                }
                NameForm::Method => {
                    id = ObjectId {
                        signature: Some(name),
                        ..qualified
                    }
                }
                NameForm::Cast => {
                    id.name.clear();
                    id.signature = Some(types);
                }
                NameForm::Transform => id.signature = Some(format!("app.{}", quote_ident(&name))),
                NameForm::Mapping => id.signature = other.then_some(name),
                NameForm::Defaults => {
                    id = if other { qualified } else { id };
                    id.signature = Some(CLASSES[name.len() % CLASSES.len()].to_owned());
                }
                NameForm::Verbatim => id.name = "app.setting".to_owned(),
            }
            id.part = part
                .filter(|(part, ..)| kind.has(*part))
                .map(|(part, schema, name)| ObjectPart {
                    kind: part,
                    schema: (part.form() == NameForm::Qualified).then_some(schema),
                    name: if part.form() == NameForm::Alone {
                        String::new()
                    } else {
                        name
                    },
                });
            id
        },
    )
}

proptest! {
    #[test]
    fn what_is_printed_is_parsed(id in any_object()) {
        prop_assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn what_is_parsed_is_parsed_the_same_again(text in "(table|role|function|cast|operator) [a-z\". ()]{0,12}") {
        if let Ok(id) = text.parse::<ObjectId>() {
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }
    }
}
