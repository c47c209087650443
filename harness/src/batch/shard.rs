//! Which shard of which batch a machine is.

use crate::input::Environment;
use crate::provenance::{self, Shard};

/// The longest name of a batch.
const LONGEST: usize = 100;

/// The most shards of a batch.
pub const MOST: u32 = 10_000;

/// A shard of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sharding {
    /// Name of the batch, which all shards of one run share.
    pub batch: String,
    /// Number of this shard, from 1.
    pub number: u32,
    /// Number of all shards.
    pub count: u32,
    /// Whether an earlier attempt that did not report is taken to be dead.
    pub again: bool,
}

impl Sharding {
    /// Reads `--shard` and `--batch`.
    ///
    /// # Errors
    /// They name no shard or no batch, and the environment does not either.
    pub fn read(
        shard: &str,
        batch: Option<&str>,
        again: bool,
        environment: &Environment,
    ) -> Result<Self, String> {
        let Shard { number, count } = number_of(shard, environment)?;
        Ok(Self {
            batch: batch_name(batch, environment)?,
            number,
            count,
            again,
        })
    }
}

/// The name of a batch: the one that was given, otherwise that of the run of the CI system.
///
/// # Errors
/// There is none, or it cannot be a part of the name of an object.
pub fn batch_name(given: Option<&str>, environment: &Environment) -> Result<String, String> {
    let name = given
        .map(str::to_owned)
        .or_else(|| provenance::run_of(environment));
    let name = name.ok_or_else(|| {
        "no name of the batch: the environment is not that of a CI system with one for each run\n\
         hint: give all shards and `redrill merge` the same new one, such as `--batch 2026-11-24-nightly`"
            .to_owned()
    })?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > LONGEST || name.starts_with('.') || !name.chars().all(fits) {
        return Err(format!(
            "`--batch {}` is no name of a batch\nhint: use letters, digits, `.`, `_` and `-`, at most {LONGEST}",
            name.escape_debug()
        ));
    }
    Ok(name)
}

