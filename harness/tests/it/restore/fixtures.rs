//! The backups of the fixtures, restored by psql and by redrill.

use std::io::Read as _;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use redrill::restore::settings::{Restore, Sizes};
use redrill::server::settings::Server;

use super::{client, difference, dumped, errors_of, on_server, psql, redrill};
use crate::drill::powernode;
use crate::support::{Plur, inspect, plur_backup};

/// Every table with rows is loaded by several sessions or in a transaction that first empties it.
pub const EVERY: Sizes = Sizes {
    split: 8 * 1024,
    emptied: 1,
};

/// Restores a plain dump on two servers, by psql and by four sessions of redrill, and compares databases and roles.
/// At least so many tables must have been loaded in a transaction that first empties them.
pub async fn compare(server: &Server, file: &Path, roles: &str, emptied: u64) {
    let backup = inspect(file).await;
    let mut dump = Vec::new();
    let opened = std::fs::File::open(file).unwrap();
    if file.extension().is_some_and(|extension| extension == "gz") {
        MultiGzDecoder::new(opened).read_to_end(&mut dump).unwrap();
    } else {
        std::io::BufReader::new(opened)
            .read_to_end(&mut dump)
            .unwrap();
    }
    let settings = Restore {
        jobs: Some(4),
        sizes: EVERY,
        ..Restore::default()
    };
    let wanted = redrill::stage::wanted(&backup, &settings);
    let databases = redrill::restore::target::databases(&backup, &settings);
    let (mut by_psql, mut by_redrill) = (Vec::new(), Vec::new());
    let (mut expected, mut tables) = (Vec::new(), 0);
    on_server(server, &wanted, async |plur: &Plur| {
        psql(plur, "postgres", roles.as_bytes()).await;
        let part = &backup.parts[0];
        let into = redrill::restore::target::database_of(part, &settings);
        if let Some(name) = &into {
            let create = format!("CREATE DATABASE {name} TEMPLATE template0");
            plur.sql("postgres", &create).await;
        }
        let into = into.unwrap_or_else(|| "postgres".to_owned());
        // It shows what the restore by redrill may show.
        plur.server.endpoint().names.learn(&part.contents);
        expected = psql(plur, &into, &dump).await;
        for name in &databases {
            by_psql.push(dumped(plur, name).await);
        }
        by_psql.push(globals(plur).await);
    })
    .await;
    on_server(server, &wanted, async |plur: &Plur| {
        psql(plur, "postgres", roles.as_bytes()).await;
        let log = redrill(plur, &dump, &settings).await.unwrap();
        assert!(
            log.facts.method.contains("by 4 sessions"),
            "{:?}",
            log.facts
        );
        let mut errors = errors_of(&log);
        // Every cluster has it, and the restore tolerates that.
        let superuser = format!("role \"{}\" already exists", wanted.superuser);
        expected.retain(|(_, text)| !text.starts_with(&superuser));
        errors.sort();
        expected.sort();
        assert_eq!(errors, expected);
        for name in &databases {
            by_redrill.push(dumped(plur, name).await);
            let loaded = "SELECT count(*) FROM pg_catalog.pg_class
                WHERE relkind = 'r' AND oid >= 16384 AND relfilenode <> oid";
            tables += count(plur, name, loaded).await.parse::<u64>().unwrap();
        }
        by_redrill.push(globals(plur).await);
    })
    .await;
    assert!(tables >= emptied, "{tables} tables were emptied first");
    assert_eq!(by_psql.len(), by_redrill.len());
    for (one, other) in by_psql.iter().zip(&by_redrill) {
        if let Some(difference) = difference(one, other) {
            panic!("{}: {difference}", file.display());
        }
    }
}

async fn count(plur: &Plur, database: &str, query: &str) -> String {
    let database = format!("--dbname={database}");
    let arguments = [
        "--no-psqlrc",
        "--tuples-only",
        "--no-align",
        "--command",
        query,
        &database,
    ];
    let (text, _) = client(plur, "psql", &arguments, b"").await;
    String::from_utf8(text).unwrap().trim().to_owned()
}

/// Roles, memberships, settings of databases, as a list.
async fn globals(plur: &Plur) -> Vec<String> {
    let query = "SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolbypassrls, rolconfig,
        ARRAY(SELECT m.roleid::pg_catalog.regrole::text FROM pg_catalog.pg_auth_members m WHERE m.member = r.oid ORDER BY 1)
        FROM pg_catalog.pg_roles r ORDER BY rolname";
    let text = count(plur, "postgres", query).await;
    text.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn plur_is_what_psql_restores() {
    compare(&Server::default(), &plur_backup(), "", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn powernode_is_what_psql_restores() {
    let roles = "CREATE ROLE powernode;\n";
    compare(&Server::default(), &powernode::backup(), roles, 1).await;
}
