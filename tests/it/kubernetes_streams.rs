//! Streams over SPDY and the ports of pods, with a `kubectl` that speaks nothing else, and with newer ones that fall back
//! to it: masked, recorded and refused as over WebSocket.

use anyhow::{Context, Result, ensure};
use portcullis_tests::Shown;
use portcullis_tests::debian::{kubectl_1_20, kubectl_1_32};
use portcullis_tests::issuer::{ANA, Person};
use portcullis_tests::kubernetes::ClusterWorld;
use portcullis_tests::process::{fed, free_port};
use portcullis_tests::world::workspace;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// For a client that may hang, on a machine that may be busy.
const LONG: Duration = Duration::from_secs(180);
const SECRET: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

fn ask(world: &ClusterWorld, program: &Path, person: &Person, arguments: &[&str]) -> Result<Shown> {
    Shown::by(&mut world.kubectl_of(program, person, arguments)?).context("run kubectl")
}

#[test]
fn exec_and_attach_over_spdy_are_masked_and_recorded() -> Result<()> {
    let world = ClusterWorld::start()?;
    let old = kubectl_1_20(&workspace())?;
    let run = |arguments: &[&str]| {
        let all = [&["exec", "-n", "shop", "cart-0", "--"][..], arguments].concat();
        ask(&world, &old, &ANA, &all)
    };
    let ran = run(&["cat", "/proc/version"])?;
    ensure!(ran.code == 0 && ran.shows("Linux"), "{}", ran.all());
    let failed = run(&["ls", "/nowhere"])?;
    ensure!(
        failed.code == 2 && failed.err.contains("nowhere"),
        "{} {}",
        failed.code,
        failed.all()
    );
    let short = format!("token={SECRET} b");
    // Whatever the pieces are: the masker holds what may still become a secret.
    let long = format!("%070000d token={SECRET}\n");
    for words in [&["printf", &short][..], &["printf", &long, "1"]] {
        let secret = run(words)?;
        ensure!(secret.code == 0, "{}", secret.all());
        ensure!(
            !secret.shows(SECRET) && secret.shows("pc-masked"),
            "{}",
            secret.all()
        );
    }
    let long = run(&["seq", "1", "200000"])?;
    ensure!(
        long.out.lines().count() == 200_000 && long.out.ends_with("199999\n200000\n"),
        "{} lines",
        long.out.lines().count()
    );
    // Input ends, and the command with it.
    let exec = ["exec", "-i", "-n", "shop", "cart-0", "--", "cat"];
    let mut kubectl = world.kubectl_of(&old, &ANA, &exec)?;
    let shown = fed(&mut kubectl, b"over spdy\n", LONG)?;
    ensure!(shown.code == 0 && shown.shows("over spdy"), "{shown:?}");
    let attach = ["attach", "-i", "-n", "shop", "cart-0"];
    let mut kubectl = world.kubectl_of(&old, &ANA, &attach)?;
    let shown = fed(&mut kubectl, b"attached\n", LONG)?;
    ensure!(shown.code == 0 && shown.shows("attached"), "{shown:?}");
    copies(&world, &old)?;
    terminal(&world, &old)?;
    let sent = world
        .api
        .asked("POST /api/v1/namespaces/shop/pods/cart-0/exec")?;
    ensure!(sent > 6, "{sent} came over SPDY");
    apart(&world)?;
    let log = world.gateway.log();
    ensure!(
        !log.contains(SECRET) && !log.contains(&world.api.token),
        "{log}"
    );
    world.gateway.replays_unchanged(6)
}

/// `kubectl cp` is tar through an exec.
fn copies(world: &ClusterWorld, program: &Path) -> Result<()> {
    let folder = tempfile(world)?;
    let (there, back) = (folder.join("there"), folder.join("back"));
    let bytes: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    std::fs::write(&there, &bytes)?;
    let remote = format!("shop/cart-0:{}/kept", folder.display());
    let up = ask(
        world,
        program,
        &ANA,
        &["cp", &there.display().to_string(), &remote],
    )?;
    ensure!(up.code == 0, "{}", up.all());
    ensure!(
        std::fs::read(folder.join("kept"))? == bytes,
        "it is another file there"
    );
    let text = folder.join("text");
    std::fs::write(&text, "plain words\n".repeat(5000))?;
    let remote = format!("shop/cart-0:{}", text.display());
    let down = ask(
        world,
        program,
        &ANA,
        &["cp", &remote, &back.display().to_string()],
    )?;
    ensure!(down.code == 0, "{}", down.all());
    ensure!(
        std::fs::read(&back)? == std::fs::read(&text)?,
        "it is another file here"
    );
    Ok(())
}

