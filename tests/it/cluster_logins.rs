//! Who the gateway is in a cluster: a token of a ServiceAccount that is made for each session, and a client certificate.
//! The stand-in takes nothing else there, and says what it was shown.

use anyhow::{Context, Result, ensure};
use portcullis_tests::gateway::{Gateway, program};
use portcullis_tests::issuer::{AGENT, ANA, Issuer, Person};
use portcullis_tests::kubernetes::{ApiServer, certificate};
use portcullis_tests::process::{free_port, run};
use portcullis_tests::psql::Shown;
use portcullis_tests::scratch::{Scratch, private};
use portcullis_tests::world::workspace;
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// People come as the account that is configured, agents as one of their own.
const DATA: &str = "
access:
  groups:
    data-agents: [shop-agents]
    engineers: [shop-people]
  bindings:
    shop-agents: {kinds: [agent], protocols: [kubernetes], labels: {app: shop}, role: reader}
    shop-people: {protocols: [kubernetes], labels: {app: shop}}
config:
  commands: {admin_groups: [engineers]}
";

/// How long a token of the stand-in is good for: renewed a second before that.
const TOKEN_SECONDS: u64 = 6;

struct World {
    gateway: Gateway,
    issuer: Issuer,
    api: ApiServer,
    folder: Scratch,
}

impl World {
    /// With a stand-in that wants this, and this of `credential.cluster` in the configuration, for targets `prod` and
    /// `other`.
    fn start(
        name: &str,
        settings: &dyn Fn(&Path) -> Vec<(&'static str, String)>,
        clusters: [&str; 2],
    ) -> Result<Self> {
        let folder = Scratch::new(name)?;
        let at = folder.path();
        certificate(at, "tls")?;
        certificate(at, "api")?;
        let settings = settings(at);
        let settings: Vec<(&str, &str)> = settings
            .iter()
            .map(|(key, value)| (*key, value.as_str()))
            .collect();
        let api = ApiServer::start_with(at, &at.join("api.crt"), &at.join("api.key"), &settings)?;
        let profile = std::env::var("PORTCULLIS_PROFILE").unwrap_or_else(|_| "debug".to_owned());
        let binary = program(&workspace(), &profile)?;
        let issuer = Issuer::start(&binary, at)?;
        private(&at.join("own"), &api.token)?;
        fs::write(at.join("data.yaml"), DATA)?;
        let (port, metrics) = (free_port()?, free_port()?);
        let config = at.join("portcullis.yaml");
        fs::write(&config, written(&api, &issuer, port, metrics, clusters))?;
        let gateway = Gateway::start(&binary, &config, port, metrics, &[])?;
        Ok(Self {
            gateway,
            issuer,
            api,
            folder,
        })
    }

    fn kubectl(&self, who: &Person, target: &str, arguments: &[&str]) -> Result<Shown> {
        let mut command = Command::new("kubectl");
        command
            .arg(format!(
                "--server=https://localhost:{}/{target}",
                self.gateway.port
            ))
            .arg(format!(
                "--certificate-authority={}",
                self.folder.path().join("tls.crt").display()
            ))
            .arg(format!("--token={}", self.issuer.token(who)?))
            .args(arguments)
            .env("HOME", self.folder.path())
            .env("KUBECONFIG", "/dev/null");
        Shown::by(&mut command).context("run kubectl")
    }

    /// What the stand-in was shown with the requests whose line begins like this.
    fn shown(&self, beginning: &str) -> Result<Vec<(Option<String>, Option<String>)>> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let requests = self.api.requests()?;
        let line = |r: &Value| {
            format!(
                "{} {}",
                r["method"].as_str().unwrap_or_default(),
                r["target"].as_str().unwrap_or_default()
            )
        };
        let bearer = |r: &Value| {
            let headers = r["headers"].as_array()?;
            let found = headers.iter().find(|h| h[0] == "authorization")?;
            text(&found[1])
        };
        Ok(requests
            .iter()
            .filter(|r| line(r).starts_with(beginning))
            .map(|r| (bearer(r), text(&r["client"])))
            .collect())
    }

    fn check(&self) -> Result<Shown> {
        let mut command = self.gateway.command(&["check"]);
        Shown::by(
            command
                .arg("--config")
                .arg(self.folder.path().join("portcullis.yaml")),
        )
        .context("run check")
    }
}

