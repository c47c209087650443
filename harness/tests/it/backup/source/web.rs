//! A web server that answers as a test says, with or without TLS.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What was asked.
pub struct Request {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The first byte that `Range` asks for.
    pub fn from(&self) -> Option<usize> {
        self.header("range")?
            .strip_prefix("bytes=")?
            .strip_suffix('-')?
            .parse()
            .ok()
    }
}

/// What is answered: the head's lines, then so much of the body.
pub struct Answer {
    pub head: String,
    pub body: Vec<u8>,
}

/// An answer with a status, headers and a body whose length is stated.
pub fn answer(status: &str, headers: &str, body: &[u8]) -> Answer {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}",
        body.len()
    );
    Answer {
        head,
        body: body.to_vec(),
    }
}

impl Answer {
    /// Only so many bytes of the body come.
    pub fn cut(mut self, bytes: usize) -> Self {
        self.body.truncate(bytes);
        self
    }
}

/// The file behind every address: with a strong ETag, with ranges.
pub fn file(request: &Request, tag: &str, content: &[u8]) -> Answer {
    let own = format!("ETag: \"{tag}\"\r\nLast-Modified: Mon, 25 May 2026 02:30:00 GMT\r\n");
    let may = request
        .header("if-range")
        .is_none_or(|asked| asked == format!("\"{tag}\""));
    match request.from().filter(|_| may) {
        Some(from) => answer(
            "206 Partial Content",
            &format!(
                "{own}Content-Range: bytes {from}-{}/{}\r\n",
                content.len() - 1,
                content.len()
            ),
            &content[from..],
        ),
        None => answer("200 OK", &own, content),
    }
}

/// A web server; it ends with the test's process.
pub struct Web {
    pub port: u16,
    /// Method, path and headers of what was asked.
    pub asked: Arc<Mutex<Vec<Request>>>,
}

impl Web {
    pub fn start(answers: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static) -> Self {
        Self::with(None, answers)
    }

    pub fn tls(
        authority: &Authority,
        answers: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::with(Some(Arc::clone(&authority.server)), answers)
    }

    fn with(
        tls: Option<Arc<ServerConfig>>,
        answers: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away ends its connection only.
                let _ = match &tls {
                    None => serve(stream, &list, &answers),
                    Some(config) => {
                        let connection = ServerConnection::new(Arc::clone(config)).unwrap();
                        serve(StreamOwned::new(connection, stream), &list, &answers)
                    }
                };
            }
        });
        Self { port, asked }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// How often it was asked with this method.
    pub fn count(&self, method: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .filter(|request| request.method == method)
            .count()
    }
}

fn serve<S: Read + Write>(
    stream: S,
    list: &Mutex<Vec<Request>>,
    answers: &impl Fn(usize, &Request) -> Answer,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        lines.push(line);
    }
    let Some(first) = lines.first() else {
        return Ok(());
    };
    let mut words = first.split(' ').map(str::to_owned);
    let mut request = Request {
        method: words.next().unwrap_or_default(),
        path: words.next().unwrap_or_default(),
        headers: lines[1..]
            .iter()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect(),
        body: Vec::new(),
    };
    let length = request.header("content-length");
    request.body = vec![0; length.and_then(|text| text.parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut request.body)?;
    let number = list.lock().unwrap().len();
    let answer = answers(number, &request);
    let head = request.method == "HEAD";
    list.lock().unwrap().push(request);
    let stream = reader.get_mut();
    write!(stream, "{}Connection: close\r\n\r\n", answer.head)?;
    if !head {
        stream.write_all(&answer.body)?;
    }
    stream.flush()
}

/// An authority that nobody knows, and a server that it vouches for.
pub struct Authority {
    /// Its certificate, in PEM.
    pub certificate: String,
    server: Arc<ServerConfig>,
}

impl Authority {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let openssl = |arguments: &str| {
            let mut command = Command::new("openssl");
            command
                .args(arguments.split(' '))
                .current_dir(folder.path());
            let output = command.output().expect("openssl is there");
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        openssl(&format!(
            "req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=test-authority"
        ));
        openssl(&format!(
            "req {key} -keyout own.key -out own.csr -subj /CN=127.0.0.1"
        ));
        std::fs::write(folder.path().join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
        openssl(
            "x509 -req -in own.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out own.pem -days 2 -extfile names",
        );
        let _ = rustls::crypto::ring::default_provider().install_default();
        let certificate = CertificateDer::from_pem_file(folder.path().join("own.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(folder.path().join("own.key")).unwrap();
        let server = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        Self {
            certificate: std::fs::read_to_string(folder.path().join("ca.pem")).unwrap(),
            server: Arc::new(server),
        }
    }

    /// Writes the certificate where a scenario names it.
    pub fn write(&self, path: &Path) {
        std::fs::write(path, &self.certificate).unwrap();
    }
}
