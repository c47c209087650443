//! A server that is not of the system: PostgreSQL 16 in a folder of its own, with its libraries beside it.

use std::path::PathBuf;

use super::drill::Drill;

const SQL: &str = "CREATE EXTENSION vector;
CREATE TABLE public.memories (id integer PRIMARY KEY, embedding vector(3) NOT NULL);
COPY public.memories (id, embedding) FROM stdin;
1\t[1,0,0]
2\t[0,1,0]
\\.
CREATE INDEX memories_embedding ON public.memories USING hnsw (embedding vector_l2_ops);";

/// The folder of its programs, which `ci/setup.sh` installs.
fn bin() -> PathBuf {
    std::env::var_os("REDRILL_POSTGRES_16").map_or_else(
        || {
            let own = std::env::current_exe().unwrap();
            // target/debug/deps/it-…
            let tools = own
                .ancestors()
                .nth(3)
                .unwrap()
                .join("tools/postgres-16/lib");
            let python = std::fs::read_dir(tools);
            let python = python.expect("`. ci/setup.sh; need_postgres_16` installs it");
            let python = python.flatten().next().unwrap().path();
            python.join("site-packages/pgserver/pginstall/bin")
        },
        PathBuf::from,
    )
}

#[tokio::test]
async fn postgres_16_brings_its_own_libraries() {
    let scenario = format!(
        "[server.local]\nbin = {:?}\n[[check.row-count]]\ntable = \"public.memories\"\nexact = 2\n\
         [[check.vector]]\ntable = \"public.memories\"\ncolumn = \"embedding\"\ndimensions = 3\n",
        bin()
    );
    let drill = Drill::new(SQL, &scenario);
    let (output, report) = drill.run("local");
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    let version = report["server"]["version"].as_str().unwrap();
    assert!(version.contains("16."), "{version}");
    assert_eq!(drill.left(), [""; 0]);
}
