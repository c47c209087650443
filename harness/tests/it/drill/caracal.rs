//! The scenario of Caracal as it is committed, on bundles that its own job makes: of the database as it is, and of databases
//! that are broken in one way each.

use std::collections::BTreeSet;
use std::path::Path;

use tempfile::TempDir;

use super::broken::gzip;
use super::builder::{Ended, none, redrill};
use super::dumps::{Container, docker, started};
use crate::support::root;

/// Keeps the database under a name that no bundle has.
const KEEP: &str = "ALTER DATABASE caracal RENAME TO good; ALTER DATABASE good IS_TEMPLATE true";

/// Makes `caracal` as it was, with the rights that a template does not carry.
const AGAIN: &str = "
DROP DATABASE IF EXISTS caracal WITH (FORCE);
CREATE DATABASE caracal TEMPLATE good OWNER caracal;
UPDATE pg_database c SET datacl = g.datacl FROM pg_database g WHERE c.datname = 'caracal' AND g.datname = 'good';
";

/// The time in the name of the bundles.
const TIME: &str = "020000Z";

/// A server with the fixture's database.
struct Production {
    container: Container,
    folder: TempDir,
    day: String,
}

impl Production {
    /// Builds the database as the fixture does.
    fn start() -> Self {
        let container = started(17, "caracal");
        let fixture = root().join("fixtures/databases/caracal");
        let to = format!("{}:/tmp/caracal", container.0);
        docker(&["cp", &fixture.display().to_string(), &to]).unwrap();
        let day = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
        let production = Self {
            container,
            folder: tempfile::tempdir().unwrap(),
            day,
        };
        let day = &production.day;
        let build = format!("bash /tmp/caracal/build.sh /tmp/first {day} {day} {day}");
        production.inside(&build);
        production.sql("postgres", KEEP);
        production
    }

    /// Runs a script as the server's user.
    fn inside(&self, script: &str) {
        let user = ["exec", "--user=postgres", "--env=PGUSER=postgres"];
        let script = [self.container.0.as_str(), "bash", "-c", script];
        docker(&[&user[..], &script].concat()).unwrap();
    }

    /// Runs SQL as the superuser.
    fn sql(&self, database: &str, sql: &str) {
        let file = self.folder.path().join("change.sql");
        std::fs::write(&file, sql).unwrap();
        let to = format!("{}:/tmp/change.sql", self.container.0);
        docker(&["cp", &file.display().to_string(), &to]).unwrap();
        let psql = "psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1";
        self.inside(&format!(
            "{psql} --dbname={database} --file=/tmp/change.sql"
        ));
    }

    /// The bundle of the database after a change, as the job makes it.
    fn bundle(&self, change: &str, undo: &str) -> Vec<u8> {
        self.sql("postgres", AGAIN);
        self.sql("caracal", change);
        let name = format!("{}T{TIME}", self.day.replace('-', ""));
        self.inside(&format!("bash /tmp/caracal/backup.sh /tmp/backup {name}"));
        self.sql("caracal", undo);
        let from = format!("{}:/tmp/backup/caracal-{name}.tar.gz", self.container.0);
        let to = self.folder.path().join("bundle");
        docker(&["cp", &from, &to.display().to_string()]).unwrap();
        std::fs::read(to).unwrap()
    }

    /// Drills the committed scenario on a bundle.
    fn drill(&self, bundle: &[u8]) -> Ended {
        let text = std::fs::read_to_string(root().join("scenarios/caracal.toml")).unwrap();
        let folder = |path: &str| root().join(path).display().to_string();
        // Reports are found by this name, and the paths lead back to the repository.
        let text = text
            .replace("name = \"caracal\"\n", "name = \"drilled\"\n")
            .replace("../fixtures", &folder("fixtures"))
            .replace(
                "\"caracal.baseline.json\"",
                &format!("{:?}", folder("scenarios/caracal.baseline.json")),
            );
        let name = format!("caracal-{}T{TIME}.tar.gz", self.day.replace('-', ""));
        redrill().scenario(&text).backup(bundle, &name).run()
    }
}

/// A fault: its id in the catalogue and what is done; SQL; SQL that takes back what databases share; the kinds of checks that
/// fail, each of them and no other; what the findings say.
type Fault = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

/// SQL for the partition of so many months before this one.
macro_rules! partition {
    ($months:literal, $sql:literal) => {
        concat!(
            "DO $$ BEGIN EXECUTE format('", $sql, "', 'audit_events_' || to_char(date_trunc('month', now() AT TIME ZONE 'UTC') - make_interval(months => ",
            $months, "), 'YYYY_MM')); END $$"
        )
    };
}

