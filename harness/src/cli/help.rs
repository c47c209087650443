//! Examples and exit codes at the end of help texts.

/// The end of `redrill --help`: a first scenario.
pub(super) const FIRST: &str = "\
A first scenario, in orders.toml:

    schema = 1
    name = \"orders\"

    [backup]
    path = \"orders.sql.gz\"

    [[check.row-count]]
    table = \"public.orders\"
    min = 1000

    redrill run orders.toml

`redrill init --from orders.sql.gz` writes a longer one. `redrill explain` lists the kinds of checks,
`redrill explain row-count` shows one with an example, and `redrill doctor` reports whether a throwaway
server can be started here.";

/// The examples of `redrill run --help`.
pub(super) const RUN: &str = "\
Examples:
    redrill run                          # all scenarios in scenarios/
    redrill run orders.toml --backup /backups/orders-2026-05-25.sql.gz
    redrill run orders.toml --only role,rls,tenant,append-only
    redrill run --jobs 2 --fail-fast     # two at a time, until one is not PROVEN
    redrill run orders.toml --keep 2h    # the restored server stays for two hours
    redrill run --shard 2/5 --state s3://drills/team --batch 2026-11-24   # one of five machines
    redrill run --json | jq -r '[.verdict, .scenario.name] | @tsv'";

/// What `--only` does to a drill.
pub(super) const RUN_ONLY: &str = "\
Run only these checks, named by kind or id, with commas between them; `*` in an id matches any text. Only the rows \
are restored that these checks need, as far as that is known, and the database is not compared with the backup: the \
verdict is CHECKS PASSED, never PROVEN. The reports go to a separate folder and list what was left out";

/// The scenarios of a rehearsal.
pub(super) const REHEARSE_SCENARIOS: &str = "\
Scenario files, or folders that contain them. Default: `scenarios`; with `--on`, the one that the server was restored by";

/// The examples of `redrill rehearse --help`.
pub(super) const REHEARSE: &str = "\
Examples:
    redrill rehearse orders.toml
    redrill rehearse orders.toml --only role,rls,tenant,append-only   # a gate on roles and rights
    redrill run orders.toml --rehearse   # the drill with its own reports, then the rehearsal
    redrill rehearse --on orders-1a2b    # on a server of `redrill run --keep`, without restoring again";

/// The end of `redrill list --help`.
pub(super) const LIST: &str = "\
Examples:
    redrill list                         # all scenarios in scenarios/
    redrill list drills/orders.toml
    redrill list --kept                  # servers of `redrill run --keep`";

/// The end of `redrill psql --help`.
pub(super) const PSQL: &str = "\
Examples:
    redrill psql orders-1a2b
    redrill psql orders-1a2b -- -d orders -c 'SELECT count(*) FROM app.orders'

The exit code is that of psql; 3: there is none, or the server has ended; 4: no server has this name.";

/// The end of `redrill drop --help`.
pub(super) const DROP: &str = "\
Examples:
    redrill drop orders-1a2b

Exit codes:
    0  it is removed
    3  it could not be removed
    4  no server has this name";

/// The end of `redrill explain --help`.
pub(super) const EXPLAIN: &str = "\
Examples:
    redrill explain                      # all kinds of checks
    redrill explain rls                  # parameters and examples of one
    redrill explain scenario             # every key of the file";

/// The end of `redrill schema --help`.
pub(super) const SCHEMA: &str = "\
Examples:
    redrill schema > scenario.schema.json
    redrill schema report                # the schema of drill.json";

/// The end of `redrill verify --help`.
pub(super) const VERIFY: &str = "\
Examples:
    redrill verify                       # the log of scenarios/.redrill
    redrill verify --signers ops.pub --checkpoint checkpoint.txt
    redrill verify reports/out/orders/drill.md reports/out/orders/junit.xml

Exit codes:
    0  nothing was changed, as far as the text says
    2  bad command line
    3  the state cannot be read, or another redrill wrote FILE
    4  there is no state, or it has no entry of FILE
   23  something was changed, removed, added or moved, or a signature is wrong";

/// The end of `redrill history --help`.
pub(super) const HISTORY: &str = "\
Examples:
    redrill history --since 1y
    redrill history --html drills.html   # a page over all drills, with a calendar and charts
    redrill history --since 1y --controls # what is evidence for which control
    redrill history orders --json | jq -r '.[] | [.began, .verdict, .restore_s] | @tsv'";

/// The end of `redrill compare --help`.
pub(super) const COMPARE: &str = "\
Examples:
    redrill compare 41 57                # numbers of entries, as `redrill history` shows them";

/// The end of `redrill report --help`.
pub(super) const REPORT: &str = "\
Examples:
    redrill report reports/out/orders/drill.json > drill.md
    redrill report 41 --format junit --out junit.xml --state s3://evidence/drills

Exit codes:
    0  it was made
    3  the record cannot be read, or another redrill wrote it
    4  there is no state, or no such entry";

