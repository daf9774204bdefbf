//! Folders and editors that live on a host: sshfs, mounted through the gate, and what a remote editor does over one connection (a
//! script on standard input, a server on the host's loopback, a dynamic forward to it, many commands beside each other). The
//! editor itself is not among the packages that tests can have: its sequence is driven with stock `ssh`.

use crate::ssh_tools::{Road, plant, tools_world, tree};
use anyhow::{Context, Result, bail, ensure};
use portcullis_tests::install::{self, Need};
use portcullis_tests::issuer::ANA;
use portcullis_tests::process::{fed, free_port};
use portcullis_tests::{Shown, SshWorld};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A folder of the host, mounted; it is let go of at the end.
struct Mounted {
    at: PathBuf,
    sshfs: Child,
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _unmounted = Command::new("fusermount3").arg("-u").arg(&self.at).status();
        let _killed = self.sshfs.kill();
        let _waited = self.sshfs.wait();
    }
}

fn mount(world: &SshWorld, name: &str, road: &Road) -> Result<Mounted> {
    let at = world.folder().join(format!("mount-{name}"));
    fs::create_dir_all(&at)?;
    let mut sshfs = Command::new("sshfs");
    sshfs
        .args(["-f", "-o", "auto_unmount", "-o"])
        .arg(format!("ssh_command={}", road.ssh))
        .arg("127.0.0.1:")
        .arg(&at)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    road.environ(&mut sshfs);
    let mut sshfs = sshfs.spawn().context("start sshfs")?;
    let until = Instant::now() + Duration::from_secs(60);
    let mounts = || fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    while !mounts().contains(&*at.to_string_lossy()) {
        if sshfs.try_wait()?.is_some() || Instant::now() > until {
            let _killed = sshfs.kill();
            let mut said = String::new();
            if let Some(stderr) = &mut sshfs.stderr {
                stderr.read_to_string(&mut said)?;
            }
            bail!(
                "{name}: sshfs does not mount: {said}\n{}",
                world.gateway.log()
            );
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(Mounted { at, sshfs })
}

#[test]
fn a_mounted_folder_is_a_folder_and_its_operations_are_judged() -> Result<()> {
    install::ensure(&[Need::Sshfs])?;
    let world = tools_world()?;
    let local = world.folder().join("local");
    plant(&local)?;
    let wanted = tree(&local)?;
    let mut seen = Vec::new();
    for (name, road) in [
        ("direct", Road::direct(&world)?),
        ("through", Road::through(&world, &ANA)?),
    ] {
        let mounted = mount(&world, name, &road)?;
        let there = mounted.at.join(format!("m-{name}"));
        let script = "cp -rd --preserve=mode,timestamps \"$1/inner\" \"$2\" && mv \"$2/of 1\" \"$2/moved\" && mv \"$2/moved\" \"$2/of 1\" \
             && mkdir \"$2/new\" && rmdir \"$2/new\" && echo more > \"$2/added\" && echo again >> \"$2/added\" \
             && truncate -s 3 \"$2/added\" && cat \"$2/added\" && rm \"$2/added\" && chmod 640 \"$2/of 0\" \
             && stat -c %a \"$2/of 0\" && ls \"$2\" && ! cat \"$2/none\" && echo end";
        let mut work = Command::new("sh");
        work.args(["-c", script, "sh"]).arg(&local).arg(&there);
        let shown = Shown::by(&mut work)?;
        ensure!(
            shown.code == 0 && shown.out.ends_with("end\n"),
            "{name}: {shown:?}\n{}",
            world.gateway.log()
        );
        let on_host = world.host.home().join(format!("m-{name}"));
        ensure!(
            tree(&on_host)? == wanted.replace("inner/", ""),
            "{name}: {}",
            tree(&on_host)?
        );
        seen.push(shown.out);
        if name == "through" {
            refused(&world, &mounted.at)?;
        }
    }
    ensure!(seen[0] == seen[1], "{seen:?}");
    Ok(())
}

/// The rules for commands hold for what a file manager does.
fn refused(world: &SshWorld, at: &Path) -> Result<()> {
    let app = world.host.home().join("app");
    use std::os::unix::fs::PermissionsExt as _;
    let mode = || -> Result<u32> { Ok(fs::metadata(&app)?.permissions().mode() & 0o777) };
    let before = mode()?;
    let changed = fs::set_permissions(at.join("app"), fs::Permissions::from_mode(0o777));
    ensure!(
        changed.is_err() && mode()? == before,
        "chmod 777: {changed:?}"
    );
    let foothold = fs::write(at.join(".ssh/authorized_keys"), "mine\n");
    ensure!(foothold.is_err(), "a key was left");
    let list = fs::read_to_string(world.host.home().join(".ssh/authorized_keys"))?;
    ensure!(!list.contains("mine"), "{list}");
    Ok(())
}

/// The script that an editor sends: it unpacks a server, starts it, and says where it listens.
const BOOTSTRAP: &str = r#"
echo "id: start"
mkdir -p ~/.editor-server/bin && cd ~/.editor-server
cat > bin/server.py << 'END'
import http.server, os, subprocess
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = subprocess.run(["sh", "-c", "pwd; ls -a"], capture_output=True, cwd=os.environ["HOME"]).stdout
        if self.path == "/big":
            body = b"x" * 3_000_000
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
open("port", "w").write(str(server.server_address[1]))
server.serve_forever()
END
rm -f port
nohup python3 bin/server.py > log 2>&1 < /dev/null &
echo $! > pid
for n in $(seq 100); do test -s port && break; sleep 0.1; done
echo "listeningOn==$(cat port)=="
echo "osReleaseId==$(. /etc/os-release; echo $ID)=="
echo "arch==$(uname -m)=="
echo "id: end"
sleep 600
"#;

/// The connection that stays open: a dynamic forward, and a shell without a terminal that reads a script.
fn bootstrap(world: &SshWorld, socks: u16) -> Result<(Child, u16)> {
    let mut ssh = world.ssh(&ANA, &["-T", "-D", &socks.to_string()], &["bash"])?;
    let mut child = ssh
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()?;
    let mut stdin = child.stdin.take().context("a pipe")?;
    stdin.write_all(BOOTSTRAP.as_bytes())?;
    let stdout = child.stdout.take().context("a pipe")?;
    let mut port = None;
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        if let Some(said) = line.strip_prefix("listeningOn==") {
            port = Some(said.trim_end_matches('=').parse().context("a port")?);
        }
        if line == "id: end" {
            break;
        }
    }
    child.stdin = Some(stdin);
    match port {
        Some(port) => Ok((child, port)),
        None => {
            child.kill()?;
            child.wait()?;
            bail!("no server was started:\n{}", world.gateway.log())
        }
    }
}

/// SOCKS 5 (RFC 1928) to a port of the host's loopback, and one request there.
fn fetched(socks: u16, port: u16, path: &str) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", socks))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(&[5, 1, 0])?;
    let mut answer = [0; 2];
    stream.read_exact(&mut answer)?;
    ensure!(answer == [5, 0], "{answer:?}");
    let [high, low] = port.to_be_bytes();
    stream.write_all(&[5, 1, 0, 1, 127, 0, 0, 1, high, low])?;
    let mut answer = [0; 10];
    stream.read_exact(&mut answer)?;
    ensure!(answer[1] == 0, "{answer:?}");
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
    let mut page = Vec::new();
    stream.read_to_end(&mut page)?;
    Ok(page)
}

