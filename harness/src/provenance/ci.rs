//! CI systems, by the variables that they document.

use crate::input::Environment;
use crate::outcome::{Actor, CiFacts};

/// A CI system. Of several variables the first one that is set and not empty counts.
struct System {
    name: &'static str,
    /// The variable that it sets in each job.
    mark: &'static str,
    actor: &'static [&'static str],
    job: &'static str,
    url: fn(&Environment) -> Option<String>,
    commit: &'static str,
    /// The variable with the id of the whole run, which its jobs share, and what its name begins with.
    run: Option<(&'static str, &'static str)>,
    /// The variables with the number of the job among those that share the work.
    shard: Option<Numbered>,
}

/// How a system numbers jobs that share the work.
struct Numbered {
    index: &'static str,
    /// The number of the first.
    first: u32,
    /// The number of all jobs; none at Kubernetes.
    count: Option<&'static str>,
}

/// A number among several jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    pub number: u32,
    /// How many there are.
    pub count: u32,
}

/// The systems that are known. Kubernetes is the last, because runners of the others are pods too.
const SYSTEMS: [System; 6] = [
    System {
        name: "GitHub Actions",
        mark: "GITHUB_ACTIONS",
        // Who started a job again, then who started it at first.
        actor: &["GITHUB_TRIGGERING_ACTOR", "GITHUB_ACTOR"],
        job: "GITHUB_JOB",
        url: |environment| {
            let value = |name| get(environment, name);
            let run = format!(
                "{}/{}/actions/runs/{}",
                value("GITHUB_SERVER_URL")?,
                value("GITHUB_REPOSITORY")?,
                value("GITHUB_RUN_ID")?
            );
            Some(match value("GITHUB_RUN_ATTEMPT") {
                Some(attempt) => format!("{run}/attempts/{attempt}"),
                None => run,
            })
        },
        commit: "GITHUB_SHA",
        run: Some(("GITHUB_RUN_ID", "github")),
        // A matrix has no variable: `--shard ${{ matrix.shard }}/${{ strategy.job-total }}`.
        shard: None,
    },
    System {
        name: "GitLab CI",
        mark: "GITLAB_CI",
        actor: &["GITLAB_USER_LOGIN"],
        job: "CI_JOB_NAME",
        url: |environment| get(environment, "CI_JOB_URL"),
        commit: "CI_COMMIT_SHA",
        run: Some(("CI_PIPELINE_ID", "gitlab")),
        shard: Some(Numbered {
            index: "CI_NODE_INDEX",
            first: 1,
            count: Some("CI_NODE_TOTAL"),
        }),
    },
    System {
        name: "Buildkite",
        mark: "BUILDKITE",
        actor: &["BUILDKITE_BUILD_CREATOR", "BUILDKITE_BUILD_AUTHOR"],
        job: "BUILDKITE_LABEL",
        url: |environment| {
            let build = get(environment, "BUILDKITE_BUILD_URL")?;
            Some(match get(environment, "BUILDKITE_JOB_ID") {
                Some(job) => format!("{build}#{job}"),
                None => build,
            })
        },
        commit: "BUILDKITE_COMMIT",
        run: Some(("BUILDKITE_BUILD_ID", "buildkite")),
        shard: Some(Numbered {
            index: "BUILDKITE_PARALLEL_JOB",
            first: 0,
            count: Some("BUILDKITE_PARALLEL_JOB_COUNT"),
        }),
    },
    System {
        name: "Jenkins",
        mark: "JENKINS_URL",
        // Both of the plugin "build user vars": Jenkins itself has no variable for it.
        actor: &["BUILD_USER_ID", "BUILD_USER"],
        job: "JOB_NAME",
        url: |environment| get(environment, "BUILD_URL"),
        commit: "GIT_COMMIT",
        run: Some(("BUILD_TAG", "jenkins")),
        shard: None,
    },
    System {
        name: "Slurm",
        mark: "SLURM_JOB_ID",
        actor: &["SLURM_JOB_USER"],
        job: "SLURM_JOB_NAME",
        url: |_| None,
        commit: "",
        run: Some(("SLURM_ARRAY_JOB_ID", "slurm")),
        // Numbered as the user wants: see `of_array`.
        shard: None,
    },
    System {
        name: "Kubernetes",
        mark: "KUBERNETES_SERVICE_HOST",
        actor: &[],
        job: "HOSTNAME",
        url: |_| None,
        commit: "",
        run: None,
        shard: Some(Numbered {
            index: "JOB_COMPLETION_INDEX",
            first: 0,
            count: None,
        }),
    },
];

