#!/usr/bin/env bash
# Makes the Postgres image for the fixtures: redrill/postgres:<major>, with pgvector and AGE where they are to be had.
#
#   ci/image.sh [--force] [MAJOR…]     default: 17
#
# Does nothing for an image that this recipe already made; --force makes it anew.
# Two ways to the same image, the first that works is taken:
#   dockerfile   fixtures/image/Dockerfile on the official image, if that is present or a registry answers
#   debian       Debian's packages straight into `docker import`; needs mmdebstrap (and uidmap, if not root), but no registry
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here
readonly context=$here/../fixtures/image
readonly entrypoint=$context/docker-entrypoint.sh
readonly repository=redrill/postgres
readonly pull_seconds=20

# For the trap: a folder for logs and for the id of an image that has no name yet, and a build under way.
scratch=
job=

say() {
	printf 'image: %s\n' "$*" >&2
}

die() {
	printf 'image: error: %s\n' "$1" >&2
	shift
	if (($#)); then
		printf 'image:        %s\n' "$@" >&2
	fi
	exit 1
}

unfinished() {
	if [[ -s $scratch/id ]]; then
		tail -n 1 "$scratch/id"
	fi
}

remove_if_nameless() {
	if [[ $(docker image inspect --format '{{len .RepoTags}}' "$1" 2>/dev/null) == 0 ]]; then
		docker image rm "$1" >/dev/null 2>&1 || true
	fi
}

clean_up() {
	trap '' INT TERM
	if [[ -n $job ]]; then
		kill -TERM -- "-$job" 2>/dev/null || true
		# mmdebstrap still has to unmount and remove its folder.
		local tries=100
		while ((tries-- > 0)) && kill -0 -- "-$job" 2>/dev/null; do
			sleep 0.1
		done
	fi
	if [[ -n $scratch ]]; then
		remove_if_nameless "$(unfinished)"
		rm -rf -- "$scratch"
	fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# limited SECONDS COMMAND…: macOS has no timeout(1); there the command is simply run.
limited() {
	local seconds=$1
	shift
	if command -v timeout >/dev/null; then
		timeout --kill-after=5 "$seconds" "$@"
	else
		"$@"
	fi
}

require_docker() {
	command -v docker >/dev/null ||
		die 'there is no docker program' 'next: install Docker Engine'
	local answer
	if ! answer=$(limited 20 docker version --format '{{.Server.Version}}' 2>&1); then
		answer=${answer##*$'\n'}
		die "docker does not answer: ${answer:-no reply within 20 s}" \
			'next: start it (systemctl start docker, or Docker Desktop), or join its group' \
			'      (usermod --append --groups docker USER, then log in again), and check with: docker version'
	fi
}

# One hash over everything that decides what is in the image: a changed recipe is a different image.
recipe() {
	cat "$context/Dockerfile" "$entrypoint" "$here/image.sh" |
		if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi |
		cut -d ' ' -f 1
}

label_of() {
	docker image inspect --format "{{index .Config.Labels \"$2\"}}" "$1" 2>/dev/null || true
}

# --- the way through the official image --------------------------------------------------------------------------

base_is_at_hand() {
	local base=postgres:$1
	if docker image inspect "$base" >/dev/null 2>&1; then
		return
	fi
	say "$base is not here; asking the registry, for $pull_seconds s at most"
	if limited "$pull_seconds" docker pull --quiet "$base" >/dev/null 2>"$scratch/pull.log"; then
		return
	fi
	say "not pulled: $(tail -n 1 "$scratch/pull.log" | cut -c 1-160)"
	say "(if the registry is only slow: docker pull $base, then this again with --force)"
	return 1
}

# Leaves the id in $scratch/id, as from_debian does.
from_dockerfile() {
	local major=$1
	rm -f "$scratch/id"
	docker build --build-arg "MAJOR=$major" --force-rm --iidfile "$scratch/id" \
		--label "redrill.recipe=$recipe" --label redrill.way=dockerfile --label "redrill.major=$major" \
		"$context" >"$scratch/build.log" 2>&1
}

# --- the way through Debian's packages ---------------------------------------------------------------------------

# The release that has this major, and the extensions that are packaged there.
debian_release() {
	case $1 in
		15) suite=bookworm extensions= ;;
		17) suite=trixie extensions=age,pgvector ;;
		18) suite=forky extensions=age,pgvector ;;
		*) return 1 ;;
	esac
}