fn written(
    api: &ApiServer,
    issuer: &Issuer,
    port: u16,
    metrics: u16,
    clusters: [&str; 2],
) -> String {
    let connection = |name: &str, cluster: &str| {
        format!(
            "  - name: {name}
    protocol: kubernetes
    labels: {{ app: shop }}
    host: localhost
    port: {}
    tls: verify-full
    ca: api.crt
    credential:
      cluster: {cluster}
",
            api.port
        )
    };
    let [prod, other] =
        [("prod", clusters[0]), ("other", clusters[1])].map(|(n, c)| connection(n, c));
    format!(
        "node: world
state_dir: state
listeners:
  - protocol: kubernetes
    address: 127.0.0.1:{port}
    tls: {{ certificate: tls.crt, key: tls.key }}
issuers:
  - name: dev
    issuer: {}
    audiences: [portcullis]
    algorithms: [ES256]
    kind: {{ claim: kind }}
    groups_claim: groups
connections:
{prod}{other}policies:
  packs:
    - builtin: access
  data: data.yaml
plugins:
  - builtin: classify-kubernetes
admin:
  socket: admin.sock
  metrics: 127.0.0.1:{metrics}
",
        issuer.url()
    )
}

const MADE: &str = "POST /api/v1/namespaces/gates/serviceaccounts";

fn minting() -> Result<World> {
    World::start(
        "cluster-tokens",
        &|at| {
            let stops = at.join("stops").display().to_string();
            vec![
                ("API_MINT_SECONDS", TOKEN_SECONDS.to_string()),
                ("API_MINT_STOPS", stops),
            ]
        },
        [
            "{ token: file:own, service_account: { namespace: gates, name: people } }",
            "{ token: file:own, service_account: { namespace: gates, name: nobody } }",
        ],
    )
}

#[test]
fn every_session_has_a_token_that_the_cluster_made_for_it() -> Result<()> {
    let world = minting()?;
    let own = format!("Bearer {}", world.api.token);
    for (who, account) in [(&ANA, "people"), (&ANA, "people"), (&AGENT, "reader")] {
        let before = world.shown(&format!("{MADE}/{account}/token"))?.len();
        let pods = world.kubectl(who, "prod", &["get", "pods", "-n", "shop"])?;
        ensure!(pods.code == 0 && pods.shows("cart-0"), "{}", pods.all());
        let made = world.shown(&format!("{MADE}/{account}/token"))?;
        ensure!(made.len() > before, "no token was made for {account}");
        ensure!(
            made.iter().all(|(bearer, _)| bearer.as_ref() == Some(&own)),
            "{made:?}"
        );
    }
    let read = world.shown("GET ")?;
    ensure!(!read.is_empty(), "nothing was read");
    let bearers: Vec<_> = read.into_iter().filter_map(|(bearer, _)| bearer).collect();
    ensure!(
        !bearers.contains(&own),
        "the gateway's own token did more than make others"
    );
    let mut different = bearers.clone();
    different.sort();
    different.dedup();
    ensure!(
        different.len() >= 3,
        "sessions share tokens: {}",
        different.len()
    );

    // A pod that prints what it was shown: the client sees a mask, and nothing stands on record or in the log.
    let log = "/prod/api/v1/namespaces/shop/pods/mirror/log";
    let mirror = world.kubectl(&ANA, "prod", &["get", "--raw", log])?;
    ensure!(mirror.shows("shown: Bearer "), "{}", mirror.all());
    let seen = world.shown("GET /api/v1/namespaces/shop/pods/mirror/log")?;
    let seen = seen.into_iter().filter_map(|(bearer, _)| bearer);
    let secrets: Vec<String> = seen.chain(bearers).chain([own]).collect();
    for secret in &secrets {
        let secret = secret.trim_start_matches("Bearer ");
        ensure!(
            !mirror.shows(secret),
            "the client sees a token: {}",
            mirror.all()
        );
        ensure!(
            !world.gateway.log().contains(secret),
            "a token is in the log"
        );
        nowhere(&world.gateway.state(), secret.as_bytes())?;
    }

    let refused = world.pods("other")?;
    ensure!(
        refused.code == 1 && refused.shows("cannot get its credential"),
        "{}",
        refused.all()
    );
    ensure!(
        world.gateway.log().contains("serviceaccounts/gates/nobody"),
        "{}",
        world.gateway.log()
    );
    ensure!(
        !world.shown(&format!("{MADE}/nobody/token"))?.is_empty(),
        "nobody asked"
    );
    Ok(())
}

fn nowhere(folder: &Path, secret: &[u8]) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            nowhere(&path, secret)?;
        } else if path.is_file() {
            let bytes = fs::read(&path)?;
            let found = bytes.windows(secret.len()).any(|w| w == secret);
            ensure!(!found, "a token stands in {}", path.display());
        }
    }
    Ok(())
}

