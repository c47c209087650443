//! `[server] tls`: programs connect by TLS, and nobody else at all.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rstest::rstest;
use serde_json::Value;

use super::drill::{Drill, usable};
use super::native::{nobody, outcome};

const SQL: &str = "CREATE TABLE public.t (x integer);\nCOPY public.t (x) FROM stdin;\n1\n2\n\\.";

/// What a program sees: TLS with the right authority, no way around it, and no other network.
const CHECKS: &str = r#"
[[check.command]]
name = "encrypted"
show-output = true
command = ["psql", "-X", "-At", "-c", "SELECT ssl, version FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()"]
expect.output = '^t\|TLSv1\.3$'

[[check.command]]
name = "encrypted by the URL"
show-output = true
command = ["sh", "-c", "unset PGSSLMODE PGSSLROOTCERT PGHOST; psql -X -At -d \"$DATABASE_URL\" -c 'SELECT pg_catalog.count(*) FROM public.t'"]
expect.output = '^2$'

[[check.command]]
name = "plain"
show-output = true
command = ["psql", "-X", "-At", "-c", "SELECT 1"]
env = { PGSSLMODE = "disable" }
expect = { exit = 2, output = 'no encryption' }

[[check.command]]
name = "another authority"
show-output = true
command = ["psql", "-X", "-At", "-c", "SELECT 1"]
env = { PGSSLROOTCERT = "/etc/hostname" }
expect = { exit = 2, output = 'SSL|certificate' }

[[check.command]]
name = "no other network"
show-output = true
command = ["sh", "-c", "test $(grep -c : /proc/net/dev) = 1 && test $(readlink /proc/self/ns/net) != $HERE"]
env = { HERE = "NETWORK" }
"#;

/// The checks; one compares its network with that of this process.
fn checks() -> String {
    let here = std::fs::read_link("/proc/self/ns/net").unwrap();
    CHECKS.replace("NETWORK", here.to_str().unwrap())
}

/// Has the server's rules replaced by code of the backup.
const ATTACK: &str = r#"
CREATE FUNCTION public.open() RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    EXECUTE pg_catalog.format('COPY (SELECT %L) TO %L', 'host all all all trust', pg_catalog.current_setting('hba_file'));
    PERFORM pg_catalog.pg_reload_conf();
    RETURN 1;
EXCEPTION WHEN OTHERS THEN
    RETURN 2;
END $$;
CREATE TABLE public.t (x integer);
COPY public.t (x) FROM stdin;
1
2
\.
CREATE INDEX opened ON public.t ((x + public.open()));
"#;

/// That the attack fails, and is not only left out.
const REPELLED: &str =
    "[[check.sql]]\nname = \"repelled\"\nquery = \"SELECT public.open()\"\nscalar = 2\n";

#[rstest]
#[case::container("container", false)]
#[case::local("local", false)]
#[case::ordinary_user("local", true)]
#[tokio::test]
async fn programs_connect_by_tls_only(#[case] provider: &str, #[case] ordinary: bool) {
    if !usable(provider).await {
        return;
    }
    let by_root = nix::unistd::geteuid().is_root();
    for (sql, more) in [(SQL, ""), (ATTACK, REPELLED)] {
        let mut drill = Drill::new(
            sql,
            &format!("[server]\ntls = \"required\"\n{}{more}", checks()),
        );
        if ordinary {
            drill = drill.of_user(nobody());
        }
        let (output, report) = drill.run(provider);
        if report["stages"][1]["outcome"] == "error" && (ordinary || !by_root) {
            // A kernel that lets no ordinary user create namespaces, or a container: then it must say so.
            let reason = report["stages"][1]["could_not_run"].to_string();
            assert!(reason.contains("namespaces"), "{reason}");
            continue;
        }
        assert_eq!(output.status.code(), Some(0), "{report:#}");
        assert_eq!(report["server"]["tls"], "TLSv1.3");
        let isolation = report["server"]["isolation"].to_string();
        assert!(isolation.contains("by TLS"), "{isolation}");
        assert_eq!(drill.left(), [""; 0]);
    }
}

/// Files of a scenario's own certificate, in its folder.
struct Own {
    /// A name that the certificate has.
    name: &'static str,
    /// The year in which it ends.
    until: i32,
    /// Whether `ca` is another authority than that which signed.
    other_authority: bool,
    /// Whether `key` is another than that of the certificate.
    other_key: bool,
}

const GOOD: Own = Own {
    name: "localhost",
    until: 2200,
    other_authority: false,
    other_key: false,
};

impl Own {
    fn write(&self, folder: &Path) {
        let authority = |name: &str| {
            let mut authority = CertificateParams::default();
            authority.distinguished_name = DistinguishedName::new();
            authority.distinguished_name.push(DnType::CommonName, name);
            authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate().unwrap();
            let pem = authority.self_signed(&key).unwrap().pem();
            (pem, Issuer::new(authority, key))
        };
        let (pem, issuer) = authority("ours");
        let mut server = CertificateParams::new([self.name.to_owned()]).unwrap();
        server.not_after = date_time_ymd(self.until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = server.signed_by(&key, &issuer).unwrap().pem();
        let key = match self.other_key {
            true => KeyPair::generate().unwrap(),
            false => key,
        };
        let ca = match self.other_authority {
            true => authority("theirs").0,
            false => pem,
        };
        for (name, content) in [
            ("own.crt", certificate),
            ("own.key", key.serialize_pem()),
            ("own-ca.crt", ca),
        ] {
            std::fs::write(folder.join(name), content).unwrap();
        }
    }
}

#[rstest]
#[case::good(GOOD, "")]
#[case::key(Own { other_key: true, ..GOOD }, "own.key does not belong to the certificate")]
#[case::authority(Own { other_authority: true, ..GOOD }, "UnknownIssuer")]
#[case::expired(Own { until: 2020, ..GOOD }, "expired")]
#[case::name(Own { name: "db.example.com", ..GOOD }, "not valid for name \"localhost\"")]
#[tokio::test]
async fn a_certificate_of_the_scenario_must_fit(#[case] own: Own, #[case] reason: &str) {
    if !usable("local").await {
        return;
    }
    let server = "[server]\ntls = \"required\"\n\
        certificate = { file = \"own.crt\", key = \"own.key\", ca = \"own-ca.crt\" }\n";
    let drill = Drill::new(SQL, &format!("{server}{}", checks()));
    own.write(drill.folder());
    let (output, report) = drill.run("local");
    assert_eq!(drill.left(), [""; 0]);
    if reason.is_empty() {
        assert_eq!(output.status.code(), Some(0), "{report:#}");
        assert_eq!(outcome(&report, "encrypted"), "pass");
        return;
    }
    assert_eq!(output.status.code(), Some(3), "{report:#}");
    let said: &Value = &report["stages"][1]["could_not_run"];
    assert!(
        said.to_string().contains(&reason.replace('"', "\\\"")),
        "{said}"
    );
}
