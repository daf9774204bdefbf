//! The demo's second part: SSH, on a scratch host whose account has a home of its own and no rights. An agent looks around and
//! is masked, `chmod 777` is refused, an engineer's deploy waits for a second person, and the recording is replayed. Were the gate to fail, the
//! commands could touch that home and nothing else.

use super::watch::Watch;
use crate::screen;
use anyhow::{Context, Result};
use portcullis_tests::host::{KEY_ID, SECRET};
use portcullis_tests::issuer::{AGENT, ANA, BEA};
use portcullis_tests::{Person, Shown, SshOptions, SshWorld};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::time::Duration;

/// A walk through SSH.
pub struct Tour<'a> {
    world: &'a SshWorld,
    watch: &'a mut Watch,
}

/// Where the demo's second part happens.
///
/// # Errors
/// When a part does not start.
pub fn world() -> Result<SshWorld> {
    SshWorld::start(&SshOptions {
        profile: "release".to_owned(),
        // With it the agent could not even read the file that shows what masks do.
        without: &["agent_secrets"],
        ..SshOptions::default()
    })
}

impl<'a> Tour<'a> {
    /// On this world.
    pub fn new(world: &'a SshWorld, watch: &'a mut Watch) -> Self {
        Self { world, watch }
    }

    /// All of it.
    ///
    /// # Errors
    /// When a process cannot be started.
    pub fn walk(&mut self) -> Result<()> {
        self.looks_around()?;
        self.refused_chmod()?;
        self.approved_deploy()?;
        self.record()
    }

    fn ssh(&mut self, command: &str) -> Result<Shown> {
        prompt(&AGENT, command, "");
        let shown = self.world.run(&AGENT, command)?;
        self.watch.saw(command, &shown);
        Ok(shown)
    }

    fn looks_around(&mut self) -> Result<()> {
        screen::heading("8. Over SSH an agent looks around; secrets are masked on the way back");
        let shown = self.ssh("env")?;
        self.watch.expect(
            "it runs as the host's account, in a home of its own",
            shown.code == 0 && shown.out.contains("HOME="),
        );
        let shown = self.ssh("cat ~/.aws/credentials")?;
        self.watch.expect(
            "the file is there, and a mask stands where the key was",
            shown.code == 0 && shown.out.contains("aws_access_key_id = [pc-masked:"),
        );
        self.watch.expect(
            "neither part of the key came through",
            !shown.shows(KEY_ID) && !shown.shows(SECRET),
        );
        Ok(())
    }

    fn refused_chmod(&mut self) -> Result<()> {
        screen::heading("9. chmod 777 is refused before it reaches the host");
        let app = self.world.host.home().join("app");
        let mode = || -> Result<u32> { Ok(fs::metadata(&app)?.permissions().mode() & 0o777) };
        let before = mode()?;
        let shown = self.ssh("chmod 777 ~/app")?;
        self.watch.expect(
            "it was refused, with its rule and a hint",
            shown.code == 126
                && shown.err.contains("commands/permissions")
                && shown.err.contains("hint:"),
        );
        self.watch
            .expect("the folder's mode is what it was", mode()? == before);
        Ok(())
    }

    fn approved_deploy(&mut self) -> Result<()> {
        screen::heading("10. A deploy script is held, approved by a person, and run");
        let shown = self.ssh("./deploy.sh")?;
        self.watch.expect(
            "what a script does cannot be known: an agent may not run it",
            shown.code == 126 && shown.err.contains("hint:"),
        );
        let deployed = self.world.host.home().join("deployed");
        let (ana, bea) = (
            self.world.issuer.token(&ANA)?,
            self.world.issuer.token(&BEA)?,
        );
        prompt(&ANA, "./deploy.sh", "(waits)");
        let waiting = self
            .world
            .ssh(&ANA, &[], &["./deploy.sh"])?
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("run ssh")?;
        let gateway = &self.world.gateway;
        let id = gateway.pending(Duration::from_secs(60))?;
        self.watch
            .expect("nothing runs while it waits", !deployed.exists());
        let own = ["approvals", "approve", &id, "--reason", "mine"];
        let own = self.watch.admin(gateway, Some(&ana), &own)?;
        self.watch
            .expect("the requester cannot approve it", own.code != 0);
        let vote = ["approvals", "approve", &id, "--reason", "release 12"];
        let vote = self.watch.admin(gateway, Some(&bea), &vote)?;
        self.watch.expect("bea's vote counts", vote.code == 0);
        let shown = Shown::from_output(&waiting.wait_with_output()?);
        println!("\n  {}", screen::dim("and in ana's terminal:"));
        self.watch.saw("./deploy.sh", &shown);
        self.watch.expect(
            "ssh said at once that it was held, and by which rule",
            shown.err.contains("held by deploys/script") && shown.err.contains(&id),
        );
        self.watch.expect(
            "it ran once, after the approval",
            shown.code == 0 && fs::read_to_string(&deployed)? == "deployed\n",
        );
        Ok(())
    }

    fn record(&mut self) -> Result<()> {
        screen::heading("11. The recording is replayed");
        let gateway = &self.world.gateway;
        self.watch
            .admin(gateway, None, &["sessions", "list", "--recorded"])?;
        let held = super::watch::session_of(gateway, BEA.subject)?;
        let replay = ["sessions", "replay", &held];
        let replay = self.watch.admin(gateway, None, &replay)?;
        self.watch.expect(
            "it shows the command, who approved it, and what came back",
            replay.out.contains("./deploy.sh")
                && replay.out.contains(BEA.subject)
                && replay.out.contains("done"),
        );
        let verify = self.watch.admin(gateway, None, &["journal", "verify"])?;
        self.watch.expect("the chain verifies", verify.code == 0);
        let leaked = self.watch.showed(&[KEY_ID, SECRET]);
        let logged = [KEY_ID, SECRET].iter().any(|s| gateway.log().contains(s));
        self.watch.expect(
            "the planted key stood in nothing that anybody saw, nor in the log",
            !leaked && !logged,
        );
        Ok(())
    }
}

/// Lines to copy. The token is typed by a script, as tools do; by hand it is the password.
///
/// # Errors
/// When the issuer refuses.
pub fn by_hand(world: &SshWorld, program: &str) -> Result<()> {
    let at = world.folder().display();
    for (name, person) in [("agent", &AGENT), ("ana", &ANA), ("bea", &BEA)] {
        let token = world.issuer.token(person)?;
        fs::write(world.folder().join(format!("{name}.token")), token)?;
    }
    println!(
        "
  over SSH:          export SSH_ASKPASS={at}/askpass SSH_ASKPASS_REQUIRE=force TEST_TOKEN=$(cat {at}/ana.token)
                     ssh -p {port} -o UserKnownHostsFile={known} -o PubkeyAuthentication=no {login}@web-1@127.0.0.1 ./deploy.sh
  approve as bea:    PORTCULLIS_TOKEN=$({fresh}) {program} approvals approve ID --reason \"fine\" --config {at}/portcullis.yaml",
        fresh = world.issuer.asks_for(&BEA),
        port = world.port,
        known = world.known_hosts().display(),
        login = world.host.login,
    );
    Ok(())
}

fn prompt(who: &Person, command: &str, more: &str) {
    println!(
        "\n  {} ssh web-1@gateway {}   {}",
        screen::dim(&format!("{}$", who.subject)),
        screen::bold(&format!("{command:?}")),
        screen::dim(more)
    );
}
