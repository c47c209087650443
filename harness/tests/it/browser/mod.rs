//! HTML reports in a real browser. Each rule is also shown a page that breaks it.

mod driver;
mod pictures;

use redrill::outcome::{DrillResult, Finding};
use redrill::report::html;
use redrill::verdict::verdict;
use rstest::rstest;
use serde_json::{Value, json};

use self::driver::{Browser, DARK, DESKTOP, Look, NO_SCRIPT, PHONE, with};
use crate::report::{examples, merged, overview, rehearsal};

/// Texts that a backup may contain.
const HOSTILE: [&str; 8] = [
    "</style><script>window.pwned = 1</script>",
    "<img src=\"http://127.0.0.1:9/x\" onerror=\"window.pwned = 1\">",
    "\"><svg onload='window.pwned = 1'>",
    "'\" onmouseover=window.pwned=1 autofocus onfocus=window.pwned=1 x=\"",
    "</title></script><iframe src=\"javascript:parent.pwned = 1\"></iframe>",
    "\u{202e}drowssap\u{202c} \u{0}\u{1b}[2J\u{9b}31m \u{2066}x",
    "<!--<script>--><base href=http://127.0.0.1:9/><meta http-equiv=refresh content=0;url=http://127.0.0.1:9/>",
    "&lt;script&gt; &#60;b&#62; {{7*7}} ${7*7} javascript:alert(1)",
];

fn of(result: &DrillResult) -> String {
    html::render(result, verdict(result))
}

/// A drill in which every text is this one.
fn drill_of(text: &str) -> String {
    let mut result = examples::not_proven();
    let owned = || text.to_owned();
    result.scenario.name = owned();
    result.scenario.description = Some(owned());
    result.scenario.file = text.replace('\0', "").into();
    result.run = owned();
    result.repeat = owned();
    result.provenance.actor.name = owned();
    if let Some(backup) = &mut result.backup {
        backup.origin = owned();
        backup.schemas = vec![owned(); 3];
        backup.chosen = owned();
    }
    for check in &mut result.checks {
        check.name = owned();
        check.id = owned();
        check.database = owned();
        check.object = Some(owned());
        check.expected = owned();
        check.findings = vec![Finding::about(text, text, text).hint(text); 2];
    }
    if let Some(restore) = &mut result.restore {
        restore
            .rows
            .iter_mut()
            .for_each(|table| table.table = owned());
        restore
            .steps
            .iter_mut()
            .for_each(|step| step.what = owned());
    }
    of(&result)
}