#[test]
fn a_remote_editors_server_is_started_and_spoken_to() -> Result<()> {
    let world = tools_world()?;
    let socks = free_port()?;
    let (mut first, port) = bootstrap(&world, socks)?;
    let page = fetched(socks, port, "/files")?;
    let page = String::from_utf8_lossy(&page);
    ensure!(
        page.contains("deploy.sh"),
        "{page}\n{}",
        world.gateway.log()
    );
    // An editor has many requests under way.
    let many: Vec<_> = (0..12)
        .map(|n| {
            std::thread::spawn(move || {
                let path = if n % 3 == 0 { "/big" } else { "/files" };
                fetched(socks, port, path).map(|page| page.len())
            })
        })
        .collect();
    for (n, one) in many.into_iter().enumerate() {
        let length = one.join().ok().context("it was fetched")??;
        ensure!((length > 3_000_000) == (n % 3 == 0), "{n}: {length}");
    }
    let (mut shared, mux) = world.shared(&ANA)?;
    for command in ["uname -rsv", "test -d ~/.editor-server && echo there"] {
        let mut ssh = world.ssh(&ANA, &["-o", &mux], &[command])?;
        let shown = fed(&mut ssh, b"", Duration::from_secs(20))?;
        ensure!(shown.code == 0 && !shown.out.is_empty(), "{shown:?}");
    }
    let pid = fs::read_to_string(world.host.home().join(".editor-server/pid"))?;
    let ended = Shown::by(world.host.direct()?.arg(format!("kill {}", pid.trim())))?;
    ensure!(ended.code == 0, "{ended:?}");
    for child in [&mut first, &mut shared] {
        child.kill()?;
        child.wait()?;
    }
    Ok(())
}
