//! Programs of a scenario by TLS: an application of its own, and several databases.

use super::builder::{Ended, redrill};
use super::prisme;
use crate::support::{plur_api, plur_backup, root};

const TLS: &str = "\n[server]\ntls = \"required\"\n";

fn is_root() -> bool {
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root {
        eprintln!("not tested: only root enters the network of a container");
    }
    is_root
}

/// Runs the check `api` of PLUR's scenario by TLS, with these lines after it.
fn plur(more: &str) -> Ended {
    let backups = plur_backup().parent().unwrap().display().to_string();
    let text = std::fs::read_to_string(root().join("scenarios/plur.toml")).unwrap();
    let text = text.replace("../", &format!("{}/", root().display()));
    redrill()
        .scenario(&(text + more + TLS))
        .drilled("plur")
        .environment("PLUR_BACKUPS", &backups)
        .with("--only")
        .with("api")
        .run()
}

/// The API of PLUR knows nothing of it but the URL that it is given.
#[test]
fn an_application_starts_and_answers() {
    if !is_root() {
        return;
    }
    let ended = plur("");
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    assert_eq!(ended.drill()["server"]["tls"], "TLSv1.3");
    assert_eq!(ended.checks("pass").len(), 1);
    for page in ended.pages {
        assert!(page.contains("TLSv1.3"), "{page}");
    }
}

/// Each of several processes is reached by a way of its own.
#[test]
#[ignore = "slow: ci/slow.sh"]
fn several_processes_start_and_answer() {
    if !is_root() {
        return;
    }
    let request = "[[check.api.request]]\nprocess = \"second\"\npath = \"/health\"\nexpect.json = { \"$.status\" = \"ok\" }\n";
    for (command, code, says) in [
        (
            format!("[\"{}\"]", plur_api().display()),
            0,
            "second ready after",
        ),
        ("[\"sleep\", \"600\"]".to_owned(), 10, "no connection"),
    ] {
        let process = format!(
            "\n[[check.api.process]]\nname = \"second\"\ncommand = {command}\nready = {{ listens = true, within = \"5s\" }}\n{request}"
        );
        let ended = plur(&process);
        assert_eq!(ended.code, code, "{}\n{}", ended.stdout, ended.stderr);
        let checks = ended.drill()["checks"].to_string();
        assert!(checks.contains(says), "{checks}");
    }
}

/// A socket can be connected to wherever it is seen, and the server sees the folder of its certificate.
#[test]
fn the_server_sees_no_way_to_a_program() {
    if !is_root() {
        return;
    }
    let query = "SELECT pg_catalog.string_agg(f, ' ' ORDER BY f) FROM pg_catalog.pg_ls_dir(pg_catalog.regexp_replace(pg_catalog.current_setting('hba_file'), '/[^/]*$', '')) AS f";
    let look = format!("psql -X -At -c \\\"{query}\\\" && exec sleep 600");
    let process = format!(
        "\n[[check.api.process]]\nname = \"look\"\nrole = \"plur_admin\"\ncommand = [\"sh\", \"-c\", \"{look}\"]\n\
         ready = {{ output = '^ca.crt pg_hba.conf server.crt server.key$', within = \"10s\" }}\n"
    );
    let ended = plur(&process);
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
}

/// `sslmode=require` of the document, on each of the three databases.
#[test]
fn each_database_of_prisme_is_reached() {
    if !is_root() {
        return;
    }
    let checks = ["users", "permissions", "collections"].map(|database| {
        format!(
            "\n[[check.command]]\nname = \"{database} by TLS\"\ndatabase = \"{database}\"\nrole = \"prismeai\"\n\
             command = [\"psql\", \"-X\", \"-At\", \"-d\", \"sslmode=require\", \"-c\", \"SELECT pg_catalog.current_database(), ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()\"]\n\
             expect.output = '^{database}\\|t$'\n"
        )
    });
    let run = prisme::on_two_servers();
    let text = std::fs::read_to_string(run.path("scenario.toml")).unwrap();
    let run = run.file("scenario.toml", text + TLS + &checks.concat());
    let ended = run.run();
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    assert_eq!(ended.drill()["server"]["tls"], "TLSv1.3");
    assert_eq!(
        ended.drill()["other_servers"][0]["server"]["tls"],
        "TLSv1.3"
    );
}
