//! What the other commands print.

use std::fs;
use std::process::{Command, Stdio};

use clap::CommandFactory as _;
use redrill::cli::Cli;
use rstest::rstest;
use serde_json::Value;

use super::SCENARIO;
use super::builder::redrill;
use crate::support::root;

/// Compares with a committed file; with `REDRILL_UPDATE` in the environment it is written anew.
fn as_committed(path: &str, text: &str) {
    let path = root().join(path);
    if std::env::var_os("REDRILL_UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "{} is not what redrill prints now; REDRILL_UPDATE=1 writes it anew\n{text}",
        path.display()
    );
}

#[test]
fn the_schema_of_scenarios_is_the_committed_one() {
    let ended = redrill().call(&["schema", "scenario"]);
    assert_eq!(ended.code, 0);
    as_committed("scenarios/scenario.schema.json", &ended.stdout);
}

#[test]
fn the_help_of_every_subcommand_is_the_committed_one() {
    let tree = Cli::command();
    let subcommands = tree
        .get_subcommands()
        .map(|one| vec![one.get_name(), "--help"]);
    let mut text = String::new();
    for arguments in std::iter::once(vec!["--help"]).chain(subcommands) {
        let ended = redrill().environment("COLUMNS", "100").call(&arguments);
        assert_eq!(ended.code, 0);
        text.push_str(&format!(
            "$ redrill {}\n{}\n",
            arguments.join(" "),
            ended.stdout
        ));
    }
    as_committed("harness/tests/it/drill/help.txt", &text);
}

/// What packages install, and shells and `man` read.
#[test]
fn completions_and_manual_pages_are_the_committed_ones() {
    for (shell, file) in [
        ("bash", "redrill.bash"),
        ("zsh", "_redrill"),
        ("fish", "redrill.fish"),
    ] {
        let ended = redrill().call(&["completions", shell]);
        assert_eq!(ended.code, 0);
        as_committed(&format!("ci/release/completions/{file}"), &ended.stdout);
    }
    let tree = Cli::command();
    let subcommands = tree.get_subcommands().map(|one| one.get_name());
    for name in std::iter::once("").chain(subcommands) {
        let (words, file) = match name {
            "" => (vec!["man"], "redrill.1".to_owned()),
            name => (vec!["man", name], format!("redrill-{name}.1")),
        };
        let ended = redrill().call(&words);
        assert_eq!(ended.code, 0);
        as_committed(&format!("ci/release/man/{file}"), &ended.stdout);
        // `man` itself reads it without a warning.
        let path = root().join("ci/release/man").join(&file);
        let groff = Command::new("groff")
            .args(["-K", "utf8", "-man", "-T", "utf8", "-ww", "-z"])
            .arg(&path)
            .output();
        let groff = groff.expect("groff: ci/setup.sh installs it");
        assert!(
            groff.status.success() && groff.stderr.is_empty(),
            "{file}: {}",
            String::from_utf8_lossy(&groff.stderr)
        );
    }
    let ended = redrill().call(&["man", "rnu"]);
    assert_eq!(ended.code, 2);
    assert!(
        ended.stderr.contains("did you mean `run`?"),
        "{}",
        ended.stderr
    );
}

