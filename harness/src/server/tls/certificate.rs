//! The certificate of a server: of an authority that is made for each run, or that of the scenario.

use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore};

use super::HOST;
use crate::outcome::CouldNotRun;
use crate::server::settings;

/// Names of the files in their folder.
const CA: &str = "ca.crt";
pub(super) const CHAIN: &str = "server.crt";
pub(in crate::server) const KEY: &str = "server.key";
pub(super) const HBA: &str = "pg_hba.conf";

/// Who may connect. Not even with TLS can anybody connect from elsewhere, and the networks are those of the run: so a
/// password would protect nothing.
const RULES: &str = "local all all trust
hostssl all all 127.0.0.1/32 trust
hostnossl all all all reject
";

/// The files of a server that requires TLS, in a folder of its run.
pub(in crate::server) struct Certificate {
    folder: PathBuf,
}

impl Certificate {
    /// Writes the files: a new authority and a certificate of it, or those of the scenario.
    ///
    /// # Errors
    /// When a file cannot be read or written, or the key does not belong to the certificate.
    pub(in crate::server) fn write(
        folder: PathBuf,
        own: Option<&settings::Certificate>,
    ) -> Result<Self, CouldNotRun> {
        let [ca, chain, key] = match own {
            Some(own) => read(own)?,
            None => {
                generate().map_err(|error| CouldNotRun::new(format!("no certificate: {error}")))?
            }
        };
        let write = || -> io::Result<()> {
            DirBuilder::new().mode(0o700).create(&folder)?;
            for (name, content) in [(CA, &*ca), (CHAIN, &chain), (KEY, &key), (HBA, RULES)] {
                // A server takes no key that others may read.
                let mut file = File::options();
                let file = file.write(true).create_new(true).mode(0o600);
                file.open(folder.join(name))?
                    .write_all(content.as_bytes())?;
            }
            Ok(())
        };
        write().map_err(|error| {
            CouldNotRun::new(format!("cannot write {}: {error}", folder.display()))
        })?;
        Ok(Self { folder })
    }

    /// Lets a server read them, which runs as another user: of this machine and in `group`, or in a container, where only
    /// it sees the folder.
    ///
    /// # Errors
    /// When the system refuses.
    pub(in crate::server) fn let_read(&self, group: Option<u32>) -> io::Result<()> {
        let (folder, file) = match group {
            Some(_) => (0o750, 0o640),
            None => (0o755, 0o644),
        };
        let grant = |path: &Path, mode| {
            chown(path, None, group)?;
            std::fs::set_permissions(path, Permissions::from_mode(mode))
        };
        for name in [CHAIN, KEY, HBA] {
            grant(&self.folder.join(name), file)?;
        }
        grant(&self.folder, folder)
    }

    /// Their folder.
    pub(in crate::server) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The certificate of the authority, in PEM.
    pub(super) fn ca(&self) -> PathBuf {
        self.folder.join(CA)
    }

    /// The settings of a client that trusts this authority alone.
    ///
    /// # Errors
    /// When the file holds no certificate.
    pub(super) fn trust(&self) -> Result<Arc<ClientConfig>, CouldNotRun> {
        let mut roots = RootCertStore::empty();
        let ca = self.ca();
        let unusable = |why: String| CouldNotRun::new(format!("{}: {why}", ca.display()));
        for certificate in certificates(&ca)? {
            roots
                .add(certificate)
                .map_err(|error| unusable(error.to_string()))?;
        }
        let client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(client))
    }
}

/// Makes an authority and a certificate of it for this machine: authority, certificate and key, in PEM.
fn generate() -> Result<[String; 3], rcgen::Error> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let name = "redrill: authority of one run";
    authority.distinguished_name.push(DnType::CommonName, name);
    let authority_key = KeyPair::generate()?;
    let authority_certificate = authority.self_signed(&authority_key)?;
    let names = [HOST, "127.0.0.1", "::1"].map(str::to_owned);
    let mut server = CertificateParams::new(names)?;
    server.distinguished_name.push(DnType::CommonName, HOST);
    let key = KeyPair::generate()?;
    let issuer = Issuer::new(authority, authority_key);
    let certificate = server.signed_by(&key, &issuer)?;
    Ok([
        authority_certificate.pem(),
        certificate.pem(),
        key.serialize_pem(),
    ])
}

/// Reads those of the scenario.
fn read(own: &settings::Certificate) -> Result<[String; 3], CouldNotRun> {
    let text = |path: &Path| {
        std::fs::read_to_string(path).map_err(|error| unreadable(path, &error.to_string()))
    };
    let chain = certificates(&own.file)?;
    let key = PrivateKeyDer::from_pem_file(&own.key)
        .map_err(|error| unreadable(&own.key, &error.to_string()))?;
    certificates(&own.ca)?;
    CertifiedKey::from_der(chain, key, &default_provider()).map_err(|error| {
        let (key, file) = (own.key.display(), own.file.display());
        match error {
            rustls::Error::InconsistentKeys(_) => CouldNotRun::with_hint(
                format!("the key {key} does not belong to the certificate {file}"),
                "give `certificate` the file of the certificate that was issued for this key, its own first",
            ),
            error => CouldNotRun::new(format!("{key} and {file} are of no use to a server: {error}")),
        }
    })?;
    Ok([text(&own.ca)?, text(&own.file)?, text(&own.key)?])
}

/// The certificates of a file.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CouldNotRun> {
    let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match all {
        Ok(all) if all.is_empty() => Err(unreadable(path, "it has no certificate in PEM")),
        Ok(all) => Ok(all),
        Err(error) => Err(unreadable(path, &error.to_string())),
    }
}

fn unreadable(path: &Path, why: &str) -> CouldNotRun {
    CouldNotRun::with_hint(
        format!("cannot read {}: {why}", path.display()),
        "`certificate` in `[server]` has three files in PEM, relative to the scenario: `file`, `key` and `ca`",
    )
}
