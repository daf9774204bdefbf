//! OpenSSH's own `sftp` and `scp` against OpenSSH's own `sftp-server`, with the inspector in between and no SSH around it:
//! `sftp -D` starts this very program as its server, which starts the real one. What is allowed comes out as without it;
//! what is refused is refused in step. It fails, and does not pass, where Debian's openssh-client and
//! openssh-sftp-server are not installed.

use portcullis_model::{FileOperation, Side};
use portcullis_wire_ssh::sftp::{Event, Inspector, Resolve};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};

const SERVER: &str = "/usr/lib/openssh/sftp-server";
/// Where the proxy writes what it saw; that it is set makes this program the proxy.
const LOG: &str = "PORTCULLIS_SFTP_LOG";

fn main() -> ExitCode {
    if let Some(log) = std::env::var_os(LOG) {
        proxy(Path::new(&log));
        return ExitCode::SUCCESS;
    }
    let tests: [(&str, fn()); 3] = [
        ("what_is_allowed_is_as_without_the_gateway", as_direct),
        ("what_is_refused_is_refused_in_step", refused_in_step),
        ("scp_copies_folders_and_modes", scp_copies),
    ];
    // As the usual harness: names may be asked for, and listed.
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let mut failed = 0;
    for (name, test) in tests {
        if !asked.is_empty() && !asked.iter().any(|a| name.contains(a.as_str())) {
            continue;
        }
        let passed = std::panic::catch_unwind(test).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += u8::from(!passed);
    }
    ExitCode::from(failed)
}

/// What the test's policy refuses: files for everybody to write, and whatever lies in `secret`.
fn refuses(operation: &FileOperation) -> bool {
    let named = |path: &Option<String>| path.as_deref().is_some_and(|p| p.contains("/secret"));
    operation.mode.is_some_and(|mode| mode & 0o002 != 0) || named(&operation.path)
}

/// Stands between the client on its standard streams and a server of its own.
fn proxy(log: &Path) {
    let mut server = Command::new(SERVER)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("start sftp-server: install openssh-sftp-server");
    let (send, receive) = channel();
    let mut to_server = server.stdin.take();
    pump(Side::Client, std::io::stdin(), send.clone());
    pump(Side::Upstream, server.stdout.take().unwrap(), send);
    let mut log = fs::File::create(log).unwrap();
    let mut inspector = Inspector::new(Resolve::Links);
    relay(&receive, &mut inspector, &mut to_server, &mut log);
    drop(to_server);
    for report in inspector.finish() {
        writeln!(log, "{}", json!({"closed": report})).unwrap();
    }
    let _ = server.wait();
}

fn pump(side: Side, mut from: impl Read + Send + 'static, send: Sender<(Side, Vec<u8>)>) {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = from.read(&mut buffer).unwrap_or(0);
            if send.send((side, buffer[..count].to_vec())).is_err() || count == 0 {
                return;
            }
        }
    });
}

fn relay(
    receive: &Receiver<(Side, Vec<u8>)>,
    inspector: &mut Inspector,
    to_server: &mut Option<impl Write>,
    log: &mut fs::File,
) {
    let mut out = std::io::stdout();
    while let Ok((side, bytes)) = receive.recv() {
        match (bytes.is_empty(), side) {
            (true, Side::Client) => drop(to_server.take()),
            (true, Side::Upstream) => return,
            (false, side) => inspector.feed(side, &bytes).unwrap(),
        }
        while let Some(event) = inspector.next_event().unwrap() {
            let (to, wire) = match event {
                Event::Forward { to, wire, .. } => (to, wire),
                Event::Ask(wire) => (Side::Upstream, wire),
                Event::Refuse { wire, why } => {
                    writeln!(log, "{}", json!({"refused": why})).unwrap();
                    (Side::Client, wire)
                }
                Event::Judge(judged) => {
                    let refused = judged.operations().iter().any(refuses);
                    writeln!(
                        log,
                        "{}",
                        json!({"judged": judged.operations(), "refused": refused})
                    )
                    .unwrap();
                    match refused {
                        true => (Side::Client, inspector.refuse(judged, "not here").unwrap()),
                        false => (Side::Upstream, inspector.allow(judged).unwrap()),
                    }
                }
                Event::Closed(report) => {
                    writeln!(log, "{}", json!({"closed": report})).unwrap();
                    continue;
                }
            };
            match (to, &mut *to_server) {
                (Side::Client, _) => {
                    out.write_all(&wire).unwrap();
                    out.flush().unwrap();
                }
                (Side::Upstream, Some(server)) => server.write_all(&wire).unwrap(),
                (Side::Upstream, None) => {}
            }
        }
    }
}

/// A folder on the "host", one of the client's, and what the proxy saw.
struct World {
    folder: tempfile::TempDir,
    server: String,
}