/// Bash completes with them what a user types.
#[rstest]
#[case(&["redrill", "reh"], "rehearse")]
#[case(&["redrill", "run", "--sha"], "--shard")]
#[case(&["redrill", "run", "--server", "cont"], "container")]
#[case(&["redrill", "completions", "z"], "zsh")]
fn bash_completes(#[case] words: &[&str], #[case] expected: &str) {
    let file = root().join("ci/release/completions/redrill.bash");
    let script = r#"source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        _redrill redrill "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let output = Command::new("bash")
        .args(["--noprofile", "--norc", "-c", script, "bash"])
        .arg(&file)
        .args(words)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        text.lines().collect::<Vec<_>>(),
        [expected],
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Zsh does, in a terminal.
#[rstest]
#[case("redrill reh", "redrill rehearse")]
#[case("redrill run --sha", "redrill run --shard=")]
#[case("redrill run --server cont", "redrill run --server container")]
#[case("redrill completions z", "redrill completions zsh")]
// Nothing begins so.
#[case("redrill rez", "redrill rez")]
fn zsh_completes(#[case] words: &str, #[case] expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let line = folder.path().join("line");
    let output = Command::new("timeout")
        .args(["60", "zsh", "-f"])
        .arg(root().join("harness/tests/it/drill/complete.zsh"))
        .arg(
            root()
                .join("ci/release/completions")
                .canonicalize()
                .unwrap(),
        )
        .arg(&line)
        .arg(words)
        .current_dir(folder.path())
        .env("TERM", "dumb")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let line = fs::read_to_string(&line);
    let line = line.unwrap_or_else(|error| panic!("zsh: ci/setup.sh installs it: {error} {said}"));
    assert_eq!(line.trim_end(), expected, "{said}");
}

/// And fish. Its script has no values of arguments without a name.
#[rstest]
#[case("redrill reh", &["rehearse"])]
#[case("redrill run --sha", &["--shard"])]
#[case("redrill run --server cont", &["container"])]
#[case("redrill rez", &[])]
fn fish_completes(#[case] words: &str, #[case] expected: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("fish")
        .args(["--no-config", "-c", "source $argv[1]; complete -C $argv[2]"])
        .arg(
            root()
                .join("ci/release/completions/redrill.fish")
                .canonicalize()
                .unwrap(),
        )
        .arg(words)
        .current_dir(folder.path())
        .env("HOME", folder.path())
        .stdin(Stdio::null())
        .output()
        .expect("fish: ci/setup.sh installs it");
    let text = String::from_utf8(output.stdout).unwrap();
    let names: Vec<&str> = text
        .lines()
        .map(|line| line.split('\t').next().unwrap())
        .collect();
    assert_eq!(
        names,
        expected,
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn every_subcommand_and_its_arguments_are_documented() {
    let files = ["README.md", "scenarios/README.md", "reports/README.md"];
    let files = files.map(|file| fs::read_to_string(root().join(file)).unwrap());
    let documents = files.concat();
    for subcommand in Cli::command().get_subcommands() {
        let name = subcommand.get_name();
        assert!(
            documents.contains(&format!("redrill {name}")),
            "no README has `redrill {name}`"
        );
        for argument in subcommand.get_arguments() {
            let id = argument.get_id();
            assert!(argument.get_help().is_some(), "{name} {id}: no help");
        }
    }
}

/// Sources, packings, providers, ways to restore and reports to send are keys of the scenario.
#[test]
fn every_key_of_a_scenario_is_documented() {
    let schema = redrill::scenario::schema::schema();
    let mut undocumented = Vec::new();
    find_undocumented(&schema, &schema, "", &mut undocumented);
    assert!(undocumented.is_empty(), "{undocumented:#?}");
}

/// Finds properties that neither have a description nor refer to a type that has one.
fn find_undocumented(root: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    if let Value::Array(items) = value {
        items
            .iter()
            .for_each(|item| find_undocumented(root, item, path, found));
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        let path = format!("{path}/{key}");
        if key == "properties" {
            for (name, property) in inner.as_object().into_iter().flatten() {
                // The kinds of checks; their own doc comments have a test in `check`.
                if !path.ends_with("/check/properties") && !is_documented(root, property) {
                    found.push(format!("{path}/{name}"));
                }
            }
        }
        find_undocumented(root, inner, &path, found);
    }
}

/// Tells whether a property, or the type that it refers to, has a description.
fn is_documented(root: &Value, property: &Value) -> bool {
    let referred = property.get("$ref").and_then(Value::as_str);
    let referred = referred.and_then(|path| root.pointer(path.strip_prefix('#')?));
    let parts = property.get("anyOf").and_then(Value::as_array);
    property.get("description").is_some()
        || referred.is_some_and(|definition| is_documented(root, definition))
        || parts.is_some_and(|parts| parts.iter().any(|part| is_documented(root, part)))
        || property
            .get("items")
            .is_some_and(|items| is_documented(root, items))
}

#[test]
fn list_names_scenarios_and_their_checks() {
    let ended = redrill().scenario(SCENARIO).call(&["list"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    insta::assert_snapshot!(ended.stdout, @r"
    drilled  (scenario.toml)
        row-count/orgs
    ");
}

#[test]
fn explain_shows_a_kind_with_its_parameters() {
    let ended = redrill().call(&["explain", "row-count"]);
    assert_eq!(ended.code, 0);
    insta::assert_snapshot!(ended.stdout, @r#"
    # row-count

    Tables hold as many rows as they must: exactly, at least, at most, or as many as a baseline says.

    ## What it proves
    The exact `count(*)` of each table, partitions included, and of each partition by itself where
    `per-partition` is given. Estimates of the planner are never used.

    ## What it does not prove
    That the rows hold the right values.

    ## Example
    ```toml
    [[check.row-count]]
    name = "orders is not hollow"
    table = "app.orders"
    min = 1_000_000

    [[check.row-count]]
    tables = ["app.*"]
    baseline = "app.baseline.json"
    tolerance = "5%"

    [[check.row-count]]
    table = "app.audit"
    per-partition = { min = 1, empty = ["app.audit_default"] }
    ```

    ## Parameters
      baseline
          A baseline file, relative to the scenario, whose `rows` say how many.
      exact
          Exactly this many rows in each.
      max
          At most this many rows in each.
      min
          At least this many rows in each.
      per-partition
          Bounds for each partition of a partitioned table.
      per-partition.empty
          Partitions that must be empty, such as the default partition.
      per-partition.max
          At most this many rows in each.
      per-partition.min
          At least this many rows in each.
      table
          One table.
      tables
          Several tables; `*` and `?` match in schema and name.
      tolerance
          How far a count may be from the baseline's, as in `5%`. Default: `0%`.

    Every check also has `name`, `required`, `database` and `timeout`.
    "#);
}

#[test]
fn explain_lists_the_values_of_a_parameter() {
    let ended = redrill().call(&["explain", "schema-version"]);
    for expected in [
        "  naming\n      How the files are named. Default: `numbered`.\n      \"numbered\": `001-init.sql`",
        "\n      \"rails\": `20250101120000_create_users.rb`: the digits.\n",
        "\n      \"drizzle\": Drizzle: `meta/_journal.json` and `TAG.sql`",
        "\n      \"sha384\": SHA-384, as sqlx keeps it.\n",
    ] {
        assert!(
            ended.stdout.contains(expected),
            "no `{expected}` in\n{}",
            ended.stdout
        );
    }
}

#[test]
fn explain_names_the_nearest_kind() {
    let ended = redrill().call(&["explain", "row-counts"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
    insta::assert_snapshot!(ended.stderr, @r"
    unknown kind of check `row-counts`
    hint: did you mean `row-count`?
    ");
    let ended = redrill().call(&["explain", "nosuch"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
    insta::assert_snapshot!(ended.stderr, @r"
    unknown kind of check `nosuch`
    hint: the kinds are api, append-only, baseline, command, constraint, extension, freshness, function, graph, index, migrations, object, partition, reference, rls, role, row-count, schema-version, sequence, size, sql, tenant, trigger, vector
    ");
}
