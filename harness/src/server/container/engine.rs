//! The container engine: its images, and containers by their labels.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::models::Volume;
use testcontainers::bollard::query_parameters::{
    ListContainersOptionsBuilder, ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveVolumeOptions,
};
use testcontainers::core::client::docker_client_instance;
use tokio::task::JoinHandle;

use crate::cleanup::{LABEL_HOST, LABEL_RUN, LABEL_WORK, Work, host};
use crate::http;
use crate::outcome::CouldNotRun;
use crate::server::machine::Wanted;
use crate::server::{extension, settings};

/// The newest major version that is tried when there is no image for that of the backup.
const NEWEST_MAJOR: u32 = 18;
/// The oldest one.
const OLDEST_MAJOR: u32 = 13;

/// Timeout of a single request to the engine.
const ENGINE_WITHIN: Duration = Duration::from_secs(10);

/// Finds an engine that answers.
pub(super) async fn engine() -> Result<Docker, CouldNotRun> {
    let unavailable = |reason: String| {
        CouldNotRun::with_hint(
            reason,
            "start the container engine, or allow redrill to use it: add your user to the group `docker`; `DOCKER_HOST` is the address of an engine that is elsewhere, such as `unix:///run/user/1000/podman/podman.sock`",
        )
    };
    let docker = docker_client_instance()
        .await
        .map_err(|error| unavailable(format!("no container engine: {error}")))?;
    match tokio::time::timeout(ENGINE_WITHIN, docker.version()).await {
        Ok(Ok(_)) => Ok(docker),
        Ok(Err(error)) => Err(unavailable(format!(
            "the container engine does not answer: {}",
            http::cause(&error)
        ))),
        Err(_) => Err(unavailable(
            "the container engine does not answer in time".to_owned(),
        )),
    }
}

/// Whether a unix socket created in a container can be used from here; not if the engine runs in a
/// virtual machine.
pub(super) async fn sockets_cross(docker: &Docker) -> bool {
    match docker.info().await {
        Ok(info) => !info
            .operating_system
            .is_some_and(|name| name.contains("Docker Desktop")),
        Err(_) => true,
    }
}

/// Selects the image that the scenario names, or one of exactly a major version, or for that of the backup or the next.
pub(super) async fn image(
    docker: &Docker,
    container: &settings::Container,
    exactly: Option<u32>,
    wanted: &Wanted,
) -> Result<(String, String), CouldNotRun> {
    if let Some(name) = &container.image {
        return match docker.inspect_image(name).await {
            Ok(image) => Ok((name.clone(), image.id.unwrap_or_default())),
            Err(_) => Err(
                CouldNotRun::new(format!("the image `{name}` is not on this machine"))
                    .hint(format!("`docker pull {name}`, or build it")),
            ),
        };
    }
    let majors: Vec<u32> = match (exactly, wanted.major) {
        (Some(major), _) => vec![major],
        (None, Some(major)) => (major..=NEWEST_MAJOR.max(major)).collect(),
        (None, None) => (OLDEST_MAJOR..=NEWEST_MAJOR).rev().collect(),
    };
    let needed: Vec<&str> = wanted
        .extensions
        .iter()
        .map(String::as_str)
        .filter(|name| !extension::is_part_of_postgres(name))
        .filter(|name| !wanted.stubs.iter().any(|stub| stub == name))
        .collect();
    let mut best: Option<(usize, (String, String))> = None;
    for (name, has) in majors.into_iter().flat_map(images_of) {
        let missing = needed.iter().filter(|name| !has.contains(name)).count();
        // Of several that lack as much, the first one: its version is nearest to that of the backup.
        if best.as_ref().is_some_and(|(least, _)| *least <= missing) {
            continue;
        }
        if let Ok(image) = docker.inspect_image(&name).await {
            best = Some((missing, (name, image.id.unwrap_or_default())));
        }
    }
    best.map(|(_, image)| image).ok_or_else(|| {
        let major = exactly.or(wanted.major).unwrap_or(17);
        let newer = if exactly.is_some() { "" } else { " or newer" };
        CouldNotRun::new(format!(
            "no Postgres image for version {major}{newer} is on this machine"
        ))
        .hint(pull(major, &needed))
    })
}