/// The CI system of an environment, and who ran the job where it says so.
pub(super) fn detect(environment: &Environment) -> Option<(CiFacts, Option<Actor>)> {
    let system = SYSTEMS
        .iter()
        .find(|system| get(environment, system.mark).is_some_and(|mark| mark != "false"))?;
    let actor = system.actor.iter().find_map(|variable| {
        Some(Actor {
            name: get(environment, variable)?,
            variable: Some((*variable).into()),
        })
    });
    let facts = CiFacts {
        system: system.name.into(),
        job: get(environment, system.job),
        url: (system.url)(environment),
        // Buildkite says `HEAD` before it knows.
        commit: get(environment, system.commit).filter(|commit| super::commit::is_commit(commit)),
    };
    Some((facts, actor))
}

/// The name of the run that a job is a part of; `None` where the environment has none.
pub fn run_of(environment: &Environment) -> Option<String> {
    let mut named = SYSTEMS.iter().filter_map(|system| system.run);
    named.find_map(|(variable, begin)| {
        let id = get(environment, variable)?;
        Some(format!("{begin}-{id}"))
    })
}

/// The number of a job among those that share the work. `count` is theirs, where it was given.
///
/// # Errors
/// The environment has no number, none that fits, or another count.
pub fn shard_of(environment: &Environment, count: Option<u32>) -> Result<Shard, String> {
    if get(environment, "SLURM_ARRAY_TASK_ID").is_some() {
        return agreed(of_array(environment)?, count, "SLURM_ARRAY_TASK_COUNT");
    }
    let mut known = SYSTEMS.iter().filter_map(|system| system.shard.as_ref());
    let numbered = known
        .find(|numbered| get(environment, numbered.index).is_some())
        .ok_or(
            "`--shard auto`: the environment has no number of a shard\n\
             hint: GitLab (`parallel`), Buildkite (`parallelism`), Slurm (`--array`) and Kubernetes (`completionMode: Indexed`) set one; elsewhere write `--shard 2/5`",
        )?;
    let index = number(environment, numbered.index)?;
    let own = numbered
        .count
        .map(|variable| number(environment, variable))
        .transpose()?;
    let count_of_all = own.or(count).ok_or_else(|| {
        format!(
            "`--shard auto`: there is `{}` and no number of all shards\nhint: say it with `--shard auto/N`: at Kubernetes it is `completions`",
            numbered.index
        )
    })?;
    let number = index
        .checked_sub(numbered.first)
        .and_then(|index| index.checked_add(1));
    let shard = Shard {
        number: number.unwrap_or(0),
        count: count_of_all,
    };
    agreed(shard, count, numbered.count.unwrap_or(numbered.index))
}

/// The place of a task in an array of Slurm, which may begin anywhere and have a step.
fn of_array(environment: &Environment) -> Result<Shard, String> {
    let value = |name: &str| number(environment, &format!("SLURM_ARRAY_TASK_{name}"));
    let (id, min, max, count) = (value("ID")?, value("MIN")?, value("MAX")?, value("COUNT")?);
    let step = value("STEP").unwrap_or(1).max(1);
    let regular =
        (min..=max).contains(&id) && (id - min) % step == 0 && (max - min) / step + 1 == count;
    if !regular {
        return Err(format!(
            "`--shard auto`: the array of Slurm has gaps, so that the place of task {id} in it is not known\nhint: number it without gaps: `--array=1-{count}`"
        ));
    }
    Ok(Shard {
        number: (id - min) / step + 1,
        count,
    })
}

fn agreed(shard: Shard, count: Option<u32>, variable: &str) -> Result<Shard, String> {
    match count {
        Some(count) if count != shard.count => Err(format!(
            "`--shard auto/{count}`: `{variable}` says {}\nhint: remove `/{count}`",
            shard.count
        )),
        _ => Ok(shard),
    }
}

fn number(environment: &Environment, name: &str) -> Result<u32, String> {
    let text = get(environment, name)
        .ok_or_else(|| format!("`--shard auto`: there is no variable `{name}`"))?;
    text.parse()
        .map_err(|_| format!("`--shard auto`: `{name}={text}` is no number"))
}

