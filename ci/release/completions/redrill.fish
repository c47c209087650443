# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_redrill_global_optspecs
    string join \n h/help V/version
end

function __fish_redrill_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_redrill_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_redrill_using_subcommand
    set -l cmd (__fish_redrill_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c redrill -n "__fish_redrill_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c redrill -n "__fish_redrill_needs_command" -s V -l version -d 'Print version'
complete -c redrill -n "__fish_redrill_needs_command" -f -a "run" -d 'Drill scenarios: restore, compare, check, report'
complete -c redrill -n "__fish_redrill_needs_command" -f -a "rehearse" -d 'Rehearse a release: run its pending migrations on copies of the restored database'
complete -c redrill -n "__fish_redrill_needs_command" -f -a "inspect" -d 'Inspect a backup without a server: what it is, whether it is complete, what it contains'
complete -c redrill -n "__fish_redrill_needs_command" -f -a "recover" -d 'Recover one table from a backup, as SQL or CSV'
complete -c redrill -n "__fish_redrill_needs_command" -f -a "init" -d 'Write a first scenario with its baseline, from a backup or a database'
complete -c redrill -n "__fish_redrill_needs_command" -f -a "baseline" -d 'Record the state of a known-good database, to compare later backups with'
complete -c redrill -n "__fish_redrill_needs_command" -f -a "accept" -d 'List the differences between a baseline and the last drill; accept them one by one'
complete -c redrill -n "__fish_redrill_needs_command" -f -a "list" -d 'List scenarios and their checks, without starting anything; or the servers that are kept'
complete -c redrill -n "__fish_redrill_needs_command" -f -a "explain" -d 'Explain a kind of check; without a kind, list all kinds'
complete -c redrill -n "__fish_redrill_needs_command" -f -a "schema" -d 'Print a JSON Schema'
complete -c redrill -n "__fish_redrill_needs_command" -f -a "verify" -d 'Verify the log of all drills: order, gaps, digests, signatures. Works offline'
complete -c redrill -n "__fish_redrill_needs_command" -f -a "history" -d 'List past drills and rehearsals, from the log'
complete -c redrill -n "__fish_redrill_needs_command" -f -a "merge" -d 'Merge what the shards of a batch reported: one verdict, one JUnit report, one page'
complete -c redrill -n "__fish_redrill_needs_command" -f -a "compare" -d 'Show what changed between two drills: size, rows, restore time, versions, checks'
complete -c redrill -n "__fish_redrill_needs_command" -f -a "report" -d 'Make a report of a drill again from its record, byte for byte'
complete -c redrill -n "__fish_redrill_needs_command" -f -a "gate" -d 'Say whether a release may go, from the log alone: is there a drill, PROVEN, recent, of the right checks?'
complete -c redrill -n "__fish_redrill_needs_command" -f -a "doctor" -d 'Report whether a throwaway server can be started here, and what is missing'
complete -c redrill -n "__fish_redrill_needs_command" -f -a "psql" -d 'Open psql on a server that `redrill run --keep` kept'
complete -c redrill -n "__fish_redrill_needs_command" -f -a "drop" -d 'Remove a server that `redrill run --keep` kept, before its time is over'
complete -c redrill -n "__fish_redrill_needs_command" -f -a "completions" -d 'Print the completions of a shell'
complete -c redrill -n "__fish_redrill_needs_command" -f -a "man" -d 'Print the manual page, in roff'
complete -c redrill -n "__fish_redrill_needs_command" -f -a "clean" -d 'Remove what killed runs left behind: containers, volumes, servers, folders'
complete -c redrill -n "__fish_redrill_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c redrill -n "__fish_redrill_using_subcommand run" -l reports -d 'Folder for reports; each scenario gets a folder in it' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand run" -l backup -d 'Restore this backup file instead of the one in the scenario' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand run" -l globals -d 'The file of the roles of `--backup`. Default: the one that `globals` in the scenario selects' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand run" -l server -d 'The provider of the throwaway server. Default: that of the scenario, otherwise `auto`' -r -f -a "auto\t'A container if a container engine answers and has an image, otherwise a local server'
container\t'A container without network'
local\t'Processes of this machine'"
complete -c redrill -n "__fish_redrill_using_subcommand run" -l state -d 'The state: a folder, or `s3://bucket/prefix`, that keeps the record of each drill and a log of them. Keys and endpoint of S3 come from the variables of AWS. Default: `.redrill` beside the scenario' -r
complete -c redrill -n "__fish_redrill_using_subcommand run" -l key -d 'The private key that signs entries and checkpoints of the log, made by `ssh-keygen -t ed25519`. Default: nothing is signed' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand run" -l sign-command -d 'A program that signs in place of a key, with its arguments: it gets what is signed on standard input and writes the signature to standard output. There is no shell. It is tried before the drill' -r
complete -c redrill -n "__fish_redrill_using_subcommand run" -l verify-command -d 'The program that verifies it, as for `redrill verify`: the signature that is tried must be valid' -r
complete -c redrill -n "__fish_redrill_using_subcommand run" -l signers -d 'The public keys of others that may sign, as for `redrill verify`: with a key, what an earlier drill left for `record` of a `baseline` check is used only where that key or one of these signed its entry' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand run" -l work-dir -d 'Folder for sockets and data of throwaway servers; its path must be short' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand run" -l seed -d 'Repeat the choice of another run, where `pick` in the scenario selects a backup at random: its reports show the seed. Default: a new one' -r
complete -c redrill -n "__fish_redrill_using_subcommand run" -s j -l jobs -d 'Drill up to N scenarios at the same time. Each has its own server: mind memory and disk' -r
complete -c redrill -n "__fish_redrill_using_subcommand run" -l keep -d 'Keep the server of each drill for this time, such as `2h`, also of one that failed: `redrill list --kept` shows it, `redrill psql NAME` opens it, `redrill rehearse --on NAME` rehearses a release on copies of it, `redrill drop NAME` removes it before. It needs room for two copies of its data' -r
complete -c redrill -n "__fish_redrill_using_subcommand run" -l shard -d 'Drill one share of the scenarios: `2/5` is the second of five; the other shares are for other machines, with the same `--state`. `auto` reads the number from the variables of GitLab, Buildkite, Slurm or Kubernetes, `auto/5` where they have no number of shares. The durations in the log decide which drill is in which share. Then: `redrill merge`' -r
complete -c redrill -n "__fish_redrill_using_subcommand run" -l batch -d 'The name that all shards of one run share, and no other run has. Default: from the id that a CI system or Slurm gives the run' -r
complete -c redrill -n "__fish_redrill_using_subcommand run" -l metrics -d 'Write metrics of the drills to this file, for the textfile collector of node_exporter, which reads `*.prom`' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand run" -l only -d 'Run only these checks, named by kind or id, with commas between them; `*` in an id matches any text' -r
complete -c redrill -n "__fish_redrill_using_subcommand run" -l no-state -d 'Record nothing, also where `--state` names a state'
complete -c redrill -n "__fish_redrill_using_subcommand run" -s v -l verbose -d 'Show everything that was tested, not only what failed'
complete -c redrill -n "__fish_redrill_using_subcommand run" -s q -l quiet -d 'Show no progress, only the summary'
complete -c redrill -n "__fish_redrill_using_subcommand run" -l again -d 'Repeat a shard that died before it could report. One that was INCONCLUSIVE or INTERRUPTED can be repeated without it'
complete -c redrill -n "__fish_redrill_using_subcommand run" -l annotate -d 'Print what failed as annotations of GitHub (`::error file=…,line=…`), after everything else'
complete -c redrill -n "__fish_redrill_using_subcommand run" -l fail-fast -d 'Begin no other drill after one that is neither PROVEN nor CHECKS PASSED'
complete -c redrill -n "__fish_redrill_using_subcommand run" -l rehearse -d 'Rehearse the release of each scenario after its drill; see `redrill rehearse`. The exit code is the worse of both'
complete -c redrill -n "__fish_redrill_using_subcommand run" -l json -d 'Print `drill.json` of each drill as one line, in place of the summary'
complete -c redrill -n "__fish_redrill_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c redrill -n "__fish_redrill_using_subcommand rehearse" -l reports -d 'Folder for reports; each scenario gets a folder in it' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand rehearse" -l only -d 'Run only these checks, named by kind or id, with commas between them; `*` in an id matches any text' -r
complete -c redrill -n "__fish_redrill_using_subcommand rehearse" -l backup -d 'Restore this backup file instead of the one in the scenario' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand rehearse" -l globals -d 'The file of the roles of `--backup`. Default: the one that `globals` in the scenario selects' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand rehearse" -l server -d 'The provider of the throwaway server. Default: that of the scenario, otherwise `auto`' -r -f -a "auto\t'A container if a container engine answers and has an image, otherwise a local server'
container\t'A container without network'
local\t'Processes of this machine'"
complete -c redrill -n "__fish_redrill_using_subcommand rehearse" -l state -d 'The state: a folder, or `s3://bucket/prefix`, that keeps the record of each drill and a log of them. Keys and endpoint of S3 come from the variables of AWS. Default: `.redrill` beside the scenario' -r
complete -c redrill -n "__fish_redrill_using_subcommand rehearse" -l key -d 'The private key that signs entries and checkpoints of the log, made by `ssh-keygen -t ed25519`. Default: nothing is signed' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand rehearse" -l sign-command -d 'A program that signs in place of a key, with its arguments: it gets what is signed on standard input and writes the signature to standard output. There is no shell. It is tried before the drill' -r
complete -c redrill -n "__fish_redrill_using_subcommand rehearse" -l verify-command -d 'The program that verifies it, as for `redrill verify`: the signature that is tried must be valid' -r
complete -c redrill -n "__fish_redrill_using_subcommand rehearse" -l signers -d 'The public keys of others that may sign, as for `redrill verify`: with a key, what an earlier drill left for `record` of a `baseline` check is used only where that key or one of these signed its entry' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand rehearse" -l work-dir -d 'Folder for sockets and data of throwaway servers; its path must be short' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand rehearse" -l on -d 'Rehearse on copies of the server that `redrill run --keep` kept under this name, in place of restoring the backup again. They have the state that the drill left: what was done by `redrill psql` since is not in them, and the kept server goes on running as it is' -r
complete -c redrill -n "__fish_redrill_using_subcommand rehearse" -l no-state -d 'Record nothing, also where `--state` names a state'
complete -c redrill -n "__fish_redrill_using_subcommand rehearse" -s v -l verbose -d 'Show everything that was tested, not only what failed'
complete -c redrill -n "__fish_redrill_using_subcommand rehearse" -s q -l quiet -d 'Show no progress, only the summary'
complete -c redrill -n "__fish_redrill_using_subcommand rehearse" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c redrill -n "__fish_redrill_using_subcommand inspect" -l age-identity -d 'The identity file of a backup that is encrypted with age' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand inspect" -l decrypt -d 'The command that decrypts: it reads the file from standard input and writes the content to standard output, such as `gpg --batch --decrypt`' -r
complete -c redrill -n "__fish_redrill_using_subcommand inspect" -l wal -d 'The folder of the archived WAL of a base backup. Default: that of the scenario, otherwise only the WAL in the base backup' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand inspect" -l until -d 'Recover a base backup to this time, such as `2026-11-24T20:35:30Z`, or to the restore point of this name. Default: `[recovery]` of the scenario, otherwise the end of the WAL' -r
complete -c redrill -n "__fish_redrill_using_subcommand inspect" -l work-dir -d 'Folder for sockets and data of throwaway servers; its path must be short' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand inspect" -l json -d 'Print everything as JSON'
complete -c redrill -n "__fish_redrill_using_subcommand inspect" -s q -l quiet -d 'Show no progress'
complete -c redrill -n "__fish_redrill_using_subcommand inspect" -s h -l help -d 'Print help'
complete -c redrill -n "__fish_redrill_using_subcommand recover" -l table -d 'The table, such as `app.orders` or `"My Schema"."Orders"`' -r
complete -c redrill -n "__fish_redrill_using_subcommand recover" -l from -d 'A backup, file or folder; or a scenario (.toml), for its backup and the settings of its restore' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand recover" -l out -d 'The file to write, readable by its owner only; `-` for standard output' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand recover" -l format -d 'Format. Default: CSV if FILE ends in `.csv`, otherwise SQL' -r -f -a "sql\t'Definition and rows, to be loaded with `psql -1 -f FILE`'
csv\t'The rows; the first line contains the names of the columns'"
complete -c redrill -n "__fish_redrill_using_subcommand recover" -l database -d 'The database of the table, if several databases in the backup contain it' -r
complete -c redrill -n "__fish_redrill_using_subcommand recover" -l server -d 'The provider of the throwaway server. Default: that of the scenario, otherwise `auto`' -r -f -a "auto\t'A container if a container engine answers and has an image, otherwise a local server'
container\t'A container without network'
local\t'Processes of this machine'"
complete -c redrill -n "__fish_redrill_using_subcommand recover" -l age-identity -d 'The identity file of a backup that is encrypted with age' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand recover" -l decrypt -d 'The command that decrypts: it reads the file from standard input and writes the content to standard output, such as `gpg --batch --decrypt`' -r
complete -c redrill -n "__fish_redrill_using_subcommand recover" -l wal -d 'The folder of the archived WAL of a base backup. Default: that of the scenario, otherwise only the WAL in the base backup' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand recover" -l until -d 'Recover a base backup to this time, such as `2026-11-24T20:35:30Z`, or to the restore point of this name. Default: `[recovery]` of the scenario, otherwise the end of the WAL' -r
complete -c redrill -n "__fish_redrill_using_subcommand recover" -l work-dir -d 'Folder for sockets and data of throwaway servers; its path must be short' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand recover" -l force -d 'Replace FILE if it exists'
complete -c redrill -n "__fish_redrill_using_subcommand recover" -s q -l quiet -d 'Show no progress'
complete -c redrill -n "__fish_redrill_using_subcommand recover" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c redrill -n "__fish_redrill_using_subcommand init" -l from -d 'A backup, file or folder; or `postgres://user@host:5432/database`. A password comes from PGPASSWORD or ~/.pgpass' -r
complete -c redrill -n "__fish_redrill_using_subcommand init" -l out -d 'The folder to write to; created if it does not exist' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand init" -l name -d 'The name of the scenario and of its file. Default: the name of the backup without its time, or of the database' -r
complete -c redrill -n "__fish_redrill_using_subcommand init" -l backup -d 'A backup of the database in `--from`, to run the scenario on' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand init" -l database -d 'Only this database, if the backup contains several; the name of the database for a dump that does not create one' -r
complete -c redrill -n "__fish_redrill_using_subcommand init" -l server -d 'The provider of the throwaway server. Default: that of the scenario, otherwise `auto`' -r -f -a "auto\t'A container if a container engine answers and has an image, otherwise a local server'
container\t'A container without network'
local\t'Processes of this machine'"
complete -c redrill -n "__fish_redrill_using_subcommand init" -l age-identity -d 'The identity file of a backup that is encrypted with age' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand init" -l decrypt -d 'The command that decrypts: it reads the file from standard input and writes the content to standard output, such as `gpg --batch --decrypt`' -r
complete -c redrill -n "__fish_redrill_using_subcommand init" -l wal -d 'The folder of the archived WAL of a base backup. Default: that of the scenario, otherwise only the WAL in the base backup' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand init" -l until -d 'Recover a base backup to this time, such as `2026-11-24T20:35:30Z`, or to the restore point of this name. Default: `[recovery]` of the scenario, otherwise the end of the WAL' -r
complete -c redrill -n "__fish_redrill_using_subcommand init" -l work-dir -d 'Folder for sockets and data of throwaway servers; its path must be short' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand init" -l force -d 'Replace the scenario if it exists'
complete -c redrill -n "__fish_redrill_using_subcommand init" -s q -l quiet -d 'Show no progress'
complete -c redrill -n "__fish_redrill_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c redrill -n "__fish_redrill_using_subcommand baseline" -l from -d 'The address of a database, such as `postgres://reader@db/orders`; or a scenario (.toml) or a backup, which is restored into a throwaway server' -r
complete -c redrill -n "__fish_redrill_using_subcommand baseline" -l out -d 'The file to write. Default: `NAME.baseline.toml`, with the name of the database, scenario or backup; with `--with-dump`, next to the dump' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand baseline" -l with-dump -d 'Also write a dump of the same snapshot: a custom archive if the name ends in `.dump`, otherwise plain SQL, compressed if it ends in `.gz`, `.zst` or `.lz4`' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand baseline" -l pg-dump -d 'The pg_dump to run; its version must be that of the server or newer' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand baseline" -l append-only -d 'An append-only table, in addition to those that are recognised. May be repeated' -r
complete -c redrill -n "__fish_redrill_using_subcommand baseline" -l server -d 'The provider of the throwaway server. Default: that of the scenario, otherwise `auto`' -r -f -a "auto\t'A container if a container engine answers and has an image, otherwise a local server'
container\t'A container without network'
local\t'Processes of this machine'"
complete -c redrill -n "__fish_redrill_using_subcommand baseline" -l age-identity -d 'The identity file of a backup that is encrypted with age' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand baseline" -l decrypt -d 'The command that decrypts: it reads the file from standard input and writes the content to standard output, such as `gpg --batch --decrypt`' -r
complete -c redrill -n "__fish_redrill_using_subcommand baseline" -l wal -d 'The folder of the archived WAL of a base backup. Default: that of the scenario, otherwise only the WAL in the base backup' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand baseline" -l until -d 'Recover a base backup to this time, such as `2026-11-24T20:35:30Z`, or to the restore point of this name. Default: `[recovery]` of the scenario, otherwise the end of the WAL' -r
complete -c redrill -n "__fish_redrill_using_subcommand baseline" -l work-dir -d 'Folder for sockets and data of throwaway servers; its path must be short' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand baseline" -l force -d 'Replace FILE if it exists'
complete -c redrill -n "__fish_redrill_using_subcommand baseline" -s q -l quiet -d 'Show no progress'
complete -c redrill -n "__fish_redrill_using_subcommand baseline" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c redrill -n "__fish_redrill_using_subcommand accept" -l seen -d 'The observed state. Default: `seen.baseline.toml` in the reports of the scenario' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand accept" -l reports -d 'Where the reports of `redrill run` are' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand accept" -l object -d 'Accept this object, named as it is listed: `table app.orders`; `*` matches any text. May be repeated' -r
complete -c redrill -n "__fish_redrill_using_subcommand accept" -l all -d 'Accept all differences except those that may weaken the database: rights that became wider, a constraint, policy, trigger or unique index that is gone or differs, another view or function, edited history. `--object` accepts those by their names; `*` matches any text'
complete -c redrill -n "__fish_redrill_using_subcommand accept" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c redrill -n "__fish_redrill_using_subcommand list" -l work-dir -d 'Folder for sockets and data of throwaway servers; its path must be short' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand list" -l kept -d 'List the servers that `redrill run --keep` kept: name, verdict, databases, until when'
complete -c redrill -n "__fish_redrill_using_subcommand list" -s h -l help -d 'Print help'
complete -c redrill -n "__fish_redrill_using_subcommand explain" -s h -l help -d 'Print help'
complete -c redrill -n "__fish_redrill_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c redrill -n "__fish_redrill_using_subcommand verify" -l state -d 'The state' -r
complete -c redrill -n "__fish_redrill_using_subcommand verify" -l checkpoint -d 'A checkpoint that was kept elsewhere: the line of a report, or a file with it. Shows that no entry up to it was removed, and that the log was not written anew' -r
complete -c redrill -n "__fish_redrill_using_subcommand verify" -l signers -d 'The public keys that may sign: a `.pub` file, or an `allowed_signers` file of OpenSSH. Default: those in the state, which does not show whose they are' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand verify" -l verify-command -d 'The program that verifies what `--sign-command` signed: it gets what was signed on standard input and the file with the signature in place of `{signature}`, and ends with 0 where it is valid' -r
complete -c redrill -n "__fish_redrill_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c redrill -n "__fish_redrill_using_subcommand history" -l state -d 'The state' -r
complete -c redrill -n "__fish_redrill_using_subcommand history" -l since -d 'Only what began within this time, such as `90d` or `1y`' -r
complete -c redrill -n "__fish_redrill_using_subcommand history" -l html -d 'Write one page over these drills for a browser, in place of the table: a calendar by scenario and quarter, times, sizes and ages against the objectives, what is overdue, findings, waivers, controls. It is replaced if it exists, and needs no server' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand history" -l controls -d 'List controls (`controls` in a scenario) in place of drills: what is evidence for each, and what is not'
complete -c redrill -n "__fish_redrill_using_subcommand history" -l json -d 'Print everything that the log has, as JSON'
complete -c redrill -n "__fish_redrill_using_subcommand history" -s h -l help -d 'Print help'
complete -c redrill -n "__fish_redrill_using_subcommand merge" -l batch -d 'The batch, as its shards named it. Default: from the id that a CI system gives the run' -r
complete -c redrill -n "__fish_redrill_using_subcommand merge" -l state -d 'The state that all shards wrote to' -r
complete -c redrill -n "__fish_redrill_using_subcommand merge" -l reports -d 'Folder for reports: one for each drill, and `junit.xml`, `drills.md` and `drills.html` over all of them' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand merge" -l metrics -d 'Write metrics of the drills to this file, for the textfile collector of node_exporter, which reads `*.prom`' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand merge" -l wait -d 'Wait for shards that have not ended, for this time at most, such as `2h`. Default: what is not there is missing' -r
complete -c redrill -n "__fish_redrill_using_subcommand merge" -l annotate -d 'Print what failed as annotations of GitHub (`::error file=…,line=…`), after everything else'
complete -c redrill -n "__fish_redrill_using_subcommand merge" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c redrill -n "__fish_redrill_using_subcommand compare" -l state -d 'The state' -r
complete -c redrill -n "__fish_redrill_using_subcommand compare" -s h -l help -d 'Print help'
complete -c redrill -n "__fish_redrill_using_subcommand report" -l format -d 'The report; `comment` is one of a rehearsal' -r -f -a "json\t''
markdown\t''
html\t''
comment\t''
junit\t''
terminal\t''"
complete -c redrill -n "__fish_redrill_using_subcommand report" -l out -d 'The file to write; it is replaced if it exists. Default: standard output' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand report" -l state -d 'The state' -r
complete -c redrill -n "__fish_redrill_using_subcommand report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c redrill -n "__fish_redrill_using_subcommand gate" -l scenario -d 'The scenario file. Where it drills several backups, each must be proven' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand gate" -l state -d 'The state. Default: `.redrill` beside the scenario' -r
complete -c redrill -n "__fish_redrill_using_subcommand gate" -l max-age -d 'How long ago the drill, and the rehearsal, may have begun' -r
complete -c redrill -n "__fish_redrill_using_subcommand gate" -l covers -d 'Kinds of checks, with commas between them: of each, a required check passed, and none failed or did not run' -r
complete -c redrill -n "__fish_redrill_using_subcommand gate" -l commit -d 'The commit that was rehearsed, or its beginning: that of the CI job, otherwise that of the scenario\'s folder' -r
complete -c redrill -n "__fish_redrill_using_subcommand gate" -l signers -d 'The public keys that may sign, as for `redrill verify`' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand gate" -l verify-command -d 'The program that verifies what `--sign-command` signed, as for `redrill verify`' -r
complete -c redrill -n "__fish_redrill_using_subcommand gate" -l checkpoint -d 'A checkpoint that was kept elsewhere, as for `redrill verify`' -r
complete -c redrill -n "__fish_redrill_using_subcommand gate" -l rehearsed -d 'The release was rehearsed and is SAFE'
complete -c redrill -n "__fish_redrill_using_subcommand gate" -l verified -d 'Verify the whole log too; see `redrill verify`'
complete -c redrill -n "__fish_redrill_using_subcommand gate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c redrill -n "__fish_redrill_using_subcommand doctor" -l age-identity -d 'The identity file of a backup that is encrypted with age' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand doctor" -l decrypt -d 'The command that decrypts: it reads the file from standard input and writes the content to standard output, such as `gpg --batch --decrypt`' -r
complete -c redrill -n "__fish_redrill_using_subcommand doctor" -l wal -d 'The folder of the archived WAL of a base backup. Default: that of the scenario, otherwise only the WAL in the base backup' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand doctor" -l until -d 'Recover a base backup to this time, such as `2026-11-24T20:35:30Z`, or to the restore point of this name. Default: `[recovery]` of the scenario, otherwise the end of the WAL' -r
complete -c redrill -n "__fish_redrill_using_subcommand doctor" -l work-dir -d 'Folder for sockets and data of throwaway servers; its path must be short' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c redrill -n "__fish_redrill_using_subcommand psql" -l work-dir -d 'Folder for sockets and data of throwaway servers; its path must be short' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand psql" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c redrill -n "__fish_redrill_using_subcommand drop" -l work-dir -d 'Folder for sockets and data of throwaway servers; its path must be short' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand drop" -s h -l help -d 'Print help'
complete -c redrill -n "__fish_redrill_using_subcommand completions" -s h -l help -d 'Print help'
complete -c redrill -n "__fish_redrill_using_subcommand man" -s h -l help -d 'Print help'
complete -c redrill -n "__fish_redrill_using_subcommand clean" -l work-dir -d 'Folder for sockets and data of throwaway servers; its path must be short' -r -F
complete -c redrill -n "__fish_redrill_using_subcommand clean" -l templates -d 'Remove all templates; the next run makes its own again'
complete -c redrill -n "__fish_redrill_using_subcommand clean" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c redrill -n "__fish_redrill_using_subcommand help; and not __fish_seen_subcommand_from run rehearse inspect recover init baseline accept list explain schema verify history merge compare report gate doctor psql drop completions man clean help" -f -a "run" -d 'Drill scenarios: restore, compare, check, report'
complete -c redrill -n "__fish_redrill_using_subcommand help; and not __fish_seen_subcommand_from run rehearse inspect recover init baseline accept list explain schema verify history merge compare report gate doctor psql drop completions man clean help" -f -a "rehearse" -d 'Rehearse a release: run its pending migrations on copies of the restored database'
complete -c redrill -n "__fish_redrill_using_subcommand help; and not __fish_seen_subcommand_from run rehearse inspect recover init baseline accept list explain schema verify history merge compare report gate doctor psql drop completions man clean help" -f -a "inspect" -d 'Inspect a backup without a server: what it is, whether it is complete, what it contains'
complete -c redrill -n "__fish_redrill_using_subcommand help; and not __fish_seen_subcommand_from run rehearse inspect recover init baseline accept list explain schema verify history merge compare report gate doctor psql drop completions man clean help" -f -a "recover" -d 'Recover one table from a backup, as SQL or CSV'
complete -c redrill -n "__fish_redrill_using_subcommand help; and not __fish_seen_subcommand_from run rehearse inspect recover init baseline accept list explain schema verify history merge compare report gate doctor psql drop completions man clean help" -f -a "init" -d 'Write a first scenario with its baseline, from a backup or a database'
complete -c redrill -n "__fish_redrill_using_subcommand help; and not __fish_seen_subcommand_from run rehearse inspect recover init baseline accept list explain schema verify history merge compare report gate doctor psql drop completions man clean help" -f -a "baseline" -d 'Record the state of a known-good database, to compare later backups with'
complete -c redrill -n "__fish_redrill_using_subcommand help; and not __fish_seen_subcommand_from run rehearse inspect recover init baseline accept list explain schema verify history merge compare report gate doctor psql drop completions man clean help" -f -a "accept" -d 'List the differences between a baseline and the last drill; accept them one by one'
complete -c redrill -n "__fish_redrill_using_subcommand help; and not __fish_seen_subcommand_from run rehearse inspect recover init baseline accept list explain schema verify history merge compare report gate doctor psql drop completions man clean help" -f -a "list" -d 'List scenarios and their checks, without starting anything; or the servers that are kept'
complete -c redrill -n "__fish_redrill_using_subcommand help; and not __fish_seen_subcommand_from run rehearse inspect recover init baseline accept list explain schema verify history merge compare report gate doctor psql drop completions man clean help" -f -a "explain" -d 'Explain a kind of check; without a kind, list all kinds'
complete -c redrill -n "__fish_redrill_using_subcommand help; and not __fish_seen_subcommand_from run rehearse inspect recover init baseline accept list explain schema verify history merge compare report gate doctor psql drop completions man clean help" -f -a "schema" -d 'Print a JSON Schema'
complete -c redrill -n "__fish_redrill_using_subcommand help; and not __fish_seen_subcommand_from run rehearse inspect recover init baseline accept list explain schema verify history merge compare report gate doctor psql drop completions man clean help" -f -a "verify" -d 'Verify the log of all drills: order, gaps, digests, signatures. Works offline'
complete -c redrill -n "__fish_redrill_using_subcommand help; and not __fish_seen_subcommand_from run rehearse inspect recover init baseline accept list explain schema verify history merge compare report gate doctor psql drop completions man clean help" -f -a "history" -d 'List past drills and rehearsals, from the log'
complete -c redrill -n "__fish_redrill_using_subcommand help; and not __fish_seen_subcommand_from run rehearse inspect recover init baseline accept list explain schema verify history merge compare report gate doctor psql drop completions man clean help" -f -a "merge" -d 'Merge what the shards of a batch reported: one verdict, one JUnit report, one page'
complete -c redrill -n "__fish_redrill_using_subcommand help; and not __fish_seen_subcommand_from run rehearse inspect recover init baseline accept list explain schema verify history merge compare report gate doctor psql drop completions man clean help" -f -a "compare" -d 'Show what changed between two drills: size, rows, restore time, versions, checks'
complete -c redrill -n "__fish_redrill_using_subcommand help; and not __fish_seen_subcommand_from run rehearse inspect recover init baseline accept list explain schema verify history merge compare report gate doctor psql drop completions man clean help" -f -a "report" -d 'Make a report of a drill again from its record, byte for byte'
complete -c redrill -n "__fish_redrill_using_subcommand help; and not __fish_seen_subcommand_from run rehearse inspect recover init baseline accept list explain schema verify history merge compare report gate doctor psql drop completions man clean help" -f -a "gate" -d 'Say whether a release may go, from the log alone: is there a drill, PROVEN, recent, of the right checks?'
complete -c redrill -n "__fish_redrill_using_subcommand help; and not __fish_seen_subcommand_from run rehearse inspect recover init baseline accept list explain schema verify history merge compare report gate doctor psql drop completions man clean help" -f -a "doctor" -d 'Report whether a throwaway server can be started here, and what is missing'
complete -c redrill -n "__fish_redrill_using_subcommand help; and not __fish_seen_subcommand_from run rehearse inspect recover init baseline accept list explain schema verify history merge compare report gate doctor psql drop completions man clean help" -f -a "psql" -d 'Open psql on a server that `redrill run --keep` kept'
complete -c redrill -n "__fish_redrill_using_subcommand help; and not __fish_seen_subcommand_from run rehearse inspect recover init baseline accept list explain schema verify history merge compare report gate doctor psql drop completions man clean help" -f -a "drop" -d 'Remove a server that `redrill run --keep` kept, before its time is over'
complete -c redrill -n "__fish_redrill_using_subcommand help; and not __fish_seen_subcommand_from run rehearse inspect recover init baseline accept list explain schema verify history merge compare report gate doctor psql drop completions man clean help" -f -a "completions" -d 'Print the completions of a shell'
complete -c redrill -n "__fish_redrill_using_subcommand help; and not __fish_seen_subcommand_from run rehearse inspect recover init baseline accept list explain schema verify history merge compare report gate doctor psql drop completions man clean help" -f -a "man" -d 'Print the manual page, in roff'
complete -c redrill -n "__fish_redrill_using_subcommand help; and not __fish_seen_subcommand_from run rehearse inspect recover init baseline accept list explain schema verify history merge compare report gate doctor psql drop completions man clean help" -f -a "clean" -d 'Remove what killed runs left behind: containers, volumes, servers, folders'
complete -c redrill -n "__fish_redrill_using_subcommand help; and not __fish_seen_subcommand_from run rehearse inspect recover init baseline accept list explain schema verify history merge compare report gate doctor psql drop completions man clean help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
