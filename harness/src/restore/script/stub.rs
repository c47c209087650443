//! Extensions that the server does not have: what of a dump is passed over, since `[[restore.stub]]` says that it does not matter.

use pgdump::script::statement::{Words, inserts_into};

use crate::restore::settings::{Restore, Stub};
use crate::sql::{QualifiedName, quote_ident};

/// What becomes of a statement about an extension that is not there.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stubbed {
    /// It is not sent.
    PassedOver,
    /// This is sent instead.
    Instead(String),
}

/// What becomes of a statement; `None` where it has nothing to do with a stub, or needs more than a stub has.
pub(super) fn stubbed(settings: &Restore, words: &Words<'_>, text: &str) -> Option<Stubbed> {
    if settings.stub.is_empty() {
        return None;
    }
    let tokens = words.tokens();
    let says = |sequence: &[&str]| {
        let mut pairs = tokens.iter().zip(sequence);
        tokens.len() > sequence.len() && pairs.all(|(token, word)| token.is_word(word))
    };
    let named = |at: usize| {
        let name = words.identifier(at)?;
        settings.stub.iter().find(|stub| stub.extension == name)
    };
    let is_stub = |name: Option<QualifiedName>| {
        name.is_some_and(|name| settings.stub_of_schema(&name.schema).is_some())
    };
    let passed = |is: bool| is.then_some(Stubbed::PassedOver);
    if says(&["create", "extension", "if", "not", "exists"]) {
        named(5).map(created)
    } else if says(&["create", "extension"]) {
        named(2).map(created)
    } else if says(&["drop", "extension", "if", "exists"]) {
        passed(named(4).is_some())
    } else if says(&["drop", "extension"]) {
        passed(named(2).is_some())
    } else if says(&["comment", "on", "extension"]) {
        passed(named(3).is_some())
    } else if says(&["copy"]) {
        passed(words.copy().is_some() && is_stub(words.qualified(1)))
    } else if says(&["insert", "into"]) {
        let name = inserts_into(text.as_bytes()).map(String::from_utf8_lossy);
        passed(is_stub(
            name.and_then(|name| QualifiedName::parse(&name).ok()),
        ))
    } else if says(&["select", "pg_catalog.setval"]) {
        let sequence = words.literal(3);
        passed(is_stub(
            sequence.and_then(|name| QualifiedName::parse(&name).ok()),
        ))
    } else if says(&["grant"]) || says(&["revoke"]) {
        let on = tokens.iter().position(|token| token.is_word("on"));
        let kinds = [
            "table",
            "function",
            "procedure",
            "sequence",
            "type",
            "routine",
        ];
        passed(on.is_some_and(|on| {
            let has_kind = tokens
                .get(on + 1)
                .is_some_and(|kind| kinds.iter().any(|word| kind.is_word(word)));
            is_stub(words.qualified(on + 1 + usize::from(has_kind)))
        }))
    } else {
        None
    }
}

/// The schema of the extension is all that there is of it.
fn created(stub: &Stub) -> Stubbed {
    match &stub.schema {
        Some(schema) => Stubbed::Instead(format!(
            "CREATE SCHEMA IF NOT EXISTS {};",
            quote_ident(schema)
        )),
        None => Stubbed::PassedOver,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "CREATE EXTENSION IF NOT EXISTS pg_cron WITH SCHEMA pg_catalog;",
        Some("CREATE SCHEMA IF NOT EXISTS cron;")
    )]
    #[case("CREATE EXTENSION pg_cron;", Some("CREATE SCHEMA IF NOT EXISTS cron;"))]
    #[case("CREATE EXTENSION hstore;", None)]
    #[case("DROP EXTENSION IF EXISTS pg_cron;", Some(""))]
    #[case("COMMENT ON EXTENSION pg_cron IS 'x';", Some(""))]
    #[case("COMMENT ON EXTENSION hstore IS 'pg_cron';", None)]
    #[case("COPY cron.job (jobid, schedule) FROM stdin;", Some(""))]
    #[case("COPY app.job (jobid, schedule) FROM stdin;", None)]
    #[case("INSERT INTO cron.job VALUES (1);", Some(""))]
    #[case("INSERT INTO app.cron VALUES ('cron.job');", None)]
    #[case("SELECT pg_catalog.setval('cron.jobid_seq', 3, true);", Some(""))]
    #[case("SELECT pg_catalog.setval('app.cron_seq', 3, true);", None)]
    #[case("GRANT SELECT ON TABLE cron.job TO app;", Some(""))]
    #[case("GRANT ALL ON FUNCTION cron.schedule(text, text) TO app;", Some(""))]
    #[case(
        "REVOKE ALL ON FUNCTION cron.schedule(text, text) FROM PUBLIC;",
        Some("")
    )]
    #[case("GRANT USAGE ON SCHEMA cron TO app;", None)]
    #[case("GRANT SELECT ON TABLE app.job TO cron;", None)]
    #[case("CREATE TABLE cron.own (a integer);", None)]
    #[case("CREATE VIEW app.jobs AS SELECT jobid FROM cron.job;", None)]
    fn only_what_is_of_the_extension_is_passed_over(
        #[case] text: &str,
        #[case] expected: Option<&str>,
    ) {
        let stub = Stub {
            extension: "pg_cron".to_owned(),
            schema: Some("cron".to_owned()),
            reason: "the provider runs the jobs".to_owned(),
        };
        let settings = Restore {
            stub: vec![stub],
            ..Restore::default()
        };
        let expected = expected.map(|sent| match sent {
            "" => Stubbed::PassedOver,
            sent => Stubbed::Instead(sent.to_owned()),
        });
        assert_eq!(
            stubbed(&settings, &Words::of(text.as_bytes()), text),
            expected
        );
        assert_eq!(
            stubbed(&Restore::default(), &Words::of(text.as_bytes()), text),
            None
        );
    }
}