fn pages() -> [(&'static str, String); 6] {
    [
        ("proven", of(&examples::proven())),
        ("not proven", of(&examples::not_proven())),
        ("inconclusive", of(&examples::inconclusive())),
        ("overview", overview::example()),
        ("merged", merged::example().page()),
        ("rehearsal", rehearsal::page(&rehearsal::example())),
    ]
}

/// What is wrong with a page, one line each.
async fn faults(browser: &Browser, page: &str, look: Look) -> Vec<String> {
    browser.open(page, look).await;
    let mut faults = Vec::new();
    let sides = browser
        .value("[document.documentElement.scrollWidth, window.innerWidth]")
        .await;
    if sides[0].as_u64() > sides[1].as_u64() {
        faults.push(format!("it scrolls to the side: {sides}"));
    }
    if browser.value("window.pwned === undefined").await != Value::Bool(true) {
        faults.push("a text ran".to_owned());
    }
    let strange = browser
        .value(
            "[...document.querySelectorAll('*')].filter((one) => [...one.attributes].some((a) => a.name.startsWith('on')) \
             || ['IMG', 'IFRAME', 'BASE', 'OBJECT'].includes(one.tagName)).length + document.scripts.length",
        )
        .await;
    if strange != 1 {
        faults.push(format!(
            "{strange} elements that run or load, in place of its own script"
        ));
    }
    let links = browser
        .value(
            "[...document.links].filter((one) => !one.getAttribute('href').startsWith('#')).length",
        )
        .await;
    if links != 0 {
        faults.push("a link to another page".to_owned());
    }
    faults.extend(browser.axe().await);
    let seen = browser.seen().await;
    faults.extend(seen.console);
    faults.extend(
        seen.requests
            .iter()
            .map(|address| format!("asks for {address}")),
    );
    faults
}

#[test]
fn every_page_is_sound_in_every_look() {
    with(async |browser| {
        for (name, page) in pages() {
            for look in [DESKTOP, DARK, PHONE] {
                let faults = faults(browser, &page, look).await;
                assert!(faults.is_empty(), "{name}, {look:?}: {}", faults.join("\n"));
            }
        }
    });
}

/// A change of a page, and what is said of it.
#[rstest]
#[case::wide(
    "<main",
    "<p style=x></p><table><tr><td><pre>WIDE</pre></td></tr></table><main",
    "it scrolls to the side"
)]
#[case::image(
    "<main",
    "<img alt=x src=http://127.0.0.1:9/x><main",
    "violates the following Content Security Policy"
)]
#[case::script(
    "<main",
    "<script>window.pwned = 1</script><main",
    "violates the following Content Security Policy"
)]
#[case::policy(
    "http-equiv=\"Content-Security-Policy\"",
    "http-equiv=\"x\"><script>window.pwned = 1</script><meta name=\"x\"",
    "a text ran"
)]
#[case::request(
    "img-src data:",
    "img-src *\"><img alt=x src=http://127.0.0.1:9/x><meta name=\"x",
    "asks for http://127.0.0.1:9/x"
)]
#[case::language("lang=\"en\"", "", "html-has-lang")]
#[case::link(
    "href=\"#backup\"",
    "href=\"https://example.org\"",
    "a link to another page"
)]
#[case::a_name("scope=\"col\">stage<", "scope=\"col\"><", "empty-table-header")]
fn a_page_that_breaks_a_rule_is_found(
    #[case] before: &str,
    #[case] after: &str,
    #[case] expected: &str,
) {
    let page = of(&examples::not_proven());
    let after = after.replace("WIDE", &"WIDE&nbsp;".repeat(200));
    let broken = page.replacen(before, &after, 1);
    assert_ne!(broken, page);
    let broken = if expected == "it scrolls to the side" {
        broken
            .replacen("pre-wrap", "pre", 1)
            .replacen("style-src ", "style-src 'unsafe-inline' ", 1)
            .replacen("<pre>", "<pre style=\"width:900px\">", 1)
            .replace("'sha256-", "'sha256-AAAA")
    } else {
        broken
    };
    with(async |browser| {
        let faults = faults(browser, &broken, PHONE).await;
        assert!(
            faults.iter().any(|fault| fault.contains(expected)),
            "{faults:#?}"
        );
    });
}

/// Contrast is looked at for each style, not just for the first element of the page.
#[rstest]
#[case::light("--soft:#59636e", "--soft:#a9a3ae", DESKTOP)]
#[case::dark("--soft:#9da7b3", "--soft:#3d4743", DARK)]
#[case::of_one_class(".badge.warn{color:var(--warn)", ".badge.warn{color:#e0d0a0", DESKTOP)]
fn faint_text_is_found(#[case] before: &str, #[case] after: &str, #[case] look: Look) {
    let page = of(&examples::not_proven());
    let broken = page
        .replace(before, after)
        .replace("'sha256-", "'unsafe-inline' 'x-");
    assert_ne!(broken, page);
    with(async |browser| {
        let faults = faults(browser, &broken, look).await;
        assert!(
            faults
                .iter()
                .any(|fault| fault.starts_with("color-contrast: ")),
            "{faults:#?}"
        );
    });
}

#[test]
fn hostile_texts_are_inert() {
    let long = "W".repeat(3_000);
    with(async |browser| {
        for text in HOSTILE.into_iter().chain([long.as_str()]) {
            for page in [
                drill_of(text),
                overview::of_text(text),
                merged::of_text(text),
            ] {
                let faults = faults(browser, &page, PHONE).await;
                // Anchors and cells of the same text are what a hostile log has.
                assert!(faults.is_empty(), "{text:?}: {}", faults.join("\n"));
                let shown = browser.value("document.body.innerText").await;
                assert!(!shown.as_str().unwrap().contains('\u{202e}'));
            }
        }
        // The text is there, as a text.
        browser.open(&drill_of(HOSTILE[0]), DESKTOP).await;
        let shown = browser.value("document.body.innerText").await;
        assert!(shown.as_str().unwrap().contains(HOSTILE[0]));
    });
}

