//! The package or the image that contains an extension.

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

/// Extensions that are part of Postgres, in the package of the server or in `postgresql-contrib`.
const CONTRIB: &[&str] = &[
    "adminpack",
    "amcheck",
    "autoinc",
    "bloom",
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "dblink",
    "dict_int",
    "dict_xsyn",
    "earthdistance",
    "file_fdw",
    "fuzzystrmatch",
    "hstore",
    "insert_username",
    "intagg",
    "intarray",
    "isn",
    "lo",
    "ltree",
    "moddatetime",
    "old_snapshot",
    "pageinspect",
    "pg_buffercache",
    "pg_freespacemap",
    "pg_prewarm",
    "pg_stat_statements",
    "pg_surgery",
    "pg_trgm",
    "pg_visibility",
    "pg_walinspect",
    "pgcrypto",
    "pgrowlocks",
    "pgstattuple",
    "plpgsql",
    "postgres_fdw",
    "refint",
    "seg",
    "sslinfo",
    "tablefunc",
    "tcn",
    "tsm_system_rows",
    "tsm_system_time",
    "unaccent",
    "uuid-ossp",
    "xml2",
];

/// Whether every installation of Postgres has an extension.
#[must_use]
pub fn is_part_of_postgres(extension: &str) -> bool {
    CONTRIB.contains(&extension)
}

/// Lists the packages of extensions; those that are part of Postgres are one package.
#[must_use]
pub fn packages(major: u32, extensions: &[&str]) -> String {
    let mut packages: Vec<String> = Vec::new();
    for name in extensions {
        let known = PACKAGES.iter().find(|(extension, _)| extension == name);
        let package = match known {
            Some((_, suffix)) => format!("postgresql-{major}-{suffix}"),
            None if is_part_of_postgres(name) => "postgresql-contrib".to_owned(),
            None => format!("postgresql-{major}-{}", name.replace('_', "-")),
        };
        if !packages.contains(&package) {
            packages.push(package);
        }
    }
    packages.join(" ")
}

/// What to install so that a server of version `major` has the extensions.
#[must_use]
pub fn remedy(provider: &str, major: u32, missing: &[&str]) -> String {
    let packages = packages(major, missing);
    if provider == "local" {
        format!(
            "`apt-get install {packages}`, or set `[server.container]` to an image that has them"
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
        let text = remedy("local", 17, &["vector", "age", "pg_trgm", "pgcrypto"]);
        assert!(
            text.contains(
                "apt-get install postgresql-17-pgvector postgresql-17-age postgresql-contrib`"
            ),
            "{text}"
        );
        assert!(remedy("container", 17, &["age"]).contains("ci/image.sh 17"));
    }
}
