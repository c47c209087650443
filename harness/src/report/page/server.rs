//! The server that the backup was restored into.

use super::block::Page;
use super::inline::{code, fixed, names, span, words};
use crate::outcome::ServerFacts;

/// What the settings of the server mean for the time of a restore.
const fn settings(tuned: bool) -> &'static str {
    match tuned {
        true => {
            "tuned for the drill: nothing is kept safe from a crash, and the memory is sized to the machine, so a restore is faster than in production (`durability = \"production\"` measures that)"
        }
        false => "those of an unmodified server, as in production",
    }
}

/// Writes what is known of a server; `name` is that of a further one.
pub(in crate::report) fn write(page: &mut Page, name: Option<&str>, server: &ServerFacts) {
    page.heading(
        2,
        match name {
            None => fixed("Server"),
            Some(name) => fixed("Server ") + code(name),
        },
    );
    page.paragraph(fixed(
        "A throwaway server: redrill starts it for this drill and destroys it afterwards.",
    ));
    let extensions: Vec<String> = server
        .extensions
        .iter()
        .map(|one| format!("{} {}", one.name, one.version))
        .collect();
    let mut facts = vec![
        ("PostgreSQL", words(&server.version)),
        ("Extensions", names(&extensions)),
        ("Provider", words(&server.provider)),
        ("Source", code(&server.origin)),
        (
            "Digest",
            code(server.digest.as_deref().unwrap_or("not known")),
        ),
        ("Selected because", words(&server.chosen)),
        ("Ready after", span(server.started_in)),
        ("Settings", fixed(settings(server.tuned))),
    ];
    let digests = server.extensions.iter().filter_map(|one| {
        let sha256 = one.sha256.as_deref()?;
        Some(code(&one.name) + " " + code(sha256))
    });
    let digests = digests.reduce(|all, one| all + ", " + one);
    if let Some(digests) = digests {
        facts.push(("Digests of its extensions", digests));
    }
    if let Some(version) = &server.tls {
        let tried = fixed(": a client without TLS was refused");
        facts.push(("TLS", fixed("required, ") + words(version) + tried));
    }
    page.facts(facts);
    if !server.settings.is_empty() {
        let set = server.settings.iter();
        let set = set.map(|(name, value)| code(&format!("{name} = {value}")));
        let set = set.reduce(|all, one| all + ", " + one);
        page.paragraph(fixed("It was started with: ") + set.unwrap_or_default() + ".");
    }
    page.paragraph(fixed(
        "A restore executes code from the backup. It is isolated from this machine as follows:",
    ));
    match server.isolation.as_slice() {
        [] => page.paragraph(fixed("**no isolation is known**")),
        some => page.list(some.iter().map(|line| words(line)).collect()),
    }
    match server.weaknesses.as_slice() {
        [] => page.paragraph(fixed("No limitation of the isolation is known.")),
        some => {
            page.paragraph(fixed("**Limitations** of the isolation:"));
            page.list(some.iter().map(|line| words(line)).collect());
        }
    }
}