require_mmdebstrap() {
	if command -v mmdebstrap >/dev/null; then
		return
	fi
	local install='apt-get install --yes --no-install-recommends mmdebstrap'
	command -v apt-get >/dev/null ||
		die 'no registry answers, and mmdebstrap, which makes the image from packages, is not installed' \
			'next: docker pull the official postgres image, or run this on Debian or Ubuntu'
	if [[ $(id -u) != 0 ]]; then
		die 'no registry answers, and mmdebstrap, which makes the image from packages, is not installed' \
			"next: sudo $install uidmap"
	fi
	say 'installing mmdebstrap'
	if ! { apt-get update && DEBIAN_FRONTEND=noninteractive $install; } >"$scratch/apt.log" 2>&1; then
		tail -n 20 "$scratch/apt.log" >&2
		die 'mmdebstrap could not be installed' "next: $install"
	fi
}

# Prints the root file system as a tar on stdout.
debian_tar() {
	local major=$1
	local packages=postgresql-$major,locales,zstd
	local -a options=()

	if [[ ,$extensions, == *,pgvector,* ]]; then packages+=,postgresql-$major-pgvector; fi
	if [[ ,$extensions, == *,age,* ]]; then packages+=,postgresql-$major-age; fi

	# A testing release's mirror may lag behind the few days for which its index calls itself valid.
	# The signature is checked all the same.
	if [[ $suite == forky ]]; then
		options+=(--aptopt='Acquire::Check-Valid-Until "false"')
	fi

	# Before the packages come:
	# - numbers 999:999 are those of the official image, so that a volume of one is readable in the other;
	# - the packages' own cluster would be dead weight.
	# shellcheck disable=SC2016  # $1 is the hook's: the folder that becomes the image
	options+=(
		--essential-hook='
			echo "postgres:x:999:" >>"$1/etc/group"
			echo "postgres:!::" >>"$1/etc/gshadow"
			echo "postgres:x:999:999::/var/lib/postgresql:/bin/bash" >>"$1/etc/passwd"
			echo "postgres:!:19000::::::" >>"$1/etc/shadow"
			mkdir -p "$1/etc/postgresql-common/createcluster.d"
			echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.d/image.conf"'
	)

	# After they came. Folder modes are those of the official image: any user may start a server here.
	# listen_addresses: a container that only listens to itself is of no use; the network decides who gets in.
	# The settings of mmdebstrap are for this build, not for whoever runs apt-get in the image.
	# shellcheck disable=SC2016
	options+=(
		--customize-hook="upload '$entrypoint' /usr/local/bin/docker-entrypoint.sh"
		--customize-hook='chmod 755 "$1/usr/local/bin/docker-entrypoint.sh"'
		--customize-hook='chroot "$1" localedef --inputfile=en_US --charmap=UTF-8 en_US.UTF-8'
		--customize-hook='chroot "$1" sh -ec "
			install -d -o postgres -g postgres -m 3777 /var/run/postgresql
			install -d -o postgres -g postgres -m 1777 /var/lib/postgresql /var/lib/postgresql/data
			install -d /docker-entrypoint-initdb.d"'
		--customize-hook="echo \"listen_addresses = '*'\" >>\"\$1/usr/share/postgresql/$major/postgresql.conf.sample\""
		--customize-hook='
			rm -rf "$1/etc/apt/apt.conf.d/99mmdebstrap" "$1"/var/cache/apt/* "$1"/var/cache/debconf/*-old
			find "$1/var/log" "$1/var/cache/man" -type f -delete 2>/dev/null || true'
	)

	# cleanup/run: else the folder for the socket is swept away with the rest of /run.
	# Translations of messages would also change what the server's log says; there is no one here to read a manual.
	# LLVM is a third of the image and serves only JIT compilation, which throwaway servers switch off. Without
	# llvmjit the server says that it has no JIT; llvmjit without LLVM would be an error in the middle of a query.
	mmdebstrap --mode=auto --variant=minbase --format=tar --skip=cleanup/run --include="$packages" \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/info/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*/LC_MESSAGES/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-include=/usr/share/doc/*/copyright' \
		--dpkgopt='path-exclude=/usr/lib/postgresql/*/lib/llvmjit*' \
		--dpkgopt='path-exclude=/usr/lib/postgresql/*/lib/bitcode/*' \
		--dpkgopt='path-exclude=/usr/lib/*/libLLVM*' \
		--dpkgopt='path-exclude=/usr/lib/*/libz3*' \
		--dpkgopt=force-unsafe-io \
		"${options[@]}" \
		"$suite" - ${REDRILL_DEBIAN_MIRROR:+"$REDRILL_DEBIAN_MIRROR"}
}

import_tar() {
	local major=$1
	# The versioned folder comes first: Debian's /usr/bin/psql is a wrapper that looks for clusters in /etc.
	docker import \
		--change "ENV PATH=/usr/lib/postgresql/$major/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
		--change "ENV PG_MAJOR=$major" \
		--change 'ENV LANG=en_US.utf8' \
		--change 'ENV PGDATA=/var/lib/postgresql/data' \
		--change 'VOLUME /var/lib/postgresql/data' \
		--change 'ENTRYPOINT ["docker-entrypoint.sh"]' \
		--change 'CMD ["postgres"]' \
		--change 'EXPOSE 5432' \
		--change "LABEL redrill.recipe=$recipe redrill.way=debian redrill.major=$major redrill.suite=$suite" \
		-
}

# Imported without a name, and only named when both ends of the pipe are content: a tar that breaks off is an image too.
from_debian() {
	local major=$1 status=0
	# A process group of its own (set -m): when mmdebstrap fails it hangs up its whole group, which would be this script.
	# In the background, because bash only runs a trap at once while it waits.
	set -m
	{ debian_tar "$major" </dev/null 2>"$scratch/build.log" | import_tar "$major" >"$scratch/id" 2>"$scratch/import.log"; } &
	job=$!
	set +m
	wait "$job" || status=$?
	job=
	cat "$scratch/import.log" >>"$scratch/build.log"
	[[ $status == 0 && -s $scratch/id ]] || return 1
	set_stop_signal
}

# Older engines refuse STOPSIGNAL in `docker import`. The classic builder, because it takes an image that has no name.
# SIGTERM would make the server wait for every client to leave: then `docker stop` takes its ten seconds and kills it.
set_stop_signal() {
	if printf 'FROM %s\nSTOPSIGNAL SIGINT\n' "$(unfinished)" |
		DOCKER_BUILDKIT=0 docker build --force-rm --iidfile "$scratch/id.next" - >>"$scratch/build.log" 2>&1; then
		cat "$scratch/id.next" >"$scratch/id"
	else
		say 'note: the image has no STOPSIGNAL, as this engine has no classic builder; use docker run --stop-signal SIGINT'
	fi
}

# --- one image ---------------------------------------------------------------------------------------------------

# What the server and its extensions call themselves, by a server that was really started. An image whose server
# does not start gets no name.
contents_of() {
	docker run --rm --interactive --network none --user postgres --entrypoint bash "$1" -ec '
		initdb --pgdata=/tmp/try >/tmp/log </dev/null
		pg_ctl --pgdata=/tmp/try --wait --log=/tmp/log start >/dev/null </dev/null || { cat /tmp/log >&2; exit 1; }
		psql --no-psqlrc --set=ON_ERROR_STOP=1 --tuples-only --no-align postgres' 2>"$scratch/try.log" <<-'SQL'
		SELECT concat_ws(', ', 'PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1),
			string_agg(name || ' ' || default_version, ', ' ORDER BY name))
		FROM pg_available_extensions WHERE name IN ('age', 'vector')
	SQL
}

up_to_date() {
	[[ -z $force && $(label_of "$repository:$1" redrill.recipe) == "$recipe" ]]
}

make_image() {
	local major=$1 tag=$repository:$1 started=$SECONDS way='' image contents size old

	if up_to_date "$major"; then
		say "$tag is up to date"
		return
	fi

	if base_is_at_hand "$major"; then
		say "$tag: building the Dockerfile on postgres:$major"
		if from_dockerfile "$major"; then
			way="from fixtures/image/Dockerfile"
		else
			tail -n 20 "$scratch/build.log" >&2
			say 'the Dockerfile did not build (see above); trying the packages of Debian'
		fi
	fi

	if [[ -z $way ]]; then
		debian_release "$major" ||
			die "no Debian release has PostgreSQL $major (15, 17 and 18 can be made from packages)" \
				"next: docker pull postgres:$major where a registry can be reached, then this again"
		require_mmdebstrap
		say "$tag: from the packages of Debian $suite, which takes a minute or so"
		if ! from_debian "$major"; then
			tail -n 20 "$scratch/build.log" >&2
			die "$tag could not be made from Debian $suite (see above)" \
				'next: a key is not known: install a newer debian-archive-keyring' \
				'      the mirror is not reached: name one that is, REDRILL_DEBIAN_MIRROR=URL' \
				'      unable to pick chroot mode: without root it takes user namespaces: apt-get install uidmap'
		fi
		way="from Debian $suite"
	fi

	image=$(unfinished)
	if ! contents=$(contents_of "$image"); then
		tail -n 20 "$scratch/try.log" >&2
		die "no server starts in the new image for $tag (see above)" \
			'next: docker info, and look for errors of the storage driver'
	fi

	old=$(docker image inspect --format '{{.Id}}' "$tag" 2>/dev/null || true)
	docker tag "$image" "$tag"
	rm -f "$scratch/id"
	# The one before would only fill the disk. It stays while a container uses it.
	if [[ -n $old ]]; then
		remove_if_nameless "$old"
	fi
	size=$(docker image inspect --format '{{.Size}}' "$tag")
	say "made $tag $way: $contents; $((size / 1000000)) MB, $((SECONDS - started)) s"
}

force=
majors=()
for argument in "$@"; do
	case $argument in
		--force) force=yes ;;
		-h | --help)
			sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p;}' "${BASH_SOURCE[0]}"
			exit 0
			;;
		[1-9] | [1-9][0-9]) majors+=("$argument") ;;
		*) die "unknown argument: $argument" 'usage: ci/image.sh [--force] [MAJOR…]' ;;
	esac
done
if ((${#majors[@]} == 0)); then
	majors=(17)
fi

require_docker
recipe=$(recipe)
readonly recipe
scratch=$(mktemp -d "${TMPDIR:-/tmp}/redrill-image.XXXXXX")

# Two builds at once would do the same work twice; the second waits and then finds the image up to date.
# Nobody waits for an image that is there.
all_there=yes
for major in "${majors[@]}"; do
	up_to_date "$major" || all_there=
done
if [[ -z $all_there ]] && command -v flock >/dev/null; then
	exec 9<"$entrypoint"
	flock --nonblock 9 || { say 'another build is running; waiting for it' && flock 9; }
fi

for major in "${majors[@]}"; do
	make_image "$major"
done