/// How to get an image with these extensions.
fn pull(major: u32, extensions: &[&str]) -> String {
    let found = images_of(major)
        .into_iter()
        .filter(|(name, _)| !name.starts_with(OWN))
        .find(|(_, has)| extensions.iter().all(|name| has.contains(name)));
    match found {
        Some((name, _)) => format!("`docker pull {name}`"),
        None => format!(
            "`ci/image.sh {major}` in a clone of redrill builds one with pgvector and Apache AGE; or name an image that has {} by `image` in `[server.container]`",
            extensions.join(", ")
        ),
    }
}

/// What the names of images begin with that `ci/image.sh` builds.
const OWN: &str = "redrill/";

/// Images that are tried for a major version, in this order, with the extensions that each has besides those
/// that are part of Postgres.
fn images_of(major: u32) -> [(String, &'static [&'static str]); 3] {
    [
        (format!("{OWN}postgres:{major}"), &["age", "vector"]),
        (format!("postgres:{major}"), &[]),
        (format!("pgvector/pgvector:pg{major}"), &["vector"]),
    ]
}

/// Removes containers with all the given labels for which `is_dead` is true; returns ids and errors.
pub(super) async fn remove_labelled(
    docker: &Docker,
    labels: &[String],
    is_dead: impl Fn(&HashMap<String, String>) -> bool,
) -> (Vec<String>, Vec<String>) {
    let filters = HashMap::from([("label".to_owned(), labels.to_vec())]);
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filters)
        .build();
    let (mut removed, mut failed) = (Vec::new(), Vec::new());
    let containers = match docker.list_containers(Some(options)).await {
        Ok(containers) => containers,
        Err(error) => {
            return (
                removed,
                vec![format!("the engine cannot list its containers: {error}")],
            );
        }
    };
    for container in containers {
        let (Some(id), Some(labels)) = (container.id, container.labels) else {
            continue;
        };
        if !is_dead(&labels) {
            continue;
        }
        let options = RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(true)
            .build();
        match docker.remove_container(&id, Some(options)).await {
            Ok(()) => removed.push(id),
            // 404: it was removed meanwhile; 409: the engine is removing it already.
            Err(Error::DockerResponseServerError {
                status_code: 404 | 409,
                ..
            }) => {}
            Err(error) => failed.push(format!(
                "container {}: {error}",
                id.get(..12).unwrap_or(&id)
            )),
        }
    }
    (removed, failed)
}

/// Removes volumes with all the given labels for which `is_dead` is true; returns names and errors. What a container uses is left
/// alone.
pub(super) async fn remove_labelled_volumes(
    docker: &Docker,
    labels: &[String],
    is_dead: impl Fn(&HashMap<String, String>) -> bool,
) -> (Vec<String>, Vec<String>) {
    let (mut removed, mut failed) = (Vec::new(), Vec::new());
    match volumes(docker, labels).await {
        Ok(volumes) => {
            for volume in volumes.iter().filter(|volume| is_dead(&volume.labels)) {
                match remove_volume(docker, &volume.name).await {
                    Ok(true) => removed.push(volume.name.clone()),
                    Ok(false) => {}
                    Err(error) => failed.push(format!("volume {}: {error}", volume.name)),
                }
            }
        }
        Err(error) => failed.push(format!("the engine cannot list its volumes: {error}")),
    }
    (removed, failed)
}

/// Lists volumes with all the given labels.
pub(super) async fn volumes(docker: &Docker, labels: &[String]) -> Result<Vec<Volume>, Error> {
    let filters = HashMap::from([("label".to_owned(), labels.to_vec())]);
    let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
    let listed = docker.list_volumes(Some(options)).await?;
    Ok(listed.volumes.unwrap_or_default())
}