fn get(environment: &Environment, name: &str) -> Option<String> {
    let value = environment.get(name)?.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const SHA: &str = "ffac537e6cbbf934b08745a378932722df287a53";

    /// `system | actor by variable | job | address | commit`, with `-` for what is not known.
    #[rstest]
    #[case::plain("HOME=/root HOSTNAME=db1 BUILD_URL=x", "none")]
    #[case::github(
        "GITHUB_ACTIONS=true GITHUB_ACTOR=octo GITHUB_JOB=drill GITHUB_SHA=SHA GITHUB_RUN_ID=7 \
         GITHUB_SERVER_URL=https://github.example GITHUB_REPOSITORY=a/b",
        "GitHub Actions | octo by GITHUB_ACTOR | drill | https://github.example/a/b/actions/runs/7 | SHA"
    )]
    #[case::github_again(
        "GITHUB_ACTIONS=true GITHUB_ACTOR=octo GITHUB_TRIGGERING_ACTOR=ann GITHUB_RUN_ID=7 \
         GITHUB_RUN_ATTEMPT=2 GITHUB_SERVER_URL=https://github.example GITHUB_REPOSITORY=a/b",
        "GitHub Actions | ann by GITHUB_TRIGGERING_ACTOR | - | https://github.example/a/b/actions/runs/7/attempts/2 | -"
    )]
    #[case::github_of_which_little_is_left(
        "GITHUB_ACTIONS=true GITHUB_ACTOR= GITHUB_RUN_ID=7",
        "GitHub Actions | - | - | - | -"
    )]
    #[case::gitlab_in_kubernetes(
        "KUBERNETES_SERVICE_HOST=10.0.0.1 GITLAB_CI=true GITLAB_USER_LOGIN=ann CI_JOB_NAME=drill \
         CI_JOB_URL=https://gitlab.example/a/-/jobs/9 CI_COMMIT_SHA=SHA",
        "GitLab CI | ann by GITLAB_USER_LOGIN | drill | https://gitlab.example/a/-/jobs/9 | SHA"
    )]
    #[case::buildkite(
        "BUILDKITE=true BUILDKITE_BUILD_CREATOR=ann BUILDKITE_LABEL=drill BUILDKITE_JOB_ID=01 \
         BUILDKITE_BUILD_URL=https://buildkite.example/a/1 BUILDKITE_COMMIT=HEAD",
        "Buildkite | ann by BUILDKITE_BUILD_CREATOR | drill | https://buildkite.example/a/1#01 | -"
    )]
    #[case::jenkins(
        "JENKINS_URL=https://ci.example/ BUILD_USER_ID=ann JOB_NAME=drill GIT_COMMIT=SHA \
         BUILD_URL=https://ci.example/job/drill/3/",
        "Jenkins | ann by BUILD_USER_ID | drill | https://ci.example/job/drill/3/ | SHA"
    )]
    #[case::slurm(
        "SLURM_JOB_ID=12 SLURM_JOB_USER=ann SLURM_JOB_NAME=drills",
        "Slurm | ann by SLURM_JOB_USER | drills | - | -"
    )]
    #[case::kubernetes(
        "KUBERNETES_SERVICE_HOST=10.0.0.1 HOSTNAME=drill-28912-x7k CI=true",
        "Kubernetes | - | drill-28912-x7k | - | -"
    )]
    #[case::switched_off("GITHUB_ACTIONS=false GITLAB_CI=", "none")]
    fn systems_are_known_by_their_variables(#[case] variables: &str, #[case] expected: &str) {
        let variables = variables.replace("SHA ", &format!("{SHA} "));
        let variables = match variables.strip_suffix("=SHA") {
            Some(start) => format!("{start}={SHA}"),
            None => variables,
        };
        let environment: Environment = variables
            .split_whitespace()
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let shown = detect(&environment).map_or("none".to_owned(), |(ci, actor)| {
            let dash = |value: Option<String>| value.unwrap_or("-".to_owned());
            let actor = actor.map(|actor| format!("{} by {}", actor.name, actor.variable.unwrap()));
            [
                ci.system.into_owned(),
                dash(actor),
                dash(ci.job),
                dash(ci.url),
                dash(ci.commit).replace(SHA, "SHA"),
            ]
            .join(" | ")
        });
        assert_eq!(shown, expected);
    }
}
