//! Who ran a drill, where and with which program.

use crate::outcome::Provenance;

/// What is known, by name.
pub(in crate::report) fn provenance(provenance: &Provenance) -> Vec<(&'static str, String)> {
    let unknown = || "not known".to_owned();
    let or_unknown = |value: &Option<String>| value.clone().unwrap_or_else(unknown);
    let actor = &provenance.actor;
    let ci = provenance.ci.as_ref().map(|ci| {
        let parts = [
            ("job", &ci.job),
            ("address", &ci.url),
            ("commit", &ci.commit),
        ];
        let parts = parts
            .into_iter()
            .filter_map(|(name, value)| Some(format!(", {name} {}", value.as_ref()?)));
        format!("{}{}", ci.system, parts.collect::<String>())
    });
    vec![
        (
            "Run by",
            match &actor.variable {
                Some(variable) => format!("{} ({variable})", actor.name),
                None => actor.name.clone(),
            },
        ),
        ("Host", or_unknown(&provenance.host)),
        ("CI", ci.unwrap_or_else(|| "none that is known".to_owned())),
        (
            "SHA-256 of the redrill program",
            or_unknown(&provenance.program_sha256),
        ),
        (
            "Commit of the scenario's folder",
            or_unknown(&provenance.commit),
        ),
    ]
}

/// The host name for JUnit, which requires one.
pub(in crate::report) fn host(provenance: &Provenance) -> String {
    let host = provenance.host.clone();
    host.unwrap_or_else(|| "unknown".to_owned())
}