impl World {
    fn new(server: &str) -> Self {
        let world = Self {
            folder: tempfile::tempdir().unwrap(),
            server: server.to_owned(),
        };
        fs::create_dir(world.path("host")).unwrap();
        fs::create_dir(world.path("client")).unwrap();
        // More than one window of requests, and no two parts of it alike.
        let big: Vec<u8> = (0..3_000_001_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        fs::write(world.path("client/big"), big).unwrap();
        fs::write(world.path("client/small"), "hello world").unwrap();
        world
    }

    fn inspected() -> Self {
        Self::new(std::env::current_exe().unwrap().to_str().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path("host"));
        if self.server != SERVER {
            command.env(LOG, self.path("log"));
        }
        command
    }

    /// Runs a batch; a line that begins with `-` may fail.
    fn sftp(&self, batch: &str) -> Output {
        let file = self.path("batch");
        let client = self.path("client");
        fs::write(&file, batch.replace("CLIENT", client.to_str().unwrap())).unwrap();
        let mut command = self.command("sftp");
        command.arg("-b").arg(file).args(["-D", &self.server]);
        command.output().expect("run sftp: install openssh-client")
    }

    fn log(&self) -> Vec<Value> {
        let log = fs::read_to_string(self.path("log")).unwrap();
        log.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Names, modes and content of all files of the host.
    fn tree(&self) -> Vec<(String, u32, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.path("host")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let about = fs::symlink_metadata(&path).unwrap();
                let content = match (about.is_dir(), about.is_symlink()) {
                    (true, _) => Vec::new(),
                    (false, true) => fs::read_link(&path)
                        .unwrap()
                        .into_os_string()
                        .into_encoded_bytes(),
                    (false, false) => fs::read(&path).unwrap(),
                };
                if about.is_dir() {
                    folders.push(path.clone());
                }
                let name = path
                    .strip_prefix(self.path("host"))
                    .unwrap()
                    .display()
                    .to_string();
                found.push((name, about.mode(), content));
            }
        }
        found.sort();
        found
    }
}

const ORDINARY: &str = "pwd
put CLIENT/big
put -p CLIENT/small s1
get big CLIENT/back
mkdir d
rename s1 d/s2
chmod 640 d/s2
symlink d/s2 l
ln d/s2 d/s3
cp d/s2 d/s4
get l CLIENT/through-link
ls d
ls -l1 d/s2
cd d
ls
lcd CLIENT
get ../d/../d/s3 three
-get nothing
-rm nothing
-mkdir .
rm s3
mkdir e
rmdir e
-ls /nowhere
";

fn as_direct() {
    let (direct, inspected) = (World::new(SERVER), World::inspected());
    let said = |world: &World| {
        let output = world.sftp(ORDINARY);
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let here = world.folder.path().to_str().unwrap();
        // What `ls -l` says of the time is another.
        let lines: Vec<String> = text.lines().map(|l| l.replace(here, "HERE")).collect();
        (output.status.code(), lines)
    };
    let (wanted, got) = (said(&direct), said(&inspected));
    assert_eq!(got, wanted);
    assert_eq!(got.0, Some(0), "{got:?}");
    assert!(inspected.tree() == direct.tree(), "the hosts differ");
    for name in ["back", "through-link", "three"] {
        let read = |world: &World| fs::read(world.path("client").join(name)).unwrap();
        assert!(read(&inspected) == read(&direct), "{name} differs");
    }
    // What was read and written is in the record with its hash.
    let sum = Command::new("sha256sum")
        .arg(inspected.path("client/big"))
        .output()
        .unwrap();
    let sum = String::from_utf8_lossy(&sum.stdout)[..64].to_owned();
    let log = inspected.log();
    for (what, name) in [("written", "host/big"), ("read", "host/big")] {
        let hashed = |entry: &&Value| {
            let closed = &entry["closed"];
            closed[what]["sha256"] == json!(sum)
                && closed[what]["order"] == "whole"
                && closed["closed"] == true
        };
        let found = log
            .iter()
            .find(hashed)
            .unwrap_or_else(|| panic!("{what}: {log:#?}"));
        assert!(
            found["closed"]["path"].as_str().unwrap().ends_with(name),
            "{found}"
        );
    }
}

fn refused_in_step() {
    let world = World::inspected();
    fs::create_dir(world.path("host/secret")).unwrap();
    fs::write(world.path("host/secret/key"), "key").unwrap();
    std::os::unix::fs::symlink("secret", world.path("host/door")).unwrap();
    let output = world.sftp(
        "put CLIENT/small s
-chmod 777 s
-get secret/key CLIENT/stolen
-get door/key CLIENT/stolen
-get ./d/../secret/key CLIENT/stolen
-put CLIENT/small door/planted
-rename secret open
-symlink secret/key k
-ln secret/key k
-rm door/key
chmod 644 s
get s CLIENT/after
",
    );
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mode = fs::metadata(world.path("host/s"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o644);
    assert!(!world.path("client/stolen").exists());
    assert_eq!(
        fs::read(world.path("client/after")).unwrap(),
        b"hello world"
    );
    let names: Vec<String> = world.tree().into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["door", "s", "secret", "secret/key"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.matches("ermission denied").count() >= 7, "{said}");
}

fn scp_copies() {
    let world = World::inspected();
    let tree = world.path("client/tree/inner");
    fs::create_dir_all(&tree).unwrap();
    fs::write(tree.join("x"), "x").unwrap();
    fs::set_permissions(tree.join("x"), fs::Permissions::from_mode(0o751)).unwrap();
    let copy = |from: &str, to: &str| {
        let mut command = world.command("scp");
        command.args(["-s", "-r", "-p", "-D", &world.server, from, to]);
        let output = command.output().expect("run scp: install openssh-client");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    copy(world.path("client/tree").to_str().unwrap(), "host:copied");
    let mode = fs::metadata(world.path("host/copied/inner/x"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o751);
    copy("host:copied", world.path("client/again").to_str().unwrap());
    assert_eq!(fs::read(world.path("client/again/inner/x")).unwrap(), b"x");
    let judged = world
        .log()
        .iter()
        .filter(|entry| !entry["judged"].is_null())
        .count();
    assert!(judged > 0);
}
