//! Uploads to a host that does not read: what memory does not hold waits on disk, sealed and without a name, and everything
//! else of the connection goes on meanwhile.

use anyhow::{Context, Result, ensure};
use portcullis_tests::issuer::DORA;
use portcullis_tests::{Shown, SshOptions, SshWorld};
use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// The gateway's open files below its state folder that have no name.
pub(crate) fn nameless(world: &SshWorld) -> Result<Vec<std::path::PathBuf>> {
    let state = world.gateway.state();
    let mut found = Vec::new();
    for entry in fs::read_dir(format!("/proc/{}/fd", world.gateway.pid()))? {
        let path = entry?.path();
        let leads = fs::read_link(&path).unwrap_or_default();
        let leads = leads.display().to_string();
        if leads.starts_with(&state.display().to_string()) && leads.ends_with("(deleted)") {
            found.push(path);
        }
    }
    Ok(found)
}

fn names(world: &SshWorld) -> Result<Vec<String>> {
    let entries = fs::read_dir(world.gateway.state())?;
    let mut names = entries
        .map(|e| Ok(e?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

const LINE: &[u8] = b"a line of an upload that nobody has read yet....\n";

#[test]
fn an_upload_that_its_host_does_not_read_waits_sealed_on_disk_and_stalls_nobody() -> Result<()> {
    let world = SshWorld::start(&SshOptions::default())?;
    let before = names(&world)?;
    let (mut first, mux) = world.shared(&DORA)?;
    let mut slow = world
        .ssh(&DORA, &["-o", &mux], &["sleep 8; sha256sum"])?
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let upload = LINE.repeat(48 * 1024 * 1024 / LINE.len());
    let mut want = std::process::Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    want.stdin.take().context("a pipe")?.write_all(&upload)?;
    let want = Shown::from_output(&want.wait_with_output()?);
    let mut stdin = slow.stdin.take().context("a pipe")?;
    let feeding = std::thread::spawn(move || stdin.write_all(&upload));
    // Most of it is with the gateway long before the host begins to read.
    std::thread::sleep(Duration::from_secs(4));
    let start = Instant::now();
    let beside = Shown::by(&mut world.ssh(&DORA, &["-o", &mux], &["echo beside"])?)?;
    ensure!(beside.out == "beside\n", "{beside:?}");
    ensure!(
        start.elapsed() < Duration::from_secs(4),
        "{:?}",
        start.elapsed()
    );
    let files = nameless(&world)?;
    ensure!(files.len() == 1, "{files:?}\n{}", world.gateway.log());
    let mut file = fs::File::open(&files[0])?;
    let mode = std::os::unix::fs::MetadataExt::mode(&file.metadata()?);
    ensure!(mode & 0o777 == 0o600, "{mode:o}");
    let length = file.seek(SeekFrom::End(0))?;
    ensure!(length > 8 * 1024 * 1024, "{length} bytes are on disk");
    let mut some = vec![0; 1024 * 1024];
    file.read_exact_at(&mut some, 0)?;
    file.rewind()?;
    file.read_exact(&mut some[..16])?;
    ensure!(!some.windows(16).any(|w| w == &LINE[..16]), "it is sealed");
    ensure!(names(&world)? == before, "nothing has a name");
    let shown = Shown::from_output(&slow.wait_with_output()?);
    ensure!(shown.code == 0, "{shown:?}");
    ensure!(shown.out == want.out, "{shown:?} is not {want:?}");
    feeding.join().ok().context("fed")??;
    ensure!(
        nameless(&world)?.is_empty(),
        "the file is gone with the channel"
    );
    first.kill()?;
    first.wait()?;
    Ok(())
}

#[test]
fn nothing_of_an_upload_is_left_when_the_gateway_is_killed() -> Result<()> {
    let mut world = SshWorld::start(&SshOptions::default())?;
    let before = names(&world)?;
    let mut stuck = world
        .ssh(&DORA, &[], &["sleep 60"])?
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut stdin = stuck.stdin.take().context("a pipe")?;
    let feeding = std::thread::spawn(move || {
        let _fed = stdin.write_all(&LINE.repeat(16 * 1024 * 1024 / LINE.len()));
    });
    let until = Instant::now() + Duration::from_secs(30);
    while nameless(&world)?.is_empty() {
        ensure!(Instant::now() < until, "nothing was spilled");
        std::thread::sleep(Duration::from_millis(100));
    }
    world.gateway.signal("KILL");
    let _ended = world.gateway.wait(Duration::from_secs(60))?;
    let _ended = stuck.wait()?;
    let _fed = feeding.join();
    ensure!(names(&world)? == before, "{:?}", names(&world)?);
    Ok(())
}
