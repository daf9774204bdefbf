//! People who come with a certificate: psql, ssh and kubectl as `portcullis setup` sets them up, without a password and
//! without a token; and everything that looks like such a certificate and is none.

use crate::company::Company;
use anyhow::{Context, Result, ensure};
use portcullis_tests::kubernetes::{ApiServer, certificate};
use portcullis_tests::process::{free_port, run};
use portcullis_tests::{Host, Scratch, Shown, WorldOptions, host};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const DATA: &str = "\
access:
  groups:
    engineers: [people]
  bindings:
    people: {protocols: [postgres, ssh, kubernetes], labels: {env: prod}}
";

const PACKS: &str = "    - builtin: access\n    - builtin: mask_pii\n    - builtin: approve\n";

const PLUGINS: &str = "  - builtin: mask-secrets
  - builtin: mask-pii
  - builtin: classify-sql
  - builtin: classify-shell
  - builtin: classify-kubernetes
";

/// A connection to the cluster; two of them lead to the same.
fn cluster(name: &str, at: &Path, port: u16) -> String {
    format!(
        "  - name: {name}
    protocol: kubernetes
    labels: {{ env: prod }}
    host: localhost
    port: {port}
    tls: verify-full
    ca: {}/api.crt
    credential:
      cluster: {{ token: \"env:PROD_TOKEN\", impersonate: {{}} }}
",
        at.display()
    )
}

/// A company with a database, a host and a cluster, that certifies its people.
struct Place {
    company: Company,
    host: Host,
    api: ApiServer,
    ssh: u16,
    kubernetes: u16,
    folder: Scratch,
}

impl Place {
    fn new() -> Result<Self> {
        Self::certifying("30m")
    }

    /// Certificates are good for so long.
    fn certifying(ttl: &str) -> Result<Self> {
        let folder = Scratch::new("certificates")?;
        let at = folder.path().to_owned();
        let host = Host::start()?;
        fs::write(at.join("known_hosts"), host.known()?)?;
        certificate(&at, "api")?;
        let api = ApiServer::start(&at, &at.join("api.crt"), &at.join("api.key"))?;
        host::keygen(&at.join("host_ca"))?;
        host::keygen(&at.join("gateway_host"))?;
        sign(&at, "host_ca", "gateway_host", &["-h", "-n", "127.0.0.1"])?;
        let (ssh, kubernetes) = (free_port()?, free_port()?);
        let (here, login) = (at.display(), &host.login);
        let listeners = format!(
            "  - protocol: ssh
    address: 127.0.0.1:{ssh}
    host_keys: [{here}/gateway_host]
    host_certificates: [{here}/gateway_host-cert.pub]
  - protocol: kubernetes
    address: 127.0.0.1:{kubernetes}
    tls: {{ certificate: {{at}}/tls.crt, key: {{at}}/tls.key }}
"
        );
        let connections = format!(
            "  - name: web-1
    protocol: ssh
    labels: {{ env: prod }}
    host: 127.0.0.1
    port: {}
    host_keys: {{ known_hosts: {here}/known_hosts }}
    credential:
      certificate: {{ user: {login}, authority: \"file:{}\" }}
{}{}",
            host.port,
            host.authority().display(),
            cluster("prod", &at, api.port),
            cluster("spare", &at, api.port)
        );
        let options = WorldOptions {
            listeners,
            connections,
            packs: PACKS.to_owned(),
            data: DATA.to_owned(),
            plugins: PLUGINS.to_owned(),
            environment: vec![("PROD_TOKEN".to_owned(), api.token.clone())],
            ..WorldOptions::default()
        };
        let login = format!("  certificates: {{ ttl: {ttl} }}\n");
        let company = Company::with("1h", &login, options)?;
        Ok(Self {
            company,
            host,
            api,
            ssh,
            kubernetes,
            folder,
        })
    }

    /// Everything that `setup` writes.
    fn set_up(&self) -> Result<()> {
        let ca = self.company.world.certificate().display().to_string();
        let port = self.company.world.gateway.port.to_string();
        let server = format!("https://localhost:{}", self.kubernetes);
        let authority = self.folder.path().join("host_ca.pub").display().to_string();
        let ssh = self.ssh.to_string();
        for arguments in [
            &[
                "psql",
                "--host",
                "localhost",
                "--port",
                &port,
                "--ca",
                &ca,
                "--target",
                "orders",
            ][..],
            &[
                "kubectl", "--server", &server, "--ca", &ca, "--target", "prod", "--target",
                "spare",
            ],
            &[
                "ssh",
                "--host",
                "127.0.0.1",
                "--port",
                &ssh,
                "--host-authority",
                &authority,
            ],
        ] {
            let arguments = [&["setup"], arguments].concat();
            let shown = self.company.run(&arguments)?;
            ensure!(shown.code == 0, "{arguments:?}: {}", shown.all());
        }
        Ok(())
    }

    /// psql with a certificate and nothing else; `-w` never asks for a password.
    fn psql(&self, files: &Path, sql: &str) -> Result<Command> {
        let mut psql = Command::new("psql");
        let dsn = format!(
            "{} sslcert={} sslkey={}",
            self.company.world.dsn("anybody", "orders"),
            files.join("person.crt").display(),
            files.join("person.key").display()
        );
        psql.args(["-X", "-w", &dsn, "-c", sql])
            .env("HOME", self.folder.path())
            .env_remove("PGPASSWORD");
        Ok(psql)
    }

    /// ssh with a key and its certificate and nothing else.
    fn ssh(&self, key: &Path, certificate: &Path) -> Result<Shown> {
        let mut ssh = self.ssh_for(key, certificate, "echo let in")?;
        Shown::by(&mut ssh).context("run ssh")
    }

    fn ssh_for(&self, key: &Path, certificate: &Path, command: &str) -> Result<Command> {
        let authority = fs::read_to_string(self.folder.path().join("host_ca.pub"))?;
        let known = self.folder.path().join("known_gateway");
        fs::write(&known, format!("@cert-authority * {authority}"))?;
        let mut ssh = host::client(&known, self.ssh);
        ssh.args(["-o", "BatchMode=yes", "-i"])
            .arg(key)
            .arg("-o")
            .arg(format!("CertificateFile={}", certificate.display()))
            .arg(format!("{}@web-1@127.0.0.1", self.host.login))
            .arg(command);
        Ok(ssh)
    }

    fn kubectl(&self, files: &Path) -> Result<Shown> {
        let mut kubectl = self.kubectl_for(files, &["get", "pods", "-n", "shop"]);
        Shown::by(&mut kubectl).context("run kubectl")
    }

    fn kubectl_for(&self, files: &Path, arguments: &[&str]) -> Command {
        let mut kubectl = Command::new("kubectl");
        kubectl
            .arg(format!(
                "--server=https://localhost:{}/prod",
                self.kubernetes
            ))
            .arg(format!(
                "--certificate-authority={}",
                self.company.world.certificate().display()
            ))
            .arg(format!(
                "--client-certificate={}",
                files.join("person.crt").display()
            ))
            .arg(format!(
                "--client-key={}",
                files.join("person.key").display()
            ))
            .args(arguments)
            .env("HOME", self.folder.path())
            .env("KUBECONFIG", "/dev/null");
        kubectl
    }

    fn log(&self) -> String {
        self.company.world.gateway.log()
    }
}

/// `ssh-keygen -s`: certifies `NAME.pub`.
fn sign(folder: &Path, authority: &str, name: &str, more: &[&str]) -> Result<PathBuf> {
    run(Command::new("ssh-keygen")
        .args(["-q", "-s"])
        .arg(folder.join(authority))
        .args(["-I", "test", "-V", "-1m:+1h"])
        .args(more)
        .arg(folder.join(format!("{name}.pub"))))?;
    Ok(folder.join(format!("{name}-cert.pub")))
}

/// A copy of the files of somebody's login, as a thief has it.
fn stolen(home: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for name in [
        "person.key",
        "person.crt",
        "id_portcullis",
        "id_portcullis-cert.pub",
    ] {
        run(Command::new("cp").arg("-p").arg(home.join(name)).arg(to))?;
    }
    Ok(())
}

/// A client that lasts, ended with whoever has it.
struct Lasting(Child);

impl Lasting {
    fn goes_on(&mut self) -> Result<bool> {
        Ok(self.0.try_wait()?.is_none())
    }
}

impl Drop for Lasting {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _waited = self.0.wait();
    }
}

fn ended(mut client: Lasting) -> Result<Duration> {
    let began = Instant::now();
    while client.goes_on()? {
        ensure!(began.elapsed() < Duration::from_secs(20), "it goes on");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(began.elapsed())
}

/// A session of a certificate that stays open.
fn linger(place: &Place, files: &Path) -> Result<Lasting> {
    let client = place
        .psql(files, "SELECT pg_sleep(60)")?
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map(Lasting)?;
    let running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' \
                   AND state = 'active' AND usename LIKE 'pc\\_%'";
    let until = Instant::now() + Duration::from_secs(60);
    while place.company.world.cluster.sql("postgres", running)?.trim() != "1" {
        ensure!(Instant::now() < until, "no session lasts\n{}", place.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(client)
}

/// A command on the host that lasts; it has begun.
fn command_that_lasts(place: &Place, files: &Path) -> Result<Lasting> {
    let (key, certificate) = (
        files.join("id_portcullis"),
        files.join("id_portcullis-cert.pub"),
    );
    let mut client = place
        .ssh_for(&key, &certificate, "echo let in; sleep 60")?
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map(Lasting)?;
    let mut line = String::new();
    let output = client.0.stdout.as_mut().context("an output")?;
    BufReader::new(output).read_line(&mut line)?;
    ensure!(line == "let in\n", "{line}\n{}", place.log());
    Ok(client)
}

/// Pods that are watched; the cluster has been asked to tell of every change.
fn watch_that_lasts(place: &Place, files: &Path) -> Result<Lasting> {
    let mut client = place
        .kubectl_for(files, &["get", "pods", "-n", "shop", "-w"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map(Lasting)?;
    let until = Instant::now() + Duration::from_secs(60);
    let watched = |seen: &[serde_json::Value]| {
        let mut targets = seen.iter().filter_map(|r| r["target"].as_str());
        targets.any(|t| t.contains("/pods") && t.contains("watch=true"))
    };
    while !watched(&place.api.requests()?) {
        ensure!(client.goes_on()?, "it ends\n{}", place.log());
        ensure!(Instant::now() < until, "nothing lasts\n{}", place.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(client)
}

/// With what was copied, before anybody has left: it is as good as the files themselves.
fn as_good_as_the_files(place: &Place, files: &Path) -> Result<()> {
    let shown = Shown::by(&mut place.psql(files, "SELECT 1 AS one")?)?;
    ensure!(shown.code == 0 && shown.shows("one"), "{}", shown.all());
    let shown = place.ssh(
        &files.join("id_portcullis"),
        &files.join("id_portcullis-cert.pub"),
    )?;
    ensure!(shown.code == 0 && shown.shows("let in"), "{}", shown.all());
    let shown = place.kubectl(files)?;
    ensure!(shown.code == 0 && shown.shows("cart-0"), "{}", shown.all());
    Ok(())
}

/// What `setup` has written, and nothing else.
fn served_by_files(place: &Place) -> Result<()> {
    psql_by_files(place)?;
    ssh_by_files(place)?;
    kubectl_by_files(place)?;
    let seen = place.api.requests()?;
    let seen = serde_json::to_string(&seen)?;
    ensure!(seen.contains("portcullis:corp:ana"), "{seen}");
    Ok(())
}

fn psql_by_files(place: &Place) -> Result<()> {
    let mut psql = Command::new("psql");
    psql.args(["-X", "-w", "service=orders", "-c", "SELECT 1 AS one"])
        .env("PGSERVICEFILE", place.company.home.join("pg_service.conf"))
        .env_remove("PGPASSWORD");
    let shown = Shown::by(&mut psql)?;
    ensure!(
        shown.code == 0 && shown.shows("one"),
        "{}\n{}",
        shown.all(),
        place.log()
    );
    Ok(())
}

fn ssh_by_files(place: &Place) -> Result<()> {
    let home = &place.company.home;
    let mut ssh = Command::new("ssh");
    ssh.arg("-F")
        .arg(home.join("ssh_config"))
        .args([
            "-o",
            "BatchMode=yes",
            "-o",
            "GlobalKnownHostsFile=/dev/null",
        ])
        .arg(format!("{}@web-1@127.0.0.1", place.host.login))
        .arg("echo let in")
        .env("PORTCULLIS_HOME", home)
        .env_remove("SSH_AUTH_SOCK");
    let shown = Shown::by(&mut ssh)?;
    ensure!(
        shown.code == 0 && shown.shows("let in"),
        "{}\n{}",
        shown.all(),
        place.log()
    );
    Ok(())
}

/// A context for each target, and the first of them is the one that is used.
fn kubectl_by_files(place: &Place) -> Result<()> {
    let home = &place.company.home;
    let kubectl = |arguments: &[&str]| -> Result<Shown> {
        let mut kubectl = Command::new("kubectl");
        kubectl
            .args(arguments)
            .env("HOME", place.folder.path())
            .env("KUBECONFIG", home.join("kubeconfig"))
            .env("PORTCULLIS_HOME", home);
        Ok(Shown::by(&mut kubectl)?)
    };
    let contexts = kubectl(&["config", "get-contexts", "-o", "name"])?;
    let mut names: Vec<&str> = contexts.out.lines().collect();
    names.sort_unstable();
    ensure!(
        names == ["portcullis-prod", "portcullis-spare"],
        "{contexts:?}"
    );
    let current = kubectl(&["config", "current-context"])?;
    ensure!(current.out.trim() == "portcullis-prod", "{current:?}");
    for (name, at) in [("portcullis-prod", "prod"), ("portcullis-spare", "spare")] {
        let server = kubectl(&[
            "config",
            "view",
            "--minify",
            "--context",
            name,
            "-o",
            "jsonpath={.clusters[0].cluster.server}",
        ])?;
        ensure!(
            server.out.ends_with(&format!("/{at}")),
            "{name}: {server:?}"
        );
        let shown = kubectl(&["get", "pods", "-n", "shop", "--context", name])?;
        ensure!(
            shown.code == 0 && shown.shows("cart-0"),
            "{name}: {}\n{}",
            shown.all(),
            place.log()
        );
    }
    Ok(())
}

#[test]
fn psql_ssh_and_kubectl_come_with_certificates_until_the_login_is_over() -> Result<()> {
    let place = Place::new()?;
    let (company, home) = (&place.company, &place.company.home);
    let (said, _) = company.log_in(&["login", "--no-open"])?;
    ensure!(said.contains("certified"), "{said}");
    place.set_up()?;

    served_by_files(&place)?;

    // The login is over, and so is everything that was certified for it, wherever it is.
    let thief = place.folder.path().join("thief");
    stolen(home, &thief)?;
    as_good_as_the_files(&place, &thief)?;
    let mut open = [
        ("psql", linger(&place, &thief)?),
        ("ssh", command_that_lasts(&place, &thief)?),
        ("kubectl", watch_that_lasts(&place, &thief)?),
    ];
    for (name, session) in &mut open {
        ensure!(session.goes_on()?, "{name} has ended");
    }
    let out = company.run(&["logout"])?;
    ensure!(out.code == 0, "{}", out.all());
    let began = Instant::now();
    for (name, session) in open {
        ended(session)?;
        // A second by itself; the clients have to be given the time to notice, on a machine that may be busy. Unended
        // they would go on for a minute.
        let took = began.elapsed();
        ensure!(took < Duration::from_secs(5), "{name}: {took:?}");
    }
    ensure!(!home.join("person.key").exists(), "the key is gone");
    let shown = Shown::by(&mut place.psql(&thief, "SELECT 1")?)?;
    ensure!(
        shown.code != 0 && shown.shows("identity/revoked"),
        "{}",
        shown.all()
    );
    let shown = place.ssh(
        &thief.join("id_portcullis"),
        &thief.join("id_portcullis-cert.pub"),
    )?;
    ensure!(
        shown.code == 255 && !shown.shows("let in"),
        "{}",
        shown.all()
    );
    let shown = place.kubectl(&thief)?;
    ensure!(shown.code != 0 && !shown.shows("cart-0"), "{}", shown.all());
    Ok(())
}

#[test]
fn what_looks_like_a_certificate_of_the_gateways_is_none() -> Result<()> {
    let place = Place::new()?;
    let company = &place.company;
    company.log_in(&["login", "--no-open"])?;
    let token = company.token()?;
    let at = place.folder.path();

    // An authority that calls itself as ours does, and one that does not.
    for (name, authority, says) in [
        (
            "forged",
            "Portcullis people 00000000",
            Some("identity/certificate"),
        ),
        ("other", "Somebody else", None),
    ] {
        let files = at.join(name);
        fs::create_dir_all(&files)?;
        run(Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2"])
            .args(["-subj", &format!("/CN={authority}")])
            .arg("-keyout")
            .arg(files.join("person.key"))
            .arg("-out")
            .arg(files.join("person.crt")))?;
        let shown = Shown::by(&mut place.psql(&files, "SELECT 1 AS one")?)?;
        ensure!(shown.code != 0, "{}", shown.all());
        ensure!(says.is_none_or(|rule| shown.shows(rule)), "{}", shown.all());
        ensure!(place.kubectl(&files)?.code != 0, "{name}");
        // What a client happens to have is in nobody's way.
        let mut with_token = place.psql(&files, "SELECT 1 AS one")?;
        let shown = Shown::by(with_token.env("PGPASSWORD", &token))?;
        ensure!(
            (shown.code == 0) == says.is_none(),
            "{name}: {}",
            shown.all()
        );
    }

    no_other_key_or_certificate(&place)
}

/// Of SSH.
fn no_other_key_or_certificate(place: &Place) -> Result<()> {
    let (home, at) = (&place.company.home, place.folder.path());
    // The right key with a certificate of another authority, and with one for a host; a key without any.
    let key = home.join("id_portcullis");
    let good = place.ssh(&key, &home.join("id_portcullis-cert.pub"))?;
    ensure!(
        good.code == 0 && good.shows("let in"),
        "{}\n{}",
        good.all(),
        place.log()
    );
    host::keygen(&at.join("other_ca"))?;
    run(Command::new("cp").arg("-p").arg(&key).arg(at.join("key")))?;
    run(Command::new("cp")
        .arg(key.with_extension("pub"))
        .arg(at.join("key.pub")))?;
    for more in [&["-n", "portcullis"][..], &["-h", "-n", "portcullis"], &[]] {
        let forged = sign(at, "other_ca", "key", more)?;
        let shown = place.ssh(&at.join("key"), &forged)?;
        ensure!(
            shown.code == 255 && !shown.shows("let in"),
            "{more:?}: {}",
            shown.all()
        );
    }
    fs::remove_file(at.join("key-cert.pub"))?;
    let shown = place.ssh(&at.join("key"), Path::new("/dev/null"))?;
    ensure!(
        shown.code == 255 && !shown.shows("let in"),
        "{}",
        shown.all()
    );
    // Our certificate with a key that is not its own.
    let shown = place.ssh(&at.join("other_ca"), &home.join("id_portcullis-cert.pub"))?;
    ensure!(
        shown.code == 255 && !shown.shows("let in"),
        "{}",
        shown.all()
    );
    Ok(())
}

#[test]
fn who_signed_last_is_who_comes() -> Result<()> {
    let place = Place::new()?;
    let (company, home) = (&place.company, &place.company.home);
    let at = place.folder.path();
    company.log_in(&["login", "--no-open"])?;
    // Somebody else logs in, and has only seen the first one's certificate.
    let first = at.join("anas-home");
    fs::rename(home, &first)?;
    let others = first.join("id_portcullis-cert.pub");
    company.provider.control("user=bea")?;
    company.log_in(&["login", "--no-open"])?;
    let mut python = Command::new(crate::ssh_tools::python()?);
    python
        .arg(crate::ssh_tools::suite("signed_last.py"))
        .arg(place.ssh.to_string())
        .arg(format!("{}@web-1", place.host.login))
        .arg(home.join("id_portcullis"))
        .arg(home.join("id_portcullis-cert.pub"))
        .arg(&others);
    let shown = Shown::by(&mut python)?;
    ensure!(
        shown.out
            == "another's certificate with my key False
another's certificate with a signature for mine False
mine shown, another's signed False
another's shown, mine signed True
in
",
        "{}\n{}",
        shown.all(),
        place.log()
    );
    let list = company
        .world
        .gateway
        .admin(&["sessions", "list", "--recorded"])?;
    ensure!(
        list.out.contains("bea") && !list.out.contains("ana"),
        "{}",
        list.all()
    );
    Ok(())
}

#[test]
fn certificates_that_are_over_are_renewed_by_whoever_reads_them() -> Result<()> {
    // Longer than a busy machine takes to show that they are good.
    let place = Place::certifying("90s")?;
    let (company, home) = (&place.company, &place.company.home);
    company.log_in(&["login", "--no-open"])?;
    place.set_up()?;
    let old = place.folder.path().join("old");
    stolen(home, &old)?;
    let over = Instant::now() + Duration::from_secs(91);
    as_good_as_the_files(&place, &old)?;
    std::thread::sleep(over.saturating_duration_since(Instant::now()));

    // What was there is over by now, for whoever has nothing else.
    let shown = Shown::by(&mut place.psql(&old, "SELECT 1")?)?;
    ensure!(
        shown.code != 0 && shown.shows("identity/expired"),
        "{}",
        shown.all()
    );
    let shown = place.ssh(
        &old.join("id_portcullis"),
        &old.join("id_portcullis-cert.pub"),
    )?;
    ensure!(
        shown.code == 255 && !shown.shows("let in"),
        "{}",
        shown.all()
    );
    let shown = place.kubectl(&old)?;
    ensure!(shown.code != 0, "{}", shown.all());

    // ssh and kubectl have them renewed before they read them; libpq runs nothing, and finds what they have renewed.
    ssh_by_files(&place)?;
    kubectl_by_files(&place)?;
    psql_by_files(&place)?;
    for name in ["person.crt", "id_portcullis-cert.pub"] {
        ensure!(
            fs::read(home.join(name))? != fs::read(old.join(name))?,
            "{name} is the same"
        );
    }
    ensure!(
        fs::read(home.join("person.key"))? == fs::read(old.join("person.key"))?,
        "the key stays"
    );
    Ok(())
}