/// Reads `I/N`, `auto` or `auto/N`.
fn number_of(text: &str, environment: &Environment) -> Result<Shard, String> {
    let wrong = || {
        format!(
            "`--shard {}` is no shard\nhint: `--shard 2/5` is the second of five; `--shard auto` asks the environment, `--shard auto/5` where it has no number of shards",
            text.escape_debug()
        )
    };
    let digits = |text: &str| {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u32>().ok().filter(|_| plain)
    };
    let (number, count) = match text.split_once('/') {
        Some((number, count)) => (number, Some(digits(count).ok_or_else(wrong)?)),
        None if text == "auto" => (text, None),
        None => return Err(wrong()),
    };
    let shard = match (number, count) {
        ("auto", count) => provenance::shard_of(environment, count)?,
        (number, Some(count)) => Shard {
            number: digits(number).ok_or_else(wrong)?,
            count,
        },
        _ => return Err(wrong()),
    };
    if shard.count > MOST {
        return Err(format!(
            "{} shards are too many: the most is {MOST}",
            shard.count
        ));
    }
    if shard.number == 0 || shard.number > shard.count {
        return Err(format!(
            "there is no shard {} of {}\nhint: shards are numbered from 1, so the last is {}/{}",
            shard.number, shard.count, shard.count, shard.count
        ));
    }
    Ok(shard)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn environment(text: &str) -> Environment {
        let pairs = text.split_whitespace();
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap());
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    const SLURM: &str = "SLURM_JOB_ID=12 SLURM_ARRAY_JOB_ID=11";

    #[rstest]
    #[case("2/5", "", Ok((2, 5)))]
    #[case("5/5", "CI_NODE_INDEX=1 CI_NODE_TOTAL=2", Ok((5, 5)))]
    #[case("0/5", "", Err("no shard 0 of 5"))]
    #[case("6/5", "", Err("the last is 5/5"))]
    #[case("1/0", "", Err("no shard 1 of 0"))]
    #[case("+1/5", "", Err("is no shard"))]
    #[case("1/5/7", "", Err("is no shard"))]
    #[case("two", "", Err("`--shard 2/5`"))]
    #[case("1/99999", "", Err("too many"))]
    #[case("auto", "", Err("no number of a shard"))]
    #[case("auto", "GITLAB_CI=true CI_NODE_INDEX=3 CI_NODE_TOTAL=4", Ok((3, 4)))]
    #[case("auto/4", "GITLAB_CI=true CI_NODE_INDEX=3 CI_NODE_TOTAL=4", Ok((3, 4)))]
    #[case(
        "auto/5",
        "GITLAB_CI=true CI_NODE_INDEX=3 CI_NODE_TOTAL=4",
        Err("says 4")
    )]
    #[case("auto", "BUILDKITE=true BUILDKITE_PARALLEL_JOB=0 BUILDKITE_PARALLEL_JOB_COUNT=2", Ok((1, 2)))]
    #[case("auto/3", "JOB_COMPLETION_INDEX=2", Ok((3, 3)))]
    #[case("auto", "JOB_COMPLETION_INDEX=2", Err("`--shard auto/N`"))]
    #[case("auto/2", "JOB_COMPLETION_INDEX=2", Err("no shard 3 of 2"))]
    #[case(
        "auto/3",
        "JOB_COMPLETION_INDEX=x",
        Err("`JOB_COMPLETION_INDEX=x` is no number")
    )]
    fn shards_are_read(
        #[case] text: &str,
        #[case] variables: &str,
        #[case] expected: Result<(u32, u32), &str>,
    ) {
        let read = number_of(text, &environment(variables));
        match (read, expected) {
            (Ok(shard), Ok(expected)) => assert_eq!((shard.number, shard.count), expected),
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
            (read, _) => panic!("{read:?}"),
        }
    }

    /// `--array=0-3`, `--array=1-4`, with a step, and a list with gaps, of which no number follows.
    #[rstest]
    #[case("0 0 3 4 1", Ok((1, 4)))]
    #[case("4 1 4 4 1", Ok((4, 4)))]
    #[case("5 1 7 4 2", Ok((3, 4)))]
    #[case("5 1 9 3 1", Err("--array=1-3"))]
    fn arrays_of_slurm(#[case] numbers: &str, #[case] expected: Result<(u32, u32), &str>) {
        let names = ["ID", "MIN", "MAX", "COUNT", "STEP"];
        let mut variables = environment(SLURM);
        for (name, value) in names.iter().zip(numbers.split(' ')) {
            variables.insert(format!("SLURM_ARRAY_TASK_{name}"), value.to_owned());
        }
        assert_eq!(batch_name(None, &variables).unwrap(), "slurm-11");
        match (number_of("auto", &variables), expected) {
            (Ok(shard), Ok(expected)) => assert_eq!((shard.number, shard.count), expected),
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
            (read, _) => panic!("{read:?}"),
        }
    }

    #[rstest]
    #[case(Some("nightly-7"), "", Ok("nightly-7"))]
    #[case(
        None,
        "GITHUB_ACTIONS=true GITHUB_RUN_ID=77 GITHUB_RUN_ATTEMPT=2",
        Ok("github-77")
    )]
    #[case(None, "GITLAB_CI=true CI_PIPELINE_ID=9", Ok("gitlab-9"))]
    #[case(None, "KUBERNETES_SERVICE_HOST=10.0.0.1", Err("no name of the batch"))]
    #[case(Some(""), "GITLAB_CI=true CI_PIPELINE_ID=9", Err("is no name"))]
    #[case(Some("../x"), "", Err("is no name"))]
    #[case(Some("a b"), "", Err("is no name"))]
    fn names_of_batches(
        #[case] given: Option<&str>,
        #[case] variables: &str,
        #[case] expected: Result<&str, &str>,
    ) {
        match (batch_name(given, &environment(variables)), expected) {
            (Ok(name), Ok(expected)) => assert_eq!(name, expected),
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
            (read, _) => panic!("{read:?}"),
        }
    }
}