const FAULTS: &[Fault] = &[
    ("S03 row security of one table is off", "ALTER TABLE public.grants DISABLE ROW LEVEL SECURITY", "", &["rls", "tenant", "sql"],
     &["public.grants as caracal; it sees no row; it sees 90 rows", "public.grants as caracal; its DELETE writes no row"]),
    ("A02 the trigger is off on one partition", partition!(1, "ALTER TABLE public.%I DISABLE TRIGGER audit_events_append_only"), "",
     &["append-only", "partition", "trigger"], &["DELETE is stopped by a trigger, even as postgres"]),
    ("F43 a retired table is there again", "CREATE TABLE public.legacy_tokens (id uuid PRIMARY KEY); ALTER TABLE public.legacy_tokens OWNER TO caracal", "",
     &["object", "constraint", "row-count"], &["table public.legacy_tokens; no such table; it is there", "table public.legacy_tokens; no other table"]),
    ("S04 FORCE of one table is lost", "ALTER TABLE public.sessions NO FORCE ROW LEVEL SECURITY", "", &["rls", "sql"],
     &["public.sessions; row security forced on its owner; it is not"]),
    ("the policy of one table takes any new row", "ALTER POLICY zone_fence ON public.gateway_bindings WITH CHECK (true)", "", &["rls", "tenant"],
     &["public.gateway_bindings as caracal; its INSERT writes no row; the policies let it through", "public.gateway_bindings as caracal_api; its INSERT"]),
    ("one table has a permissive policy more", "CREATE POLICY rotate ON public.signing_keys FOR UPDATE USING (true)", "", &["rls"],
     &["policy rotate", "public.signing_keys as caracal; its UPDATE writes no row"]),
    ("a session without a zone has one", "CREATE OR REPLACE FUNCTION public.current_zone() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
      RETURN coalesce(nullif(current_setting('caracal.zone_id', true), '')::uuid, '6b4bc41c-5456-e7ba-b7bd-4ee331df617b')", "",
     &["function", "rls"], &["public.grants as caracal; it sees no row; it sees 30 rows", "function public.current_zone()"]),
    ("R11 a service bypasses row security", "ALTER ROLE caracal_sts BYPASSRLS", "ALTER ROLE caracal_sts NOBYPASSRLS", &["rls", "role"], &["role caracal_sts"]),
    ("R04 a service has a right more", "GRANT DELETE ON public.sessions TO caracal_sts", "", &["role"], &["public.sessions; nothing beyond SELECT, INSERT, UPDATE for caracal_sts"]),
    ("A01 the audit service may change events", "GRANT UPDATE ON public.audit_events TO caracal_audit", "", &["append-only", "role"],
     &["public.audit_events, role caracal_audit; no right to change history; it has UPDATE granted to it"]),
    ("A03 the audit service may empty events", "GRANT TRUNCATE ON public.audit_events TO caracal_audit", "", &["append-only", "role"],
     &["it has TRUNCATE granted to it"]),
    ("A08 the audit service can become the owner", "GRANT caracal TO caracal_audit", "REVOKE caracal FROM caracal_audit", &["append-only", "role"],
     &["it can become caracal, which owns the table"]),
    ("A11 the triggers call a function that does nothing", "CREATE OR REPLACE FUNCTION public.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF TG_OP = ''DELETE'' THEN RETURN OLD; END IF; RETURN NEW; END'", "",
     &["append-only", "function"], &["public.policy_versions; DELETE is stopped by a trigger", "public.admin_audit_events; UPDATE is stopped by a trigger"]),
    ("A02 the trigger of versions is lost", "DROP TRIGGER policy_versions_immutable ON public.policy_versions", "", &["append-only"],
     &["public.policy_versions; UPDATE is stopped by a trigger", "public.policy_versions; DELETE is stopped by a trigger"]),
    ("P01 a month of the window is lost", partition!(2, "DROP TABLE public.%I"), "", &["partition", "row-count"], &["a partition for"]),
    ("P03 the next month has no partition", partition!(-1, "DROP TABLE public.%I"), "", &["partition"], &["a partition for"]),
    ("M05 a migration is not recorded", "DELETE FROM public.schema_migrations WHERE version = '0004_outbox_claim'", "", &["schema-version", "command", "row-count"],
     &["0004_outbox_claim"]),
    ("M02 a migration is recorded that no file is", "INSERT INTO public.schema_migrations VALUES ('0006_unknown', now())", "",
     &["schema-version", "migrations", "row-count"], &["none for 0006_unknown"]),
    ("F39 an expected table is lost", "DROP TABLE public.step_up_challenges", "", &["object", "row-count", "constraint", "rls", "role"],
     &["table public.step_up_challenges; it is there; there is none in the restored database"]),
    ("F46 references of keys are blank", "UPDATE public.signing_keys SET key_ref = 'kms://'", "", &["sql"], &[]),
    ("F46 what is pending in an outbox is lost", "DELETE FROM public.event_outbox WHERE state = 'pending'", "", &["row-count", "sql"], &["public.event_outbox"]),
    ("A13 the text of a version was edited", "SET session_replication_role = replica; UPDATE public.policy_versions SET body = body || ' ' WHERE version = 2", "", &["sql"], &[]),
    ("F46 no event of the last two months", "SET session_replication_role = replica; DELETE FROM public.audit_events WHERE occurred_at > now() - interval '62 days'", "",
     &["freshness", "row-count"], &["public.audit_events"]),
    ("D06 the sequence of events is behind", "SELECT setval('public.audit_events_id_seq', 1)", "", &["sequence"], &["audit_events_id_seq"]),
    ("I02 the index of pending events is lost", "DROP INDEX public.event_outbox_pending_idx", "", &["index"], &["public.event_outbox_pending_idx"]),
];

