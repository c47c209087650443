#!/usr/bin/env bash
# Drills the scenarios of this repository for the examples in this folder: keeps the record of each as NAME.json, and all of them in
# the log `state`, signed with a key that nobody keeps. Then the tests make every report of these records.
#
#     reports/examples/make.sh       as root, with a container engine; takes some minutes
#
# The drills run with a host name and an environment of their own, so that nothing of this machine is in the records.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly examples=reports/examples scratch=target/examples host=runner-1

# The incident tool: keeps the newest message, and answers 202.
readonly receiver='
import http.server, sys

class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        open(sys.argv[1], "wb").write(body)
        self.send_response(202)
        self.end_headers()

    def log_message(self, *_):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
open(sys.argv[2], "w").write(str(server.server_port))
server.serve_forever()'

# redrill with the state and the key of the examples; `drill CODE ARGUMENT…` expects an exit code.
drill() {
	local expected=$1 code=0
	shift
	target/debug/redrill "$@" --state "$examples/state" --key "$scratch/key" --reports "$scratch/reports" --quiet ||
		code=$?
	if [ "$code" -ne "$expected" ]; then
		echo "redrill $*: exit code $code, expected $expected" >&2
		exit 1
	fi
}

# Keeps a record: `keep FOLDER/FILE NAME`.
keep() {
	cp "$scratch/reports/$1" "$examples/$2"
}

# A backup of Powernode of which somebody has lost something: the newest messages, an index, the last migration, and the value of
# a sequence.
lose() {
	awk '
		/^COPY public\.messages / { inside = 1 }
		/^\\\.$/ { inside = 0 }
		inside && /^[0-9]/ && $1 > 540 { next }
		/^20250511070000$/ { next }
		/^CREATE INDEX index_ai_shared_knowledges_on_embedding_hnsw / { next }
		/setval.*ai_knowledge_graph_nodes_id_seq/ { sub(/240/, "12") }
		{ print }'
}

drill_all() {
	rm -rf "$examples/state" "$scratch"
	find "$examples" -maxdepth 1 -name '*.json' -delete
	mkdir -p "$scratch/damaged"
	ssh-keygen -q -t ed25519 -N '' -C redrill-examples -f "$scratch/key"
	cp "$scratch/key.pub" "$examples/key.pub"

	python3 -c "$receiver" "$scratch/incident" "$scratch/port" &
	receiving=$!
	trap 'kill "$receiving"' EXIT
	until [ -s "$scratch/port" ]; do sleep 0.1; done
	POWERNODE_INCIDENT_WEBHOOK=http://127.0.0.1:$(cat "$scratch/port")/incidents
	export POWERNODE_INCIDENT_WEBHOOK

	# All systems of scenarios/, in one run.
	drill 0 run scenarios/{caracal,paperclip,plur,powernode,prisme}.toml
	keep drills.md drills.md
	keep drills.html drills.html
	keep junit.xml drills.xml

	drill 0 run scenarios/plur.toml
	keep plur/drill.json proven.json
	drill 0 run scenarios/plur.toml --only role,append-only
	keep plur.only-role.only-append-only/drill.json checks-passed.json
	drill 13 run "$examples/rights.toml"
	keep plur-rights/drill.json waivers.json

	local backup
	for backup in fixtures/databases/powernode/out/powernode_*.sql.gz; do
		cp "$backup" "$scratch/damaged"
	done
	zcat "$backup" | lose | gzip -n > "$scratch/damaged/$(basename "$backup")"
	POWERNODE_BACKUPS=../$scratch/damaged drill 10 run scenarios/powernode.toml
	keep powernode/drill.json not-proven.json
	cp "$scratch/incident" "$examples/not-proven.incident.json"
	# Nothing listens at either address.
	POWERNODE_INCIDENT_WEBHOOK=http://127.0.0.1:1/incidents DOCKER_HOST=unix:///run/no-engine.sock \
		drill 3 run scenarios/powernode.toml --server container
	keep powernode/drill.json inconclusive.json

	drill 0 rehearse scenarios/plur.toml
	keep plur.rehearsal/rehearsal.json rehearsal.json
	drill 12 rehearse "$examples/release.toml"
	keep plur-release.rehearsal/rehearsal.json unsafe.json

	target/debug/redrill history --state "$examples/state" --html "$examples/overview.html"

	# A backup whose transfer broke off.
	zcat "$backup" | head -c 60000 > "$examples/truncated.sql" || true
	target/debug/redrill inspect "$examples/truncated.sql" > "$examples/inspection.txt" || true
	target/debug/redrill inspect "$examples/truncated.sql" --json > "$examples/inspection.json" || true
}

if [ "${1:-}" = --drill ]; then
	echo "$host" > /proc/sys/kernel/hostname
	drill_all
	exit
fi

. ci/setup.sh
[ "$(id -u)" -eq 0 ] || die "as root: the drills get a host name of their own"
has_engine || die "no container engine answers"
need_cargo
need_server
cargo build --workspace --locked --quiet
make_fixtures
# Nothing of the environment but what finds programs.
unshare --uts -- env -i PATH="$PATH" HOME="$HOME" LANG=C.UTF-8 bash "$examples/make.sh" --drill
REDRILL_UPDATE=1 ci/test.sh -p redrill --test it -- report::committed browser::pictures
