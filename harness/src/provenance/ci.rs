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
}

/// The systems that are known. Kubernetes is the last, because runners of the others are pods too.
const SYSTEMS: [System; 5] = [
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
    },
    System {
        name: "GitLab CI",
        mark: "GITLAB_CI",
        actor: &["GITLAB_USER_LOGIN"],
        job: "CI_JOB_NAME",
        url: |environment| get(environment, "CI_JOB_URL"),
        commit: "CI_COMMIT_SHA",
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
    },
    System {
        name: "Jenkins",
        mark: "JENKINS_URL",
        // Both of the plugin "build user vars": Jenkins itself has no variable for it.
        actor: &["BUILD_USER_ID", "BUILD_USER"],
        job: "JOB_NAME",
        url: |environment| get(environment, "BUILD_URL"),
        commit: "GIT_COMMIT",
    },
    System {
        name: "Kubernetes",
        mark: "KUBERNETES_SERVICE_HOST",
        actor: &[],
        job: "HOSTNAME",
        url: |_| None,
        commit: "",
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