/// The examples of `redrill gate --help`.
pub(super) const GATE: &str = "\
Examples:
    redrill gate --scenario drills/orders.toml --max-age 90d --covers role,rls,append-only
    redrill gate --scenario drills/orders.toml --rehearsed --commit \"$GITHUB_SHA\"
    redrill gate --scenario drills/orders.toml --max-age 7d --verified --signers ops.pub";

/// The end of `redrill doctor --help`.
pub(super) const DOCTOR: &str = "\
Examples:
    redrill doctor                       # exit code 0: a server was started and removed
    redrill doctor drills/orders.toml    # exit code 0: the backup of the scenario can be drilled here";

/// The end of `redrill clean --help`.
pub(super) const CLEAN: &str = "\
Examples:
    redrill clean                        # runs that are still alive are left alone
    redrill clean --templates            # the next run runs initdb again";

/// The end of `redrill baseline --help`.
pub(super) const BASELINE: &str = "\
Examples:
    redrill baseline --from postgres://reader@db/orders --out orders.baseline.toml
    redrill baseline --from postgres://reader@db/orders --with-dump /backups/orders.dump
    redrill baseline --from drills/orders.toml
    redrill baseline --from drills/shop.toml --until 2026-11-24T20:35:30Z   # of a base backup

Exit codes:
    0  FILE was written
    2  bad command line or scenario, or FILE exists
    3  could not run: the database does not answer, backup not found, no server, FILE not writable
   10  the backup is incomplete, damaged or unsafe, or does not restore without an error
  130  Ctrl-C or SIGTERM; cleaned up, no FILE";

/// The end of `redrill accept --help`.
pub(super) const ACCEPT: &str = "\
Examples:
    redrill accept drills/orders.toml
    redrill accept drills/orders.toml --object 'table app.orders' --object 'index app.*'

Exit codes:
    0  there is no difference, or every difference was accepted and written
    2  bad command line or scenario
    3  could not run: no baseline, or no drill that compared with it
   10  there are differences that were not accepted";

/// The end of `redrill init --help`.
pub(super) const INIT: &str = "\
Examples:
    redrill init --from /backups/orders-2026-05-25.sql.gz --out scenarios
    redrill init --from postgres://backup@db.internal/orders --out scenarios
    redrill init --from postgres://backup@db.internal/orders --backup orders.dump --name orders
    redrill init --from /backups/base-2026-11-24 --wal /archive --name shop   # a base backup

Exit codes:
    0  the scenario was written
    2  bad command line, or the scenario exists
    3  could not run: backup not found, no server, the database does not answer, DIR not writable
   10  the backup is incomplete, damaged or unsafe, or does not restore without an error: nothing was written
  130  Ctrl-C or SIGTERM; cleaned up, nothing was written";

/// The end of `redrill recover --help`.
pub(super) const RECOVER: &str = "\
Examples:
    redrill recover --table app.orders --from /backups/orders.dump --out orders.sql
    redrill recover --table app.orders --from drills/orders.toml --out orders.csv

A table as it was before somebody dropped it, from a base backup and archived WAL:
    redrill recover --table app.orders --from shop.toml --until 2026-11-24T20:35:30Z --out x.sql
    redrill recover --table app.orders --from base --wal wal --until before_release --out x.sql
A base backup has no second copy of the rows to compare them with: its pages and WAL are verified
by their checksums, and the recovered table is read to its end and verified by amcheck.

Exit codes:
    0  FILE contains the table, with the rows of the backup
    2  bad command line or scenario, or FILE exists
    3  could not run: backup not found, no server, FILE not writable
    4  the backup does not contain the table
   10  the backup is incomplete, damaged or unsafe, does not restore without an error, or with other rows
  130  Ctrl-C or SIGTERM; cleaned up, no FILE";

/// The end of `redrill inspect --help`.
pub(super) const INSPECT: &str = "\
Examples:
    redrill inspect /backups/orders.sql.gz
    redrill inspect orders.dump.age --age-identity key.txt --json
    redrill inspect drills/orders.toml   # the backup of a scenario, with its age and retention

Exit codes:
    0  the file is complete and undamaged; only `redrill run` proves that it restores
    2  bad command line or scenario
    3  could not run: backup not found, not readable, no key
   10  the backup is incomplete, damaged or unsafe
   11  the backup is complete, but too old, or required earlier ones are missing
  130  Ctrl-C or SIGTERM";

/// The end of `redrill merge --help`.
pub(super) const MERGE: &str = "\
Examples:
    redrill merge --state s3://drills/team --batch 2026-11-24
    redrill merge --state s3://drills/team --wait 2h   # the batch of this CI run, when its shards have ended";

/// The end of `redrill completions --help`.
pub(super) const COMPLETIONS: &str = "\
Examples:
    redrill completions bash > ~/.local/share/bash-completion/completions/redrill
    redrill completions zsh > ~/.zfunc/_redrill       # a folder of $fpath
    redrill completions fish > ~/.config/fish/completions/redrill.fish";

/// The end of `redrill man --help`.
pub(super) const MAN: &str = "\
Examples:
    redrill man | man -l -
    redrill man run > redrill-run.1";