/// Removes a volume; returns whether it was there and is not any more.
pub(super) async fn remove_volume(docker: &Docker, volume: &str) -> Result<bool, Error> {
    let removed = docker.remove_volume(volume, None::<RemoveVolumeOptions>);
    match removed.await {
        Ok(()) => Ok(true),
        // 404: it was removed meanwhile; 409: a container uses it.
        Err(Error::DockerResponseServerError {
            status_code: 404 | 409,
            ..
        }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// What was removed of the engine: ids of containers, names of volumes, and errors.
#[derive(Default)]
pub(in crate::server) struct Removed {
    pub containers: Vec<String>,
    pub volumes: Vec<String>,
    pub failed: Vec<String>,
}

/// Removes containers and then volumes with all the given labels for which `is_dead` is true.
async fn remove_all(
    docker: &Docker,
    labels: &[String],
    is_dead: impl Fn(&HashMap<String, String>) -> bool,
) -> Removed {
    let (containers, mut failed) = remove_labelled(docker, labels, &is_dead).await;
    let (volumes, not_removed) = remove_labelled_volumes(docker, labels, is_dead).await;
    failed.extend(not_removed);
    Removed {
        containers,
        volumes,
        failed,
    }
}

/// Requests to start a container, by run.
pub(super) fn starting() -> MutexGuard<'static, HashMap<String, JoinHandle<()>>> {
    static STARTING: LazyLock<Mutex<HashMap<String, JoinHandle<()>>>> =
        LazyLock::new(Mutex::default);
    STARTING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes the containers of one run, also one that is being created; returns what could not be removed.
pub(in crate::server) async fn forget(run: &str) -> Vec<String> {
    let labels = [format!("{LABEL_RUN}={run}")];
    let pending = starting().remove(run);
    // Without an engine there is no container.
    let Ok(Ok(docker)) = tokio::time::timeout(ENGINE_WITHIN, engine()).await else {
        return Vec::new();
    };
    if let Some(pending) = pending {
        // One that copies a large database would not end soon by itself.
        let _ = remove_labelled(&docker, &labels, |_| true).await;
        // Whether it could be created is not of interest any more.
        let _ = pending.await;
    }
    remove_all(&docker, &labels, |_| true).await.failed
}

/// Removes the containers and volumes of runs of this user on this machine that are dead.
///
/// # Errors
/// When no engine answers.
pub(in crate::server) async fn sweep(work: &Work) -> Result<Removed, CouldNotRun> {
    let docker = tokio::time::timeout(ENGINE_WITHIN, engine()).await;
    let docker = docker.map_err(|_| CouldNotRun::new("the container engine does not answer"))??;
    let ours = [
        format!("{LABEL_HOST}={}", host()),
        format!("{LABEL_WORK}={}", work.root().display()),
    ];
    let removed = remove_all(&docker, &ours, |labels| {
        labels.get(LABEL_RUN).is_some_and(|run| !work.is_alive(run))
    });
    Ok(removed.await)
}

/// Lists the engine and the images that are tried.
pub(in crate::server) async fn found() -> Vec<String> {
    let Ok(docker) = engine().await else {
        return Vec::new();
    };
    let version = docker.version().await.ok();
    let version = version.and_then(|version| version.version);
    let mut found = vec![format!("engine {}", version.unwrap_or_default())];
    for (name, _) in (OLDEST_MAJOR..=NEWEST_MAJOR).flat_map(images_of) {
        if docker.inspect_image(&name).await.is_ok() {
            found.push(format!("image {name}"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(&[], "`docker pull postgres:17`")]
    #[case(&["vector"], "`docker pull pgvector/pgvector:pg17`")]
    #[case(
        &["age"],
        "`ci/image.sh 17` in a clone of redrill builds one with pgvector and Apache AGE; or name an image that has age by `image` in `[server.container]`"
    )]
    fn the_hint_names_an_image_that_has_what_is_needed(
        #[case] extensions: &[&str],
        #[case] hint: &str,
    ) {
        assert_eq!(pull(17, extensions), hint);
    }
}
