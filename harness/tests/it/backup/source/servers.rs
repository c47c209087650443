//! Servers of S3 as processes of their own, and a proxy that cuts connections.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// A server that dies with its test.
pub struct Server {
    child: Child,
    pub port: u16,
}

impl Server {
    fn start(port: u16, command: &mut Command) -> Self {
        Self::try_start(port, command).unwrap_or_else(|why| panic!("{command:?} {why}"))
    }

    fn try_start(port: u16, command: &mut Command) -> Result<Self, &'static str> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut server = Self { child, port };
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if server.child.try_wait().unwrap().is_some() {
                return Err("ended at once");
            }
            if began.elapsed() > Duration::from_secs(60) {
                return Err("does not listen");
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// rclone, which checks signatures: every folder below `root` is a bucket.
    pub fn rclone(root: &Path, port: u16) -> Self {
        Self::rclone_with(root, port, &[])
    }

    /// The same by TLS, with the certificate and the key in these files.
    pub fn rclone_by_tls(root: &Path, certificate: &Path, key: &Path) -> Self {
        let [certificate, key] = [("cert", certificate), ("key", key)]
            .map(|(name, path)| format!("--{name}={}", path.display()));
        Self::rclone_with(root, free_port(), &[certificate, key])
    }

    fn rclone_with(root: &Path, port: u16, options: &[String]) -> Self {
        let mut command = Command::new(tool("rclone"));
        command
            .args([
                "serve",
                "s3",
                "--config",
                "/dev/null",
                "--dir-cache-time",
                "0s",
            ])
            .args(["--addr", &format!("127.0.0.1:{port}")])
            .args(["--auth-key", "test-key,test-s3cret"])
            .args(options)
            .arg(root);
        Self::start(port, &mut command)
    }

    /// moto, which knows versions and archive tiers and believes everyone.
    pub fn moto() -> Self {
        let port = free_port();
        let mut command = Command::new(tool("moto_server"));
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        Self::start(port, &mut command)
    }

    /// SeaweedFS, which honours conditional writes, with an empty bucket `drills`.
    pub fn seaweedfs(folder: &Path) -> Self {
        // Another test may take one of its many ports before it does.
        let mut tries = (0..4).map(|number| {
            let folder = folder.join(format!("seaweedfs-{number}"));
            std::fs::create_dir_all(&folder).unwrap();
            Self::try_seaweedfs(&folder)
        });
        let started = tries.find_map(Result::ok);
        started.expect("SeaweedFS ends, or keeps nothing, on all ports")
    }

    fn try_seaweedfs(folder: &Path) -> Result<Self, &'static str> {
        let data = folder.join("seaweedfs");
        std::fs::create_dir_all(&data).unwrap();
        let keys = folder.join("seaweedfs.json");
        let identity = r#"{"identities":[{"name":"test","credentials":[{"accessKey":"test-key","secretKey":"test-s3cret"}],"actions":["Admin"]}]}"#;
        std::fs::write(&keys, identity).unwrap();
        let port = free_port();
        let mut command = Command::new(tool("weed"));
        command.args([
            "server",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-filer",
            "-s3",
            "-volume.max=40",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
        ]);
        command.arg("-master.volumeSizeLimitMB=64");
        command.arg(format!("-dir={}", data.display()));
        command.arg(format!("-s3.config={}", keys.display()));
        command.arg(format!("-s3.port={port}"));
        let others = [
            "master.port",
            "master.port.grpc",
            "volume.port",
            "volume.port.grpc",
            "filer.port.grpc",
            "s3.port.grpc",
        ];
        for one in others {
            command.arg(format!("-{one}={}", free_port()));
        }
        let filer = free_port();
        command.arg(format!("-filer.port={filer}"));
        let server = Self::try_start(port, &mut command)?;
        // It listens before it can keep anything.
        let began = Instant::now();
        while !put(filer, "/buckets/drills/there") {
            if began.elapsed() > Duration::from_secs(60) {
                return Err("keeps nothing");
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(server)
    }

    /// Sends a request and gives the whole answer.
    pub fn send(&self, request: &str, headers: &str, body: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        let length = body.len();
        write!(
            stream,
            "{request} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\nConnection: close\r\nAuthorization: AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0\r\n{headers}\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{request}: {answer}");
        answer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = killpg(Pid::from_raw(self.child.id() as i32), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// Writes a file by HTTP; whether that succeeded.
fn put(port: u16, path: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
        return false;
    };
    let request = format!(
        "PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"
    );
    let mut answer = String::new();
    stream.write_all(request.as_bytes()).is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 201")
}

/// The program of a server, as `ci/setup.sh` installed it.
pub fn tool(name: &str) -> PathBuf {
    let folder = std::env::var_os("REDRILL_S3_SERVERS").map_or_else(
        || {
            let own = std::env::current_exe().unwrap();
            // target/debug/deps/it-…
            own.ancestors().nth(3).unwrap().join("tools/s3/bin")
        },
        PathBuf::from,
    );
    let path = folder.join(name);
    assert!(
        path.exists(),
        "{} is missing: `. ci/setup.sh; need_s3_servers` installs it",
        path.display()
    );
    path
}

/// Lets the system choose a port.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// What a proxy does when a connection has carried its bytes.
pub enum At {
    /// Cuts it.
    Cut,
    /// Lets it go on.
    GoOn,
}

/// Stands between a client and a server. The answer of every connection is carried up to `bytes`;
/// then `event` is told how often that has happened, and says how it goes on.
pub fn proxy(
    server: u16,
    bytes: usize,
    event: impl Fn(usize) -> At + Send + Sync + 'static,
) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let event = Arc::new((event, AtomicUsize::new(0)));
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let event = Arc::clone(&event);
            thread::spawn(move || {
                let Ok(upstream) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)) else {
                    return;
                };
                let (mut from, mut to) =
                    (client.try_clone().unwrap(), upstream.try_clone().unwrap());
                thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                });
                let (mut upstream, mut client) = (upstream, client);
                let mut carried = 0;
                let mut buffer = [0; 16 * 1024];
                while let Ok(read @ 1..) = upstream.read(&mut buffer) {
                    if client.write_all(&buffer[..read]).is_err() {
                        break;
                    }
                    let before = carried;
                    carried += read;
                    if before < bytes && carried >= bytes {
                        let number = event.1.fetch_add(1, Ordering::SeqCst) + 1;
                        if let At::Cut = (event.0)(number) {
                            break;
                        }
                    }
                }
                let _ = client.shutdown(Shutdown::Both);
                let _ = upstream.shutdown(Shutdown::Both);
            });
        }
    });
    port
}
