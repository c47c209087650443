//! Restores generated data with redrill, with psql and with pg_restore, in one run on the same files and the same disk.
//!
//!     ci/bench.sh                             every shape at the size of the documentation
//!     ci/bench.sh --shape audit --scale 0.1   one shape, a tenth of its rows
//!     ci/bench.sh --rounds 1 --jobs 2
//!
//! - `shape`: the data; `server`: servers that are not redrill's; `drill`: redrill, and what it took
//!
//! | | what |
//! | --- | --- |
//! | a | `gunzip \| psql` on a stock server, the runbook |
//! | b | the same on a server with the settings of redrill |
//! | c | `pg_restore -jN` on such a server, which somebody tuned by hand |
//! | d | redrill without proof: its restore stage, for the plain dump and for the archive |
//! | e | redrill with full proof |
//! | f | processor time of b, divided by the number of processors: the limit of any restore |

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::allow_attributes,
    reason = "a measurement prints, and stops by panicking"
)]

mod drill;
mod server;
mod shape;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use drill::Drilled;
use server::{Server, Tuning};
use shape::Shape;

/// What was measured, each in every round.
#[derive(Default)]
struct Times(BTreeMap<&'static str, Vec<Duration>>);

impl Times {
    fn add(&mut self, what: &'static str, time: Duration) {
        self.0.entry(what).or_default().push(time);
    }

    /// The median in seconds.
    fn of(&self, what: &str) -> f64 {
        let Some(times) = self.0.get(what) else {
            return f64::NAN;
        };
        let mut times = times.clone();
        times.sort();
        times[times.len() / 2].as_secs_f64()
    }
}

struct Arguments {
    shapes: Vec<Shape>,
    scale: f64,
    rounds: usize,
    jobs: usize,
    folder: PathBuf,
    only_redrill: bool,
}

/// The size of what a test run restores.
const SHORT: f64 = 0.01;

fn main() {
    // `cargo bench` gives it, and `cargo test` does not.
    if !std::env::args().any(|argument| argument == "--bench") {
        short();
    }
    let arguments = arguments();
    println!(
        "{} processors, {} rounds, scale {}, image {}\n",
        arguments.jobs,
        arguments.rounds,
        arguments.scale,
        server::image()
    );
    for shape in &arguments.shapes {
        measure(*shape, &arguments);
    }
}

/// Some shapes once, as a test each: whatever is measured restores and is proven. Nothing is asserted of the time.
fn short() -> ! {
    let mut given = libtest_mimic::Arguments::from_args();
    // The servers have names of this process.
    given.test_threads = Some(1);
    let shapes = [Shape::Audit, Shape::Vectors, Shape::Many].into_iter();
    let trials = shapes.map(|shape| {
        libtest_mimic::Trial::test(format!("bench::restore_{}", shape.name()), move || {
            let arguments = Arguments {
                scale: SHORT,
                rounds: 1,
                folder: PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-short"),
                ..Arguments::default()
            };
            measure(shape, &arguments);
            Ok(())
        })
    });
    libtest_mimic::run(&given, trials.collect()).exit()
}

impl Default for Arguments {
    fn default() -> Self {
        Self {
            shapes: Shape::ALL.to_vec(),
            scale: 1.0,
            rounds: 3,
            jobs: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            folder: PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench"),
            only_redrill: false,
        }
    }
}

fn arguments() -> Arguments {
    let mut given = std::env::args().skip(1);
    let mut arguments = Arguments::default();
    while let Some(argument) = given.next() {
        let mut value = || given.next().expect("a value");
        match argument.as_str() {
            "--shape" => {
                let name = value();
                let known = Shape::ALL.iter().find(|shape| shape.name() == name);
                arguments.shapes = vec![*known.expect("a shape: see benches/README.md")];
            }
            "--scale" => arguments.scale = value().parse().expect("a number"),
            "--rounds" => arguments.rounds = value().parse().expect("a number"),
            "--jobs" => arguments.jobs = value().parse().expect("a number"),
            "--folder" => arguments.folder = value().into(),
            "--only-redrill" => arguments.only_redrill = true,
            // Of `cargo bench` itself.
            "--bench" => {}
            other => panic!("{other} is not known"),
        }
    }
    arguments
}

/// Measures one shape and prints its table.
fn measure(shape: Shape, arguments: &Arguments) {
    let folder = arguments.folder.join(shape.name());
    std::fs::create_dir_all(&folder).expect("a folder");
    let plain = folder.join("dump.sql.gz");
    let archive = folder.join("dump.custom");
    let rows = shape::write(shape, arguments.scale, &plain);
    let bytes = std::fs::metadata(&plain).expect("a file").len();
    println!(
        "## {}: {rows} rows, {} MB compressed, {} MB as text",
        shape.name(),
        bytes / 1_000_000,
        rows.bytes / 1_000_000
    );
    let mut times = Times::default();
    let mut peak = [0; 2];
    for round in 0..arguments.rounds {
        if !arguments.only_redrill {
            by_hand(&folder, round == 0, arguments.jobs, &mut times);
        }
        by_redrill(&plain, &archive, arguments, &mut times, &mut peak);
    }
    report(&times, peak, arguments);
    std::fs::remove_dir_all(&folder).expect("an end");
}

/// The restores of a person, on servers that redrill knows nothing of.
fn by_hand(folder: &Path, first: bool, jobs: usize, times: &mut Times) {
    let stock = Server::start(folder, Tuning::Stock);
    let (wall, _) = stock.run("gunzip -c /data/dump.sql.gz | psql -qX -o /dev/null -d bench");
    times.add("a", wall);
    drop(stock);
    let tuned = Server::start(folder, Tuning::ByHand);
    let (wall, processor) =
        tuned.run("gunzip -c /data/dump.sql.gz | psql -qX -o /dev/null -d bench");
    times.add("b", wall);
    times.add("f", processor / u32::try_from(jobs).expect("small"));
    if first {
        tuned.run("pg_dump -Fc -f /data/dump.custom bench");
    }
    drop(tuned);
    let tuned = Server::start(folder, Tuning::ByHand);
    let (wall, _) = tuned.run(&format!("pg_restore -j{jobs} -d bench /data/dump.custom"));
    times.add("c", wall);
}

/// The restores of redrill.
fn by_redrill(
    plain: &Path,
    archive: &Path,
    arguments: &Arguments,
    times: &mut Times,
    peak: &mut [u64; 2],
) {
    for (file, off, full, whole_off, whole_full, archived) in [
        (plain, "d", "e", "d whole", "e whole", 0),
        (
            archive,
            "d archive",
            "e archive",
            "d archive whole",
            "e archive whole",
            1,
        ),
    ] {
        if !file.exists() {
            continue;
        }
        for (proof, stage, whole) in [("off", off, whole_off), ("full", full, whole_full)] {
            let Drilled {
                restore,
                all,
                peak_bytes,
            } = drill::run(file, proof, arguments.jobs);
            times.add(stage, restore);
            times.add(whole, all);
            peak[archived] = peak[archived].max(peak_bytes);
        }
    }
}

fn report(times: &Times, peak: [u64; 2], arguments: &Arguments) {
    let line = |letter: &str, what: &str, goal: &str| {
        let time = times.of(letter);
        if !time.is_nan() {
            let (runbook, limit) = (times.of("a") / time, time / times.of("f"));
            println!("| {what} | {time:.2} | {runbook:.2} | {limit:.2} | {goal} |");
        }
    };
    println!("\n| what | s | times the runbook | times the limit | goal |");
    println!("| --- | ---: | ---: | ---: | --- |");
    line("a", "a: gunzip, psql, stock server", "");
    line("b", "b: the same, tuned", "");
    let jobs = arguments.jobs;
    line("c", &format!("c: pg_restore -j{jobs}, tuned"), "");
    line(
        "d",
        "d: redrill, plain dump, restore stage",
        "at most 1.2 f and c",
    );
    line(
        "d archive",
        "d: redrill, archive, restore stage",
        "at most c",
    );
    line("f", "f: the limit", "");
    let share = |with: &str, without: &str| times.of(with) / times.of(without);
    println!(
        "\nThe whole drill with full proof takes {:.2} times that without (plain: {:.2} s, {:.2} s)",
        share("e whole", "d whole"),
        times.of("e whole"),
        times.of("d whole"),
    );
    let archive = share("e archive whole", "d archive whole");
    if !archive.is_nan() {
        println!("and {archive:.2} times for the archive.");
    }
    println!(
        "Peak memory of redrill: {} MiB (plain), {} MiB (archive).\n",
        peak[0] >> 20,
        peak[1] >> 20
    );
}
