//! `[backup.http]` against a server that does what servers do.

use rstest::rstest;

use super::web::{Answer, Authority, Web, answer, file};
use super::{Bench, bytes};

const SUM: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn http(url: &str, rest: &str) -> String {
    format!("[backup.http]\nurl = \"{url}\"\n{rest}")
}

#[tokio::test]
async fn a_file_is_fetched_and_its_address_keeps_its_secrets() {
    let web = Web::start(|_, request| file(request, "1", b"abc"));
    let url = web.url("/nightly/plur-2026-05-25.sql?X-Signature=s3cret-signature");
    let bench = Bench::new(&[("URL", &url), ("BEARER", "s3cret-token")]);
    let found = bench
        .find("[backup.http]\nurl = { env = \"URL\" }\nbearer = { env = \"BEARER\" }")
        .await
        .unwrap();
    assert_eq!(std::fs::read(&found.path).unwrap(), b"abc");
    assert_eq!(found.origin, web.url("/nightly/plur-2026-05-25.sql?***"));
    assert_eq!(
        found.named_time.unwrap().to_string(),
        "2026-05-25T00:00:00Z"
    );
    assert_eq!(found.modified.unwrap().to_string(), "2026-05-25T02:30:00Z");
    assert_eq!(found.received_sha256.as_deref(), Some(SUM));
    assert_eq!(
        web.asked.lock().unwrap()[0].header("authorization"),
        Some("Bearer s3cret-token")
    );
    assert!(!bench.redactor.clean(&url).contains("s3cret"));
}

#[tokio::test]
async fn basic_authentication_and_a_stated_digest() {
    let web = Web::start(|_, _| answer("200 OK", &format!("X-Checksum-Sha256: {SUM}\r\n"), b"abc"));
    let bench = Bench::new(&[("PASSWORD", "s3cret")]);
    let login = "user = \"ada\"\npassword = { env = \"PASSWORD\" }";
    let found = bench.find(&http(&web.url("/latest"), login)).await.unwrap();
    assert_eq!(
        found.expected_sha256,
        Some((SUM.to_owned(), "the response of the server".to_owned()))
    );
    assert_eq!(found.named_time, None);
    assert_eq!(
        web.asked.lock().unwrap()[0].header("authorization"),
        Some("Basic YWRhOnMzY3JldA==")
    );
}

#[rstest]
#[case::denied("403 Forbidden", "the server answered 403", 1)]
#[case::missing("404 Not Found", "the server answered 404", 1)]
#[case::no_content("204 No Content", "the server answered 204", 1)]
#[case::a_range_unasked("206 Partial Content", "the server answered 206", 1)]
#[case::broken("503 Service Unavailable", "tried 3 times", 3)]
#[tokio::test]
async fn another_status_is_an_error(
    #[case] status: &'static str,
    #[case] says: &str,
    #[case] asked: usize,
) {
    let web = Web::start(move |_, _| answer(status, "", b"<html>no</html>"));
    let url = web
        .url("/a.sql?k=s3cret")
        .replace("http://", "http://ada:s3cret@");
    Bench::new(&[])
        .fails(&http(&url, ""), says, &["s3cret"])
        .await;
    assert_eq!(web.count("GET"), asked);
}