/// One connection, and with it one session.
struct Visit {
    child: Child,
    answers: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Visit {
    fn start(world: &World) -> Result<Self> {
        let mut child = Command::new("python3")
            .arg(workspace().join("tests/it/cluster_logins/visit.py"))
            .arg(world.gateway.port.to_string())
            .arg(world.folder.path().join("tls.crt"))
            .env("TOKEN", world.issuer.token(&ANA)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("run python3")?;
        let answers = BufReader::new(child.stdout.take().context("standard output")?).lines();
        Ok(Self { child, answers })
    }

    fn ask(&mut self) -> Result<String> {
        self.ask_for("/prod/api/v1/namespaces/shop/pods")
    }

    fn ask_for(&mut self, path: &str) -> Result<String> {
        let input = self.child.stdin.as_mut().context("standard input")?;
        writeln!(input, "{path}")?;
        self.answers
            .next()
            .context("an answer")?
            .context("read an answer")
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _waited = self.child.wait();
    }
}

#[test]
fn a_token_is_renewed_in_its_session_and_never_used_beyond_its_end() -> Result<()> {
    let world = minting()?;
    let mut visit = Visit::start(&world)?;
    let first = visit.ask()?;
    ensure!(first.starts_with("200 PodList"), "{first}");
    sleep(Duration::from_secs(TOKEN_SECONDS));
    let second = visit.ask()?;
    ensure!(second.starts_with("200 PodList"), "{second}");
    let read = world.shown("GET /api/v1/namespaces/shop/pods")?;
    ensure!(read.len() == 2 && read[0] != read[1], "{read:?}");
    ensure!(world.shown(MADE)?.len() == 2, "one token for each time");

    // The cluster gives none any more: nothing is sent with a token that is over.
    fs::write(world.folder.path().join("stops"), "")?;
    sleep(Duration::from_secs(TOKEN_SECONDS + 1));
    let refused = visit.ask()?;
    ensure!(
        refused.starts_with("403 ") && refused.contains("cannot get its credential"),
        "{refused}"
    );
    ensure!(
        world.shown("GET /api/v1/namespaces/shop/pods")?.len() == 2,
        "it was asked all the same"
    );
    fs::remove_file(world.folder.path().join("stops"))?;
    let again = visit.ask()?;
    ensure!(again.starts_with("200 PodList"), "{again}");
    Ok(())
}

#[test]
fn a_second_token_of_the_gateways_in_what_is_shown_ends_the_session() -> Result<()> {
    let world = minting()?;
    let log = "/prod/api/v1/namespaces/shop/pods/mirror/log";
    let mut visit = Visit::start(&world)?;
    let first = visit.ask_for(log)?;
    ensure!(
        first.starts_with("200 shown: Bearer [pc-masked:tripwire]"),
        "{first}"
    );
    let pods = visit.ask()?;
    ensure!(pods.starts_with("200 PodList"), "{pods}");
    let second = visit.ask_for(log)?;
    ensure!(
        second.starts_with("ended "),
        "{second}\n{}",
        world.gateway.log()
    );
    let third = visit.ask()?;
    ensure!(third.starts_with("ended "), "the session goes on: {third}");
    let shown = world.shown("GET ")?;
    ensure!(shown.len() == 3, "it was asked all the same: {shown:?}");
    for (bearer, _) in shown {
        let bearer = bearer.context("a token")?;
        let secret = bearer.trim_start_matches("Bearer ");
        for answer in [&first, &second] {
            ensure!(!answer.contains(secret), "{answer}");
        }
    }
    let sessions = world.gateway.json(&["sessions", "list", "--recorded"])?;
    let id = sessions[0]["id"]
        .as_str()
        .context("a session is recorded")?;
    let replay = ["sessions", "replay", id, "--verbose", "--json"];
    let told = world.gateway.admin(&replay)?.out.replace(' ', "");
    ensure!(
        told.matches("\"event\":\"tripwire\"").count() == 2,
        "{told}"
    );
    // It was the session that ended: whoever comes again has another one.
    let again = Visit::start(&world)?.ask()?;
    ensure!(again.starts_with("200 PodList"), "{again}");
    Ok(())
}

/// An authority for client certificates, in `clients.crt`.
fn authority(at: &Path) -> Result<()> {
    run(Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ])
        .args(["-nodes", "-days", "2", "-subj", "/CN=clients"])
        .args(["-addext", "basicConstraints=critical,CA:TRUE"])
        .arg("-keyout")
        .arg(at.join("clients.key"))
        .arg("-out")
        .arg(at.join("clients.crt")))?;
    Ok(())
}

