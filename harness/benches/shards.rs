//! Drills of 1 000 databases on 50 machines, simulated with the partition that `redrill run --shard` uses.
//!
//! Durations are log-normal, as those of databases of very different sizes are. Prints the time until the last shard ends, compared
//! with the ideal, the larger of the mean of all shards and the longest drill: once for durations that were known exactly, once
//! for drills that take up to a quarter more or less than the median in the log, and, for comparison, for scenarios that are
//! dealt out by their number.

use std::time::Duration;

use redrill::batch::partition;

const DATABASES: usize = 1_000;
const WORKERS: u32 = 50;
const SEEDS: u64 = 20;

/// Numbers that are the same in each run (splitmix64).
struct Random(u64);

impl Random {
    /// From 0 to 1.
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
        let value = ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64;
        value
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// When the last shard ends, compared with the ideal.
fn ratio(shards: &[u32], actual: &[Duration]) -> f64 {
    let load = |shard| -> Duration {
        let own = shards.iter().zip(actual).filter(|(of, _)| **of == shard);
        own.map(|(_, time)| *time).sum()
    };
    let makespan = (1..=WORKERS).map(load).max().unwrap_or_default();
    let mean = actual.iter().sum::<Duration>() / WORKERS;
    let longest = actual.iter().max().copied().unwrap_or_default();
    makespan.as_secs_f64() / mean.max(longest).as_secs_f64()
}

#[expect(clippy::print_stdout, reason = "it is what a bench is for")]
fn main() {
    let (mut known, mut varied, mut dealt): (Vec<f64>, Vec<f64>, Vec<f64>) = Default::default();
    for seed in 0..SEEDS {
        let mut random = Random(seed);
        // Median two minutes; one of a hundred takes longer than ten.
        let expected: Vec<Duration> = (0..DATABASES)
            .map(|_| Duration::from_secs_f64(120.0 * (0.7 * random.normal()).exp()))
            .collect();
        let actual: Vec<Duration> = expected
            .iter()
            .map(|time| time.mul_f64(0.75 + 0.5 * random.uniform()))
            .collect();
        let shards = partition(&expected, WORKERS);
        known.push(ratio(&shards, &expected));
        varied.push(ratio(&shards, &actual));
        let by_number: Vec<u32> = (0..WORKERS)
            .cycle()
            .take(DATABASES)
            .map(|shard| shard + 1)
            .collect();
        dealt.push(ratio(&by_number, &actual));
    }
    println!(
        "{DATABASES} databases, {WORKERS} shards, {SEEDS} seeds: time until the last shard ends, ideal = 1"
    );
    for (name, ratios) in [
        ("durations known exactly", known),
        ("durations vary by a quarter", varied),
        ("dealt out by number, for comparison", dealt),
    ] {
        #[expect(clippy::cast_precision_loss, reason = "there are few")]
        let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
        let worst = ratios.iter().copied().fold(0.0, f64::max);
        println!("  {name:<37} mean {mean:.3}  worst {worst:.3}");
    }
}
