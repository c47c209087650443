//! Templates: a volume with the data folder that `initdb` made of an image and a superuser. A server of the same image
//! begins with a copy of it.
//!
//! A container of its own makes it, in which nothing of a backup runs; all others can only read it. The symlink to the
//! data folder is made last and by one call, so that a template is whole or not there.

use std::collections::HashMap;

use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::models::Mount;
use testcontainers::bollard::query_parameters::ListContainersOptionsBuilder;

use super::engine::{engine, remove_volume, volumes};
use super::helper::Helper;
use super::request::volume;
use super::{FIND, HOME, INITDB};
use crate::digest::sha256;

/// Where a server reads it.
const FOLDER: &str = "/redrill/template";

/// Label with a line for people.
const LABEL_TEMPLATE: &str = "redrill.template";
/// Label with the id of the image.
const LABEL_IMAGE: &str = "redrill.image";

/// Number of templates that are kept, of some 40 MB each.
const KEPT: usize = 8;

/// Makes the data folder and gives it its name. `$1` is the superuser, `$2` the name of the folder until then. Written to
/// the disk before it has its name, since the volume outlives a crash of the machine.
const MAKE: &str = r#"
cd "${PGDATA%/*}"
[ ! -e current ] || exit 0
initdb "$1" --auth-host=reject
ln -sn "$2" current || rm -rf "$PGDATA"
"#;

/// The volume of a template, which may not be there yet.
#[derive(Debug, Clone)]
pub(super) struct Template {
    volume: String,
    labels: HashMap<String, String>,
}

impl Template {
    /// The template of an image, `title` by its name and `id`, for this superuser.
    pub(super) fn of(title: &str, id: &str, superuser: &str) -> Self {
        let key = sha256([id, superuser, FIND, INITDB, MAKE].join("\0"));
        let labels = [
            (LABEL_TEMPLATE, format!("{title}, superuser {superuser}")),
            (LABEL_IMAGE, id.to_owned()),
        ];
        Self {
            volume: format!("redrill-template-{}", &key[..16]),
            labels: labels.map(|(name, value)| (name.to_owned(), value)).into(),
        }
    }

    /// Whether its volume is there; true also while it is being made.
    pub(super) async fn exists(&self, docker: &Docker) -> bool {
        docker.inspect_volume(&self.volume).await.is_ok()
    }

    /// The mount of a server, which only reads it.
    pub(super) fn mount(&self) -> Mount {
        self.mounted(FOLDER, true)
    }

    fn mounted(&self, target: &str, read_only: bool) -> Mount {
        volume(&self.volume, target, read_only, self.labels.clone())
    }

    /// Makes it, in a container of the run `run` with these labels.
    ///
    /// # Errors
    /// Errors of the engine. Whether `initdb` succeeded is seen where the template is used.
    pub(super) async fn make(
        &self,
        docker: &Docker,
        image: &str,
        superuser: &str,
        run: &str,
        labels: HashMap<String, String>,
    ) -> Result<(), Error> {
        let script = format!("{FIND}{INITDB}{MAKE}");
        let helper = Helper {
            image: image.to_owned(),
            script,
            arguments: [superuser, run].map(str::to_owned).into(),
            data: format!("{HOME}/{run}"),
            labels,
            // On a fresh volume this folder belongs to `postgres`, as in the image.
            mounts: vec![self.mounted(HOME, false)],
        };
        // An exit code other than 0 is an error here; the volume shows the same.
        helper.run(docker).await?;
        // What cannot be removed now is removed the next time.
        remove(docker, false).await;
        Ok(())
    }

    /// Whether another container than `own` uses it, which may be the one that makes it.
    pub(super) async fn is_in_use(&self, docker: &Docker, own: &str) -> bool {
        let filters = HashMap::from([("volume".to_owned(), vec![self.volume.clone()])]);
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters);
        let listed = docker.list_containers(Some(options.build())).await;
        listed.is_ok_and(|containers| containers.iter().any(|one| one.id.as_deref() != Some(own)))
    }

    /// Removes it, unless a container uses it.
    pub(super) async fn remove(&self, docker: &Docker) {
        // What remains is removed by the next run that cannot use it.
        let _ = remove_volume(docker, &self.volume).await;
    }
}

/// Removes all templates, or those whose image is gone and those that are too many; returns their titles, and what could
/// not be removed. What is in use is left alone.
pub(in crate::server) async fn remove_templates(all: bool) -> (Vec<String>, Vec<String>) {
    match engine().await {
        Ok(docker) => remove(&docker, all).await,
        // Without an engine there are none.
        Err(_) => (Vec::new(), Vec::new()),
    }
}

async fn remove(docker: &Docker, all: bool) -> (Vec<String>, Vec<String>) {
    let (mut removed, mut failed) = (Vec::new(), Vec::new());
    let listed = volumes(docker, &[LABEL_TEMPLATE.to_owned()]).await;
    let mut volumes = listed.unwrap_or_default();
    // The newest first.
    volumes.sort_by_key(|volume| std::cmp::Reverse(volume.created_at));
    let mut kept = 0;
    for volume in volumes {
        let image = volume.labels.get(LABEL_IMAGE).map(String::as_str);
        let gone = || async {
            matches!(
                docker.inspect_image(image.unwrap_or_default()).await,
                Err(Error::DockerResponseServerError {
                    status_code: 404,
                    ..
                })
            )
        };
        if !all && kept < KEPT && !gone().await {
            kept += 1;
            continue;
        }
        let title = volume.labels.get(LABEL_TEMPLATE).unwrap_or(&volume.name);
        match remove_volume(docker, &volume.name).await {
            Ok(true) => removed.push(title.clone()),
            Ok(false) => {}
            Err(error) => failed.push(format!("volume {}: {error}", volume.name)),
        }
    }
    (removed, failed)
}