fn tempfile(world: &ClusterWorld) -> Result<std::path::PathBuf> {
    let folder = world.certificate().with_file_name("copies");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// A terminal, with its size: `script` gives kubectl one.
fn terminal(world: &ClusterWorld, program: &Path) -> Result<()> {
    let arguments = ["exec", "-it", "-n", "shop", "cart-0", "--", "stty", "size"];
    let command = world.kubectl_of(program, &ANA, &arguments)?;
    let mut line = vec![command.get_program().to_string_lossy().into_owned()];
    line.extend(command.get_args().map(|a| a.to_string_lossy().into_owned()));
    let line = format!("stty rows 33 cols 101; sleep 0.2; exec {}", line.join(" "));
    let mut within = Command::new("script");
    within.args(["-qec", &format!("sh -c '{line}'"), "/dev/null"]);
    for (name, value) in command.get_envs() {
        within.env(name, value.unwrap_or_default());
    }
    // `stty` may look before the size has come.
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let shown = Shown::by(&mut within)?;
        if shown.code == 0 && shown.shows("33 101") {
            return Ok(());
        }
        ensure!(Instant::now() < until, "{} {}", shown.code, shown.all());
    }
}

/// What went upstream: no body, no length, and one line for each stream protocol.
fn apart(world: &ClusterWorld) -> Result<()> {
    for request in world.api.requests()? {
        let target = request["target"].as_str().unwrap_or_default();
        if request["method"] != "POST" || !target.contains("/exec") {
            continue;
        }
        let headers = request["headers"].as_array().context("headers")?;
        let of = |name: &str| -> Vec<&str> {
            let all = headers.iter().filter(|h| h[0] == name);
            all.filter_map(|h| h[1].as_str()).collect()
        };
        ensure!(of("upgrade") == ["SPDY/3.1"], "{request}");
        ensure!(
            of("content-length").is_empty() && of("transfer-encoding").is_empty(),
            "{request}"
        );
        ensure!(
            of("x-stream-protocol-version") == ["v4.channel.k8s.io"],
            "{request}"
        );
    }
    Ok(())
}

#[test]
fn a_denied_exec_is_one_decision_whatever_kubectl_tries() -> Result<()> {
    let world = ClusterWorld::start()?;
    let workspace = workspace();
    let shell = ["exec", "-n", "shop", "cart-0", "--", "sh"];
    for (number, program) in [kubectl_1_20(&workspace)?, kubectl_1_32(&workspace)?]
        .into_iter()
        .enumerate()
    {
        let denied = ask(&world, &program, &ANA, &shell)?;
        ensure!(
            denied.code == 1 && denied.shows("clusters/shell"),
            "{}",
            denied.all()
        );
        ensure!(
            refusals(&world)? == number + 1,
            "{} refusals",
            refusals(&world)?
        );
    }
    // Whoever speaks SPDY alone is decided about each time.
    let denied = ask(&world, &kubectl_1_20(&workspace)?, &ANA, &shell)?;
    ensure!(
        denied.code == 1 && refusals(&world)? == 3,
        "{}",
        denied.all()
    );
    ensure!(
        world
            .api
            .asked("POST /api/v1/namespaces/shop/pods/cart-0/exec")?
            == 0
    );
    ensure!(
        world
            .api
            .asked("GET /api/v1/namespaces/shop/pods/cart-0/exec")?
            == 0
    );
    // Where a cluster does not speak WebSocket, the newer one falls back.
    let exec = [
        "exec", "-n", "old", "spdy-0", "--", "printf", "token=%s", SECRET,
    ];
    let fell = ask(&world, &kubectl_1_32(&workspace)?, &ANA, &exec)?;
    ensure!(
        fell.code == 0 && fell.shows("pc-masked") && !fell.shows(SECRET),
        "{}",
        fell.all()
    );
    ensure!(
        world
            .api
            .asked("POST /api/v1/namespaces/old/pods/spdy-0/exec")?
            == 1
    );
    Ok(())
}

/// Refusals on record by the rule of shells.
fn refusals(world: &ClusterWorld) -> Result<usize> {
    let metrics = world.gateway.page("/metrics")?;
    let line = metrics
        .lines()
        .find(|l| l.contains("clusters/shell") && !l.starts_with('#'));
    let count = line.and_then(|l| l.rsplit(' ').next()?.parse::<f64>().ok());
    Ok(count.unwrap_or(0.0) as usize)
}

/// A port-forward that is up.
struct Forward {
    child: Child,
    port: u16,
    said: std::sync::mpsc::Receiver<String>,
}