/// Types into the first filter of a page, and chooses.
async fn filter(browser: &Browser, words: &str, kind: &str) {
    let script = format!(
        "const done = arguments[arguments.length - 1]; const form = document.querySelector('form.filter');\
         form.querySelector('input').value = {words:?};\
         const select = form.querySelector('select'); if (select) select.value = {kind:?};\
         form.querySelector('input').dispatchEvent(new Event('input', {{bubbles: true}}));\
         setTimeout(() => done(null), 150);"
    );
    browser.called(&script).await;
}

/// The number of elements that are shown.
async fn shown(browser: &Browser, selector: &str) -> u64 {
    let script = format!(
        "[...document.querySelectorAll({selector:?})].filter((one) => one.checkVisibility()).length"
    );
    browser.value(&script).await.as_u64().unwrap()
}

#[test]
fn the_filter_shows_what_is_asked_for_and_nothing_else() {
    with(async |browser| {
        browser.open(&overview::example(), DESKTOP).await;
        assert_eq!(shown(browser, "form.filter").await, 1);
        assert_eq!(shown(browser, ".calendar tbody tr").await, 6);
        // The lists of drills are closed until something is asked for.
        assert_eq!(shown(browser, ".drills tbody tr").await, 0);
        filter(browser, "caracal", "").await;
        assert_eq!(shown(browser, ".calendar tbody tr").await, 1);
        assert_eq!(shown(browser, ".panel").await, 1);
        assert_eq!(shown(browser, "details").await, 1);
        let rows = shown(browser, ".drills tbody tr").await;
        assert!(rows > 10, "{rows}");
        filter(browser, "plur", "bad").await;
        let of_plur = shown(browser, ".drills tbody tr").await;
        assert!((1..rows).contains(&of_plur), "{of_plur}");
        assert_eq!(
            shown(browser, ".drills tbody tr:not([data-tone=bad])").await,
            0
        );
        let said = browser
            .value("document.querySelector('form.filter output').value")
            .await;
        assert!(said.as_str().unwrap().contains(" of "), "{said}");
        filter(browser, "no such thing", "").await;
        assert_eq!(
            shown(browser, ".calendar tbody tr, .panel, details").await,
            0
        );
        filter(browser, "", "").await;
        assert_eq!(shown(browser, ".calendar tbody tr").await, 6);

        // A long table of a drill has one too.
        browser.open(&of(&examples::not_proven()), DESKTOP).await;
        let all = shown(browser, "form.filter + table tbody tr").await;
        filter(browser, "org_07", "").await;
        assert_eq!(
            all - shown(browser, "form.filter + table tbody tr").await,
            24
        );
        assert!(browser.seen().await.console.is_empty());
    });
}

#[test]
fn a_drill_of_several_is_found_and_opened() {
    with(async |browser| {
        browser.open(&merged::example().page(), DESKTOP).await;
        assert_eq!(shown(browser, "form.filter").await, 1);
        assert_eq!(shown(browser, "tr[data-row]").await, 10);
        assert_eq!(shown(browser, "article.finding[data-row]").await, 5);
        filter(browser, "", "bad").await;
        let rows = "[...document.querySelectorAll('tr[data-row]')].filter((one) => !one.hidden).map((one) => one.cells[0].textContent)";
        assert_eq!(browser.value(rows).await, json!(["orders"]));
        assert_eq!(shown(browser, "article.finding[data-row]").await, 1);
        assert_eq!(shown(browser, "details[data-row]").await, 1);
        filter(browser, "shard 3/4", "mute").await;
        assert_eq!(browser.value(rows).await, json!(["tickets", "wiki"]));
        // Those have no result, so there is nothing to open.
        assert_eq!(shown(browser, "details[data-row]").await, 0);
        filter(browser, "", "").await;
        assert_eq!(shown(browser, "[id^=drill-]").await, 0);
        browser
            .value("[...document.links].find((one) => one.textContent === 'orders').click()")
            .await;
        let open = "[...document.querySelectorAll('details[data-row][open]')].map((one) => one.querySelector('summary').textContent)";
        assert_eq!(browser.value(open).await, json!(["NOT PROVEN orders"]));
        assert!(browser.seen().await.console.is_empty());
    });
}

#[test]
fn all_of_several_drills_is_on_paper() {
    let page = merged::example().page();
    with(async |browser| {
        browser.open(&page, DESKTOP).await;
        let printed = browser.printed().await.concat();
        // The facts of each drill that there is, open or not.
        assert_eq!(printed.matches("Backup taken").count(), 8, "{printed}");
        for text in ["tickets", "wiki", "runner-3", "did not end", "orders"] {
            assert!(printed.contains(text), "{text} is not on paper: {printed}");
        }
        assert!(!printed.contains("Filter drills"));
    });
}