/// A certificate by it for this name: `NAME.crt` and `NAME.key`. With an extension it is of version 3.
fn client(at: &Path, name: &str) -> Result<()> {
    let path = |end: &str| at.join(format!("{name}.{end}"));
    fs::write(
        path("ext"),
        "basicConstraints=critical,CA:FALSE\nextendedKeyUsage=clientAuth\n",
    )?;
    run(Command::new("openssl")
        .args([
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args(["-subj", &format!("/CN={name}"), "-keyout"])
        .arg(path("key"))
        .arg("-out")
        .arg(path("csr")))?;
    run(Command::new("openssl")
        .args(["x509", "-req", "-days", "2", "-CAcreateserial", "-in"])
        .arg(path("csr"))
        .arg("-extfile")
        .arg(path("ext"))
        .arg("-CA")
        .arg(at.join("clients.crt"))
        .arg("-CAkey")
        .arg(at.join("clients.key"))
        .arg("-out")
        .arg(path("crt")))?;
    Ok(())
}

/// It is this one from now on.
fn put(at: &Path, name: &str) -> Result<()> {
    for end in ["crt", "key"] {
        let text = fs::read_to_string(at.join(format!("{name}.{end}")))?;
        private(&at.join(format!("gate.{end}.new")), &text)?;
        fs::rename(
            at.join(format!("gate.{end}.new")),
            at.join(format!("gate.{end}")),
        )?;
    }
    Ok(())
}

/// A stand-in that demands client certificates, and a gateway that has one for each of two targets.
fn certified() -> Result<World> {
    let certificate = "client_certificate: { certificate: file:gate.crt, key: file:gate.key }";
    World::start(
        "cluster-certificate",
        &|at| {
            let made = authority(at).and_then(|()| client(at, "gateway-1"));
            let made = made.and_then(|()| client(at, "gateway-2"));
            let put = made.and_then(|()| put(at, "gateway-1"));
            put.expect("openssl makes certificates");
            vec![("API_CLIENTS", at.join("clients.crt").display().to_string())]
        },
        [
            &format!("{{ {certificate} }}"),
            &format!("{{ {certificate}, impersonate: {{ user_prefix: \"pc:\" }} }}"),
        ],
    )
}

impl World {
    fn pods(&self, target: &str) -> Result<Shown> {
        let path = format!("/{target}/api/v1/namespaces/shop/pods");
        self.kubectl(&ANA, target, &["get", "--raw", &path])
    }

    /// The request is answered, and the stand-in has seen this certificate and no token.
    fn comes_as(&self, target: &str, name: &str) -> Result<()> {
        let pods = self.pods(target)?;
        ensure!(pods.code == 0 && pods.shows("cart-0"), "{}", pods.all());
        let last = self.shown("GET /api/v1/namespaces/shop/pods")?.pop();
        ensure!(last == Some((None, Some(name.to_owned()))), "{last:?}");
        Ok(())
    }

    /// The request is refused with these words.
    fn stays_out(&self, says: &str) -> Result<()> {
        let refused = self.pods("prod")?;
        ensure!(
            refused.code == 1 && refused.shows(says),
            "{}",
            refused.all()
        );
        Ok(())
    }
}

#[test]
fn a_client_certificate_is_shown_as_it_is_now_or_nobody_gets_in() -> Result<()> {
    let world = certified()?;
    let at = world.folder.path();
    for target in ["prod", "other"] {
        world.comes_as(target, "gateway-1")?;
    }
    // A renewed one is the one that is shown, without a restart.
    put(at, "gateway-2")?;
    world.comes_as("prod", "gateway-2")?;
    let said = world.check()?;
    let warned = said.shows("logs in with a client certificate");
    ensure!(said.code == 0 && warned, "{}", said.all());

    // Two halves of two pairs are shown to nobody, and neither is nothing.
    let before = world.api.requests()?.len();
    let key = fs::read_to_string(at.join("gateway-1.key"))?;
    private(&at.join("gate.key"), &key)?;
    world.stays_out("cannot get its credential")?;
    let said = world.check()?;
    let named = said.shows("two halves of one pair");
    ensure!(said.code == 1 && named, "{}", said.all());
    fs::remove_file(at.join("gate.key"))?;
    world.stays_out("cannot get its credential")?;

    // One that the cluster does not know ends at its door.
    certificate_of_nobody(at)?;
    world.stays_out("cluster could not be asked")?;
    ensure!(
        world.api.requests()?.len() == before,
        "the cluster was asked"
    );
    for line in key.lines().filter(|line| !line.starts_with("--")) {
        ensure!(!world.gateway.log().contains(line), "the key is in the log");
        nowhere(&world.gateway.state(), line.as_bytes())?;
    }
    Ok(())
}

fn certificate_of_nobody(at: &Path) -> Result<()> {
    let (authorities, kept) = (at.join("clients.crt"), at.join("clients.kept"));
    fs::copy(&authorities, &kept)?;
    authority(at)?;
    client(at, "stranger")?;
    fs::copy(&kept, &authorities)?;
    put(at, "stranger")
}