impl Forward {
    fn start(world: &ClusterWorld, program: &Path, pod: &str, ports: &[u16]) -> Result<Self> {
        let port = free_port()?;
        let mut pairs = vec![format!("{port}:{}", ports.first().context("a port")?)];
        for other in ports.iter().skip(1) {
            pairs.push(format!("{}:{other}", free_port()?));
        }
        let (namespace, pod) = pod.split_once('/').context("a namespace and a pod")?;
        let mut arguments = vec!["port-forward", "-n", namespace, pod];
        arguments.extend(pairs.iter().map(String::as_str));
        let mut child = world
            .kubectl_of(program, &ANA, &arguments)?
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (sender, said) = std::sync::mpsc::channel();
        let out = child.stdout.take().context("standard output")?;
        let err = child.stderr.take().context("standard error")?;
        let lines = |from: Box<dyn std::io::Read + Send>| {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(from).lines().map_while(Result::ok) {
                    let _unread = sender.send(line);
                }
            })
        };
        lines(Box::new(out));
        lines(Box::new(err));
        let forward = Self { child, port, said };
        forward.says("Forwarding from 127.0.0.1")?;
        Ok(forward)
    }

    fn says(&self, words: &str) -> Result<String> {
        let until = Instant::now() + Duration::from_secs(20);
        let mut all = String::new();
        while let Ok(line) = self
            .said
            .recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            all.push_str(&line);
            all.push('\n');
            if line.contains(words) {
                return Ok(all);
            }
        }
        anyhow::bail!("kubectl does not say `{words}`:\n{all}")
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// A server on this machine that sends back what it gets.
fn echo_server() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut back = stream.try_clone()?;
                let mut stream = stream;
                std::io::copy(&mut stream, &mut back)?;
                back.shutdown(std::net::Shutdown::Write)
            });
        }
    });
    Ok(port)
}

fn through(port: u16, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut writing = stream.try_clone()?;
    let sent = bytes.to_vec();
    // kubectl may hang up on a connection that leads nowhere before it has read what is sent there.
    let writer = std::thread::spawn(move || {
        let written = writing.write_all(&sent);
        written.and_then(|()| writing.shutdown(std::net::Shutdown::Write))
    });
    let mut back = Vec::new();
    match stream.read_to_end(&mut back) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => return Err(error.into()),
        _ => {}
    }
    let _written = writer.join().map_err(|_| anyhow::anyhow!("the writer"))?;
    Ok(back)
}

#[test]
fn ports_pass_unread_where_policy_names_them() -> Result<()> {
    let world = ClusterWorld::start()?;
    let port = echo_server()?;
    let bytes: Vec<u8> = (0..2_000_000_u32).map(|n| (n % 253) as u8).collect();
    let old = kubectl_1_20(&workspace())?;
    // Where masks apply and policy has not named the forward nothing opens.
    let refused = ["port-forward", "-n", "shop", "pod/cart-0", ":8080"];
    let refused = ask(&world, &old, &ANA, &refused)?;
    ensure!(
        refused.code == 1 && refused.shows("portcullis/opaque"),
        "{}",
        refused.all()
    );
    let forward = Forward::start(&world, &old, "old/spdy-0", &[port, 80])?;
    for _ in 0..3 {
        ensure!(
            through(forward.port, &bytes)? == bytes,
            "other bytes came back"
        );
    }
    // A newer one carries the same frames in messages of a WebSocket.
    let new = kubectl_1_32(&workspace())?;
    let tunnel = Forward::start(&world, &new, "kube-system/dns-0", &[port])?;
    ensure!(
        through(tunnel.port, &bytes)? == bytes,
        "other bytes came back"
    );
    let tunnels = world
        .api
        .asked("GET /api/v1/namespaces/kube-system/pods/dns-0/portforward")?;
    ensure!(tunnels == 1, "{tunnels} tunnels");
    let all: Vec<_> = (0..8)
        .map(|n| {
            let port = forward.port;
            std::thread::spawn(move || through(port, &[n; 5000]).map(|b| b == [n; 5000]))
        })
        .collect();
    for one in all {
        ensure!(one.join().map_err(|_| anyhow::anyhow!("a client"))??);
    }
    world.gateway.replays_unchanged(2)
}

#[test]
fn a_port_that_policy_refuses_says_so_and_the_others_go_on() -> Result<()> {
    let world = ClusterWorld::start()?;
    let port = echo_server()?;
    let old = kubectl_1_20(&workspace())?;
    let forward = Forward::start(&world, &old, "old/spdy-0", &[80])?;
    ensure!(
        through(forward.port, b"hello")?.is_empty(),
        "it was answered"
    );
    let said = forward.says("streams/port")?;
    ensure!(said.contains("ports below 1024"), "{said}");
    // A port that nobody listens on is told by the pod.
    let other = Forward::start(&world, &old, "old/spdy-0", &[free_port()?])?;
    ensure!(through(other.port, b"hello")?.is_empty());
    other.says("error forwarding port")?;
    let tunnel = Forward::start(
        &world,
        &kubectl_1_32(&workspace())?,
        "kube-system/dns-0",
        &[80],
    )?;
    ensure!(
        through(tunnel.port, b"hello")?.is_empty(),
        "it was answered"
    );
    tunnel.says("streams/port")?;
    let good = Forward::start(&world, &old, "old/spdy-0", &[port])?;
    ensure!(through(good.port, b"hello")? == b"hello");
    Ok(())
}
