//! Where an extension comes from: the package, or the image, that has it.

/// Debian and PGDG package names that are not `postgresql-<major>-<extension>`.
const PACKAGES: &[(&str, &str)] = &[
    ("vector", "pgvector"),
    ("age", "age"),
    ("postgis", "postgis-3"),
    ("postgis_topology", "postgis-3"),
    ("pg_cron", "cron"),
    ("pg_partman", "partman"),
    ("hll", "hll"),
    ("pgtap", "pgtap"),
    ("pg_repack", "repack"),
    ("pgaudit", "pgaudit"),
    ("timescaledb", "timescaledb"),
    ("plpython3u", "plpython3"),
    ("plperl", "plperl"),
    ("plperlu", "plperl"),
    ("pltcl", "pltcl"),
];

/// Says what to install so that a server of `major` has the extensions.
#[must_use]
pub fn remedy(provider: &str, major: u32, missing: &[&str]) -> String {
    let packages: Vec<String> = missing
        .iter()
        .map(|name| {
            let known = PACKAGES.iter().find(|(extension, _)| extension == name);
            let suffix = known.map_or_else(
                || name.replace('_', "-"),
                |(_, suffix)| (*suffix).to_owned(),
            );
            format!("postgresql-{major}-{suffix}")
        })
        .collect();
    let packages = packages.join(" ");
    if provider == "local" {
        format!(
            "`apt-get install {packages}`, or pin `[server.container]` with an image that has them"
        )
    } else {
        format!(
            "`ci/image.sh {major}` builds an image with pgvector and AGE where Debian has them; \
             for others add {packages} to fixtures/image/Dockerfile, and name the image in `[server.container]`"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_names_the_packages() {
        let text = remedy("local", 17, &["vector", "age", "pg_trgm"]);
        assert!(
            text.contains(
                "apt-get install postgresql-17-pgvector postgresql-17-age postgresql-17-pg-trgm"
            ),
            "{text}"
        );
        assert!(remedy("container", 17, &["age"]).contains("ci/image.sh 17"));
    }
}