#[tokio::test]
async fn redirects_are_followed_but_not_forever_and_not_out_of_tls() {
    let to = |path: String| answer("302 Found", &format!("Location: {path}\r\n"), b"");
    let web = Web::start(
        move |_, request| match request.path.trim_start_matches("/hop").parse() {
            Ok(0) => file(request, "1", b"abc"),
            Ok(left @ 1..) => to(format!("/hop{}", left - 1)),
            _ => to("/hop".to_owned()),
        },
    );
    let bench = Bench::new(&[]);
    let found = bench.find(&http(&web.url("/hop5"), "")).await.unwrap();
    assert_eq!(std::fs::read(&found.path).unwrap(), b"abc");
    bench
        .fails(
            &http(&web.url("/hop6"), ""),
            "there are more than five",
            &[],
        )
        .await;

    let authority = Authority::new();
    authority.write(&bench.path("ca.pem"));
    let plain = web.url("/hop0");
    let secure = Web::tls(&authority, move |_, _| to(plain.clone()));
    let url = format!("https://127.0.0.1:{}/a", secure.port);
    bench
        .fails(
            &http(&url, "ca = \"ca.pem\""),
            "it leads from https to http",
            &[],
        )
        .await;

    let other = web.url("/hop0");
    let first = Web::start(move |_, _| to(other.clone()));
    let headers = "headers = { X-Token = { env = \"PATH\" } }";
    bench
        .fails(
            &http(&first.url("/a"), headers),
            "another host, which must not get",
            &[],
        )
        .await;
    assert!(bench.find(&http(&first.url("/a"), "")).await.is_ok());
}

#[tokio::test]
async fn tls_needs_an_authority_that_is_known() {
    let authority = Authority::new();
    let web = Web::tls(&authority, |_, request| file(request, "1", b"abc"));
    let bench = Bench::new(&[]);
    authority.write(&bench.path("ca.pem"));
    let url = format!("https://127.0.0.1:{}/a.sql", web.port);
    let found = bench.find(&http(&url, "ca = \"ca.pem\"")).await.unwrap();
    assert_eq!(std::fs::read(&found.path).unwrap(), b"abc");
    bench
        .fails(&http(&url, ""), "invalid peer certificate", &[])
        .await;
    bench
        .fails(
            &http(&url, "ca = \"none.pem\""),
            "cannot read the certificates in none.pem",
            &[],
        )
        .await;
}

/// Cut twice, then whole.
fn cut_twice(number: usize, answer: Answer) -> Answer {
    if number < 2 {
        answer.cut(1_000_000)
    } else {
        answer
    }
}

#[tokio::test]
async fn a_cut_body_is_resumed_where_the_file_is_known_again() {
    let content = bytes(4_000_000, 7);
    let own = content.clone();
    let web = Web::start(move |number, request| cut_twice(number, file(request, "1", &own)));
    let bench = Bench::new(&[]);
    let found = bench.find(&http(&web.url("/a"), "")).await.unwrap();
    assert!(std::fs::read(&found.path).unwrap() == content);
    let from: Vec<_> = web
        .asked
        .lock()
        .unwrap()
        .iter()
        .map(|request| request.from())
        .collect();
    assert_eq!(from[0], None);
    assert!(from[1] > Some(0) && from[2] > from[1], "{from:?}");
}

#[rstest]
#[case::without_a_tag("")]
#[case::with_a_weak_tag("ETag: W/\"1\"\r\n")]
#[tokio::test]
async fn a_cut_body_is_begun_anew_where_it_is_not(#[case] headers: &'static str) {
    let content = bytes(4_000_000, 8);
    let own = content.clone();
    let web = Web::start(move |number, _| cut_twice(number, answer("200 OK", headers, &own)));
    let bench = Bench::new(&[]);
    let found = bench.find(&http(&web.url("/a"), "")).await.unwrap();
    assert!(std::fs::read(&found.path).unwrap() == content);
    assert!(
        web.asked
            .lock()
            .unwrap()
            .iter()
            .all(|request| request.from().is_none())
    );
}

#[tokio::test]
async fn f46_a_file_replaced_while_it_is_read_is_seen() {
    let web = Web::start(|number, request| match number {
        0 => file(request, "1", &bytes(4_000_000, 9)).cut(1_000_000),
        _ => file(request, "2", &bytes(4_000_000, 10)),
    });
    Bench::new(&[])
        .fails(
            &http(&web.url("/a"), ""),
            "it was replaced while it was read",
            &[],
        )
        .await;
    // In one piece, but another file lies there at the end.
    let web = Web::start(|number, request| file(request, &number.to_string(), b"abc"));
    Bench::new(&[])
        .fails(
            &http(&web.url("/a"), ""),
            "it was replaced while it was read",
            &[],
        )
        .await;
}
