//! A dump is untrusted code. It runs as superuser, and still gets nowhere.

use super::drill::{Drill, PROVIDERS, usable};

/// Each attempt is put together at run time, so that no reader of the dump can see it coming.
/// A refusal leaves a row, a success leaves none.
const TRIES: &[&str] = &[
    "co%spy public.t from pro%sgram ''id''",
    "co%spy public.t to pro%sgram ''cat > /tmp/redrill-hostile''",
    "co%spy public.t to ''/tmp/redrill-ho%sstile/x''",
    "co%spy public.t to ''/etc/redrill-ho%sstile''",
    "select pg_re%sad_file(''/etc/sha%sdow'')",
    "select pg_ls_%sdir(''/ro%sot'')",
    "select lo_exp%sort(4711, ''/usr/redrill-ho%sstile'')",
    "select dblink_con%snect(''host=127.0.0.1 port=1 dbname=x connect_timeout=2'')::text || ''%s''",
    "select dblink_con%snect(''host=192.0.2.1 port=1 dbname=x connect_timeout=2'')::text || ''%s''",
    "select dblink_con%snect(''host=/var/run/postgresql dbname=postgres'')::text || ''%s''",
];

#[tokio::test]
async fn nothing_that_a_dump_tries_succeeds() {
    let mut sql = String::from(
        "CREATE EXTENSION dblink;
CREATE TABLE public.t (x text);
CREATE TABLE public.refused (attempt text, why text);
SELECT pg_catalog.lo_create(4711);
CREATE FUNCTION public.attempt(form text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE replace(form, '%s', '');
EXCEPTION WHEN OTHERS THEN
  INSERT INTO public.refused VALUES (form, SQLERRM);
END $$;
",
    );
    for attempt in TRIES {
        sql.push_str(&format!("SELECT public.attempt('{attempt}');\n"));
    }
    let check = format!(
        "[[check.row-count]]\ntable = \"public.refused\"\nexact = {}\n",
        TRIES.len()
    );
    let drill = Drill::new(&sql, &check);
    for provider in PROVIDERS {
        if usable(provider).await {
            let (output, report) = drill.run(provider);
            assert_eq!(output.status.code(), Some(0), "{provider}: {report:#}");
            assert!(!std::path::Path::new("/tmp/redrill-hostile").exists());
            assert_eq!(drill.left(), [""; 0]);
        }
    }
}
