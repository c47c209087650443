//! What the engine is asked for: an isolated container, without a network where the socket can be shared.

use std::collections::HashMap;
use std::path::Path;

use testcontainers::bollard::models::{
    HostConfig, Mount, MountType, MountVolumeOptions, PortBinding,
};
use testcontainers::{ContainerRequest, GenericImage, ImageExt as _};

use super::copy::data_folder;
use super::template::Template;
use super::{BACKUP, Container, FIND, HOME, INITDB, KEY, PROGRAMS, SHELLS, SOCKET, START, TLS};
use crate::redact::Secret;
use crate::server::machine::ending;
use crate::server::{settings, tls};

impl Container {
    /// Options that testcontainers has no method for.
    fn host_config(&self) -> impl Fn(&mut HostConfig) + Send + Sync + 'static {
        let (memory, pids, storage, by_port) = (self.memory, self.pids, self.storage, self.by_port);
        let mut mounts = vec![
            bind(&self.socket.path, SOCKET, false),
            bind(&self.socket.programs, PROGRAMS, true),
        ];
        mounts.extend(self.template.as_ref().map(Template::mount));
        mounts.extend(self.tls.as_ref().map(|folder| bind(folder, TLS, true)));
        for (number, folder) in self.folders.iter().enumerate() {
            mounts.push(bind(folder, &format!("{BACKUP}/{number}"), true));
        }
        if storage == settings::Storage::Volume {
            mounts.push(match &self.volume {
                Some(name) => volume(name, HOME, false, self.owned_labels()),
                // Without a source it is anonymous, and is removed with the container.
                None => Mount {
                    typ: Some(MountType::VOLUME),
                    target: Some(HOME.to_owned()),
                    ..Mount::default()
                },
            });
        }
        if let Some(copy) = &self.copy {
            let denied = SHELLS.iter().map(|shell| bind(&copy.denied, shell, true));
            mounts.extend(denied);
        }
        move |config: &mut HostConfig| {
            config.memory = i64::try_from(memory).ok();
            // No additional swap: a drill that swaps measures the disk.
            config.memory_swap = config.memory;
            config.pids_limit = Some(i64::from(pids));
            config.mounts = Some(mounts.clone());
            config.publish_all_ports = Some(false);
            if storage == settings::Storage::Memory {
                config.tmpfs = Some(HashMap::from([(
                    HOME.to_owned(),
                    "rw,mode=1777,exec".to_owned(),
                )]));
            }
            if by_port {
                let binding = PortBinding {
                    host_ip: Some("127.0.0.1".to_owned()),
                    host_port: Some(String::new()),
                };
                config.port_bindings = Some(HashMap::from([(
                    "5432/tcp".to_owned(),
                    Some(vec![binding]),
                )]));
            } else {
                config.network_mode = Some("none".to_owned());
                config.port_bindings = None;
            }
        }
    }

    pub(super) fn request(
        &self,
        superuser: &str,
        password: &Secret,
    ) -> ContainerRequest<GenericImage> {
        let (name, tag) = match self.image.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name.to_owned(), tag.to_owned()),
            _ => (self.image.clone(), "latest".to_owned()),
        };
        let data = data_folder();
        let script = format!("{FIND}{INITDB}{START}");
        let (entrypoint, first) = match &self.copy {
            // Settings and libraries of the backup are in effect from the first moment, so there is never a shell.
            Some(copy) => {
                let postgres = format!("{}/postgres", copy.bin);
                let data = ["-D", &data].map(str::to_owned);
                match (self.ends_after, &copy.timeout) {
                    (Some(after), Some(timeout)) => {
                        let first = ending(after, &postgres).into_iter().chain(data);
                        (timeout.clone(), first.collect())
                    }
                    _ => (postgres, Vec::from(data)),
                }
            }
            None => {
                let first = ["-c", &script, "redrill", superuser].map(str::to_owned);
                ("/bin/sh".to_owned(), Vec::from(first))
            }
        };
        let mut command: Vec<String> = first;
        command.extend(self.arguments.iter().cloned());
        let listen = if self.by_port { "*" } else { "" };
        let mut settings = vec![
            ("listen_addresses", listen.to_owned()),
            ("port", "5432".to_owned()),
            ("unix_socket_directories", SOCKET.to_owned()),
        ];
        if self.tls.is_some() {
            let key = format!("{data}.key");
            settings.extend(tls::settings(Path::new(TLS), Path::new(&key)));
        }
        for (name, value) in settings {
            command.extend(["-c".to_owned(), format!("{name}={value}")]);
        }
        let password = if self.by_port { password.expose() } else { "" };
        GenericImage::new(name, tag)
            .with_entrypoint(&entrypoint)
            .with_cmd(command)
            .with_user("postgres")
            .with_env_var("PGDATA", &data)
            .with_env_var("REDRILL_KEY", format!("{TLS}/{KEY}"))
            .with_env_var("REDRILL_PASSWORD", password)
            .with_env_var("TZ", "UTC")
            .with_cap_drop("ALL")
            .with_security_opt("no-new-privileges")
            .with_shm_size(self.shm)
            .with_labels(
                self.labels
                    .iter()
                    .map(|(name, value)| (*name, value.as_str())),
            )
            .with_host_config_modifier(self.host_config())
    }
}

/// A mount of a named volume, which gets these labels where it is made.
pub(super) fn volume(
    name: &str,
    target: &str,
    read_only: bool,
    labels: HashMap<String, String>,
) -> Mount {
    Mount {
        typ: Some(MountType::VOLUME),
        source: Some(name.to_owned()),
        target: Some(target.to_owned()),
        read_only: Some(read_only),
        volume_options: Some(MountVolumeOptions {
            labels: Some(labels),
            ..MountVolumeOptions::default()
        }),
        ..Mount::default()
    }
}

/// A bind mount.
fn bind(source: &Path, target: &str, read_only: bool) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(source.display().to_string()),
        target: Some(target.to_owned()),
        read_only: Some(read_only),
        ..Mount::default()
    }
}
