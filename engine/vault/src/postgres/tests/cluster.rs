//! A throw-away PostgreSQL for these tests: its own folder and port, gone at the end. It fails, and does
//! not skip, when there is no server to run.

use crate::postgres::{AdminLogin, SideLogin, SideTls};
use crate::secrets::Source;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const SUPERUSER_PASSWORD: &str = "Qz8-superuser-0F4kW7mX2vB9";
const GATEWAY_PASSWORD: &str = "Tr5-gateway-L3nC8pY6hD1jS0";

pub(super) struct Cluster {
    server: Child,
    pub(super) port: u16,
    folder: TempDir,
    certificate: rustls::pki_types::CertificateDer<'static>,
}

impl Cluster {
    /// Starts one with TLS, SCRAM, every statement logged, a table and some roles.
    pub(super) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let password = folder.path().join("password");
        std::fs::write(&password, SUPERUSER_PASSWORD).unwrap();
        std::fs::write(folder.path().join("gateway"), GATEWAY_PASSWORD).unwrap();
        own(folder.path());
        own(&password);
        let made = command("initdb")
            .args(["-U", "postgres", "--auth=scram-sha-256", "--no-sync", "-D"])
            .arg(&data)
            .arg(format!("--pwfile={}", password.display()))
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success(), "initdb failed");
        let certificate = certificate(&data);
        let port = free_port();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let server = command("postgres")
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-k"])
            .arg(folder.path())
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
            .args(["-c", "log_statement=all", "-c", "ssl=on"])
            .stderr(log)
            .spawn()
            .unwrap();
        let cluster = Self {
            server,
            port,
            folder,
            certificate,
        };
        cluster.until_ready().await;
        cluster
            .sql(&format!(
                "CREATE ROLE gateway LOGIN CREATEROLE PASSWORD '{GATEWAY_PASSWORD}';
                 CREATE ROLE app_rw; CREATE ROLE app_ro; CREATE ROLE boss SUPERUSER;
                 ALTER ROLE app_rw SET statement_timeout = '7s';
                 ALTER ROLE app_rw SET search_path = \"$user\", public;
                 ALTER ROLE app_rw IN DATABASE postgres SET work_mem = '5MB';
                 ALTER ROLE app_rw SET log_min_duration_statement = '1s';
                 CREATE TABLE users (id int, email text, gone text, ssn text);
                 ALTER TABLE users DROP COLUMN gone;
                 INSERT INTO users VALUES (1, 'ana@example.com', '078-05-1120');
                 GRANT SELECT, INSERT ON users TO app_rw; GRANT SELECT ON users TO app_ro;
                 GRANT CREATE ON SCHEMA public TO app_rw;"
            ))
            .await;
        if cluster
            .count("SELECT current_setting('server_version_num')::int8")
            .await
            >= 160_000
        {
            // From 16 on, CREATEROLE alone does not hand out other roles.
            let grant = "GRANT app_rw, app_ro TO gateway WITH ADMIN TRUE, INHERIT FALSE, SET FALSE";
            cluster.sql(grant).await;
        }
        cluster
    }

    pub(super) fn admin(&self) -> AdminLogin {
        AdminLogin {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            database: "postgres".to_owned(),
            login: SideLogin::Fixed {
                user: "gateway".to_owned(),
                password: Source::of_file(&self.folder.path().join("gateway")),
            },
            tls: SideTls::Require(self.tls()),
        }
    }

    pub(super) fn tls(&self) -> Arc<rustls::ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }

    /// Runs SQL as the superuser.
    pub(super) async fn sql(&self, text: &str) {
        self.superuser()
            .await
            .unwrap()
            .batch_execute(text)
            .await
            .unwrap();
    }

    /// One number, as the superuser.
    pub(super) async fn count(&self, query: &str) -> i64 {
        let client = self.superuser().await.unwrap();
        client.query_one(query, &[]).await.unwrap().get(0)
    }

    /// One text, as the superuser.
    pub(super) async fn text(&self, query: &str) -> String {
        let client = self.superuser().await.unwrap();
        client.query_one(query, &[]).await.unwrap().get(0)
    }

    /// Everything the server has logged.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    pub(super) async fn superuser(&self) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::Config::new()
            .host("127.0.0.1")
            .port(self.port)
            .user("postgres")
            .password(SUPERUSER_PASSWORD)
            .dbname("postgres")
            .connect(tokio_postgres::NoTls)
            .await?;
        tokio::spawn(connection);
        Ok(client)
    }

    async fn until_ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.superuser().await.is_err() {
            assert!(
                Instant::now() < deadline,
                "PostgreSQL did not start: {}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SIGQUIT: at once. The folder goes with it.
        let id = self.server.id().to_string();
        let _ = Command::new("kill").args(["-QUIT", &id]).status();
        let _ = self.server.wait();
    }
}

/// Of the server in `PORTCULLIS_TEST_POSTGRES`, else the newest installed, else the one on the path.
fn binary(name: &str) -> PathBuf {
    if let Some(folder) = std::env::var_os("PORTCULLIS_TEST_POSTGRES") {
        return PathBuf::from(folder).join(name);
    }
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin").join(name))
        .filter(|path| path.exists())
        .collect();
    versions.sort();
    versions.pop().unwrap_or_else(|| name.into())
}

fn is_root() -> bool {
    id(&["-u"]) == Some(0)
}

fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// PostgreSQL refuses to run as root.
fn command(name: &str) -> Command {
    let mut command = match is_root() {
        false => Command::new(binary(name)),
        true => {
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
                .arg(binary(name));
            command
        }
    };
    command.current_dir("/");
    command
}

fn own(path: &Path) {
    if is_root() {
        chown(path, id(&["-u", "postgres"]), id(&["-g", "postgres"])).unwrap();
    }
}

/// A self-signed certificate for 127.0.0.1, installed in the data folder.
fn certificate(data: &Path) -> rustls::pki_types::CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let (crt, key) = (data.join("server.crt"), data.join("server.key"));
    std::fs::write(&crt, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    own(&crt);
    own(&key);
    made.cert.der().clone()
}

/// A free port below the range that the kernel gives to outgoing connections, never twice in a process.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = u16::try_from(std::process::id() % 3000).unwrap();
    std::iter::repeat_with(|| 8000 + (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % 3000)
        .take(3000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}
