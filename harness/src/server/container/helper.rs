//! A container that runs one script on volumes and is removed: nothing of a backup runs in it.

use std::collections::HashMap;

use futures_util::StreamExt as _;
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::models::{ContainerCreateBody, HostConfig, Mount};
use testcontainers::bollard::query_parameters::{
    LogsOptionsBuilder, RemoveContainerOptionsBuilder,
};

/// What runs in it, without a network and capabilities.
pub(super) struct Helper {
    /// The id of the image.
    pub image: String,
    /// The script for `/bin/sh`, and its arguments.
    pub script: String,
    pub arguments: Vec<String>,
    /// `PGDATA`.
    pub data: String,
    pub labels: HashMap<String, String>,
    pub mounts: Vec<Mount>,
}

/// How it ended.
pub(super) struct Helped {
    pub succeeded: bool,
    /// The end of its output.
    pub log: String,
}

impl Helper {
    /// Runs it to its end.
    ///
    /// # Errors
    /// Errors of the engine.
    pub async fn run(self, docker: &Docker) -> Result<Helped, Error> {
        let mut command = vec!["-c".to_owned(), self.script, "redrill".to_owned()];
        command.extend(self.arguments);
        let body = ContainerCreateBody {
            image: Some(self.image),
            entrypoint: Some(vec!["/bin/sh".to_owned()]),
            cmd: Some(command),
            user: Some("postgres".to_owned()),
            env: Some(vec![format!("PGDATA={}", self.data), "TZ=UTC".to_owned()]),
            labels: Some(self.labels),
            host_config: Some(HostConfig {
                mounts: Some(self.mounts),
                network_mode: Some("none".to_owned()),
                cap_drop: Some(vec!["ALL".to_owned()]),
                security_opt: Some(vec!["no-new-privileges".to_owned()]),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let id = docker.create_container(None, body).await?.id;
        docker.start_container(&id, None).await?;
        // An exit code other than 0 is an error here.
        let succeeded = matches!(docker.wait_container(&id, None).next().await, Some(Ok(_)));
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .tail("20");
        let lines = docker.logs(&id, Some(options.build()));
        let lines = lines.filter_map(|line| async { line.ok().map(|line| line.to_string()) });
        let log = lines.collect::<Vec<String>>().await.concat();
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true);
        docker.remove_container(&id, Some(options.build())).await?;
        Ok(Helped { succeeded, log })
    }
}