/// Changes that mean no harm, at once.
const HARMLESS: &str = "
ALTER TABLE public.sessions ADD COLUMN device text;
CREATE INDEX sessions_subject_idx ON public.sessions (subject);
COMMENT ON TABLE public.zones IS 'of the control plane';
CREATE VIEW public.open_sessions WITH (security_invoker = true) AS SELECT id FROM public.sessions WHERE state = 'active';
ALTER VIEW public.open_sessions OWNER TO caracal;
ANALYZE;
";

/// Drills each of these faults; gives what is not as it must be.
fn wrong(production: &Production, faults: &[Fault]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, change, undo, kinds, says) in faults {
        let ended = production.drill(&production.bundle(change, undo));
        let failed = ended.checks("fail");
        let kind = |id: &&str| id.split('/').next().unwrap_or_default().to_owned();
        let seen: BTreeSet<String> = failed.iter().map(kind).collect();
        let must: BTreeSet<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        let findings: String = failed.iter().map(|id| ended.findings(id)).collect();
        let findings = findings.replace(" | ", "; ");
        let missing = says.iter().find(|text| !findings.contains(**text));
        let unable = ended.checks("error");
        if ended.code != 10 || seen != must || missing.is_some() || !unable.is_empty() {
            wrong.push(format!(
                "{name}: code {}, failed {seen:?}, could not run {unable:?}, no {missing:?} in\n{findings}{}",
                ended.code, ended.stderr
            ));
        }
    }
    wrong
}

#[test]
#[ignore = "slow: ci/slow.sh"]
fn a_good_bundle_is_proven_and_faults_of_its_files_are_found() {
    let production = Production::start();
    production
        .drill(&production.bundle("", ""))
        .is_proven()
        .unwrap();
    production
        .drill(&production.bundle(HARMLESS, ""))
        .is_proven()
        .unwrap();
    let bundle = production.bundle("", "");
    // What is in the bundle, one member changed or left out.
    let members = |change: fn(&Path)| {
        let folder = tempfile::tempdir().unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bundle.as_slice()));
        archive.unpack(folder.path()).unwrap();
        let name = std::fs::read_dir(folder.path()).unwrap().next().unwrap();
        let name = name.unwrap().file_name().into_string().unwrap();
        change(&folder.path().join(&name));
        gzip(&super::wrapped::tar(&[(&folder.path().join(&name), &name)]))
    };
    let roles = members(|folder| std::fs::remove_file(folder.join("globals.sql")).unwrap());
    let changed = members(|folder| {
        let globals = std::fs::read_to_string(folder.join("globals.sql")).unwrap();
        let changed = globals.replace("NOBYPASSRLS", "BYPASSRLS");
        std::fs::write(folder.join("globals.sql"), changed).unwrap();
    });
    let renamed = members(|folder| {
        let manifest = std::fs::read_to_string(folder.join("manifest.json")).unwrap();
        let changed = manifest.replace("\"caracal\": {", "\"caracal_staging\": {");
        assert_ne!(manifest, changed);
        std::fs::write(folder.join("manifest.json"), changed).unwrap();
    });
    let half = bundle[..bundle.len() / 2].to_vec();
    let cases: [(&str, Vec<u8>, &str); 4] = [
        (
            "F46 the manifest names another database",
            renamed,
            "caracal.dump | a dump of the database `caracal_staging`, as manifest.json says | one of `caracal`",
        ),
        (
            "R01 the roles are left out",
            roles,
            "globals.sql | a file that manifest.json names",
        ),
        (
            "F17 a file is not that of the manifest",
            changed,
            "globals.sql | SHA-256",
        ),
        ("F11 the bundle is cut", half, ""),
    ];
    let failed = cases.iter().filter_map(|(name, bundle, says)| {
        let ended = production.drill(bundle);
        ended
            .fails_in("backup", &[says])
            .err()
            .map(|why| format!("{name}: {why}"))
    });
    none(failed.collect());
}

#[test]
#[ignore = "slow: ci/slow.sh"]
fn some_faults_fail_their_own_checks() {
    none(wrong(&Production::start(), &FAULTS[..3]));
}

#[test]
#[ignore = "some minutes: ci/broken.sh runs it"]
fn every_fault_fails_its_own_checks_and_no_other() {
    // As `ci/broken.sh` names faults: `A02 S`.
    let only = std::env::var("REDRILL_BROKEN").unwrap_or_default();
    let only: Vec<&str> = only.split_whitespace().collect();
    let named =
        |fault: &&Fault| only.is_empty() || only.iter().any(|word| fault.0.starts_with(word));
    let faults: Vec<Fault> = FAULTS.iter().filter(named).copied().collect();
    if !faults.is_empty() {
        none(wrong(&Production::start(), &faults));
    }
}