#[test]
fn everything_can_be_read_without_its_script() {
    with(async |browser| {
        for (name, page) in pages() {
            let mut texts = Vec::new();
            for look in [DESKTOP, NO_SCRIPT] {
                browser.open(&page, look).await;
                // Nobody filters without a script.
                assert_eq!(
                    shown(browser, "form.filter").await > 0,
                    look.script && page.contains("<form"),
                    "{name}"
                );
                let script = "[...document.querySelectorAll('main section')].map((one) => one.textContent).join()";
                texts.push(browser.value(script).await);
            }
            assert_eq!(texts[0], texts[1], "{name}");
            assert_eq!(
                shown(browser, "section, section > h2").await,
                page.matches("\n<section").count() as u64 * 2,
                "{name}"
            );
        }
        browser.open(&overview::example(), NO_SCRIPT).await;
        browser
            .value("document.querySelector('summary').click()")
            .await;
        assert!(shown(browser, ".drills tbody tr").await > 0);
        // The script of a page is what shows the filter.
        let page = overview::example().replacen("form.hidden = false", "form.hidden = true", 1);
        browser.open(&page, DESKTOP).await;
        assert_eq!(shown(browser, "form.filter").await, 0);
        // Leave the browser as it was.
        browser.open("<title>x</title>", DESKTOP).await;
    });
}

/// The words of each row that are not all on one page.
async fn cut(browser: &Browser, page: &str, rows: &[Vec<String>]) -> Vec<String> {
    browser.open(page, DESKTOP).await;
    let pages = browser.printed().await;
    assert!(pages.len() > 2, "{} pages", pages.len());
    let pages: Vec<Vec<&str>> = pages
        .iter()
        .map(|page| page.split_whitespace().collect())
        .collect();
    let cut = rows.iter().filter(|row| {
        !pages
            .iter()
            .any(|page| row.iter().all(|word| page.contains(&word.as_str())))
    });
    cut.map(|row| row.join(" ")).collect()
}

#[test]
fn rows_on_paper_are_whole() {
    let mut result = examples::proven();
    let check = result.checks[0].clone();
    let rows: Vec<Vec<String>> = (0..40)
        .map(|row| (0..90).map(|word| format!("r{row}w{word}")).collect())
        .collect();
    result.checks = rows
        .iter()
        .map(|row| {
            let mut check = check.clone();
            check.expected = row.join(" ");
            check
        })
        .collect();
    let page = of(&result);
    with(async |browser| {
        assert_eq!(cut(browser, &page, &rows).await, Vec::<String>::new());
        let broken = page
            .replacen("break-inside:avoid", "break-inside:auto", 1)
            .replace("'sha256-", "'unsafe-inline' 'x-");
        assert_ne!(broken, page);
        assert!(!cut(browser, &broken, &rows).await.is_empty());
    });
}

#[test]
fn every_drill_of_the_overview_is_on_paper() {
    let page = overview::example();
    with(async |browser| {
        browser.open(&page, DESKTOP).await;
        let script = "[...document.querySelectorAll('.drills tbody tr')].map((one) => one.cells[0].textContent + ' ' + one.cells[1].textContent)";
        let rows = browser.value(script).await;
        let rows: Vec<&str> = rows
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row.as_str().unwrap())
            .collect();
        assert!(rows.len() > 200, "{}", rows.len());
        let printed = browser.printed().await;
        let lines: Vec<String> = printed
            .iter()
            .flat_map(|page| page.lines())
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        for row in &rows {
            assert!(
                lines.iter().any(|line| line.starts_with(row)),
                "{row} is not on paper"
            );
        }
        // Filters and the list of parts are of no use there.
        assert!(!lines.iter().any(|line| line.contains("Filter scenarios")));
        // A page that keeps its lists closed on paper loses them.
        let broken = page
            .replacen("content-visibility:visible!important", "", 1)
            .replace("'sha256-", "'unsafe-inline' 'x-");
        browser.open(&broken, DESKTOP).await;
        let printed = browser.printed().await.concat();
        let lines = printed.lines().map(str::trim_start);
        let number = format!("{} ", rows[0].split(' ').next().unwrap());
        assert_eq!(lines.filter(|line| line.starts_with(&number)).count(), 0);
    });
}
