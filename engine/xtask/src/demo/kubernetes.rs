//! The demo's third part: Kubernetes, with real `kubectl` before a stand-in for an API server, since no cluster can be had on every
//! machine. An agent sees what policy shows it and is masked, a shell and a delete are refused, an engineer's delete waits for a
//! second person, and the session is replayed. Were the gate to fail, a pod that exists in the stand-in's memory alone would be gone.

use super::watch::Watch;
use crate::screen;
use anyhow::{Context, Result};
use portcullis_tests::issuer::{AGENT, ANA, BEA};
use portcullis_tests::kubernetes::{ClusterOptions, ClusterWorld};
use portcullis_tests::{Person, Shown};
use std::fmt::Write as _;
use std::fs;
use std::process::Stdio;
use std::time::Duration;

/// What stands in the Secret `db`, plain and as the API writes it.
const PASSWORD: [&str; 2] = ["tr0ub4dor-and-3-more", "dHIwdWI0ZG9yLWFuZC0zLW1vcmU="];
/// `[pc-masked:secret]`, as the API writes it.
const MASK: &str = "W3BjLW1hc2tlZDpzZWNyZXRd";

/// A walk through Kubernetes.
pub struct Tour<'a> {
    world: &'a ClusterWorld,
    watch: &'a mut Watch,
}

/// Where the demo's third part happens.
///
/// # Errors
/// When a part does not start.
pub fn world() -> Result<ClusterWorld> {
    ClusterWorld::with(&ClusterOptions {
        profile: "release".to_owned(),
        // With it the agent could not even read the Secret that shows what masks do.
        without: &["agent_secrets"],
        ..ClusterOptions::default()
    })
}

impl<'a> Tour<'a> {
    /// On this world.
    pub fn new(world: &'a ClusterWorld, watch: &'a mut Watch) -> Self {
        Self { world, watch }
    }

    /// All of it.
    ///
    /// # Errors
    /// When a process cannot be started.
    pub fn walk(&mut self) -> Result<()> {
        self.looks_around()?;
        self.refused()?;
        self.approved_delete()?;
        self.record()
    }

    fn kubectl(&mut self, who: &Person, arguments: &[&str]) -> Result<Shown> {
        prompt(who, arguments, "");
        let shown = self.world.ask(who, arguments)?;
        self.watch.saw(&arguments.join(" "), &shown);
        Ok(shown)
    }

    fn looks_around(&mut self) -> Result<()> {
        screen::heading(
            "12. With kubectl an agent sees what policy shows it; Secrets are masked on the way back",
        );
        let shown = self.kubectl(&AGENT, &["get", "pods", "-n", "shop"])?;
        self.watch.expect(
            "it sees the pod that it works with, and not the one beside it",
            shown.code == 0 && shown.out.contains("cart-0") && !shown.shows("cart-1"),
        );
        let shown = self.kubectl(&AGENT, &["get", "secret", "db", "-n", "shop", "-o", "yaml"])?;
        self.watch.expect(
            "the Secret is there, and a mask stands where the password was",
            shown.code == 0 && shown.out.contains(&format!("password: {MASK}")),
        );
        self.watch.expect(
            "neither the password nor kubectl's copy of it came through",
            PASSWORD.iter().all(|p| !shown.shows(p)),
        );
        Ok(())
    }

    fn refused(&mut self) -> Result<()> {
        screen::heading("13. A shell and a delete are refused before they reach the cluster");
        let shell = self.kubectl(&ANA, &["exec", "-n", "shop", "cart-0", "--", "sh"])?;
        self.watch.expect(
            "the shell was refused, with its rule and a hint",
            shell.code == 1 && shell.shows("clusters/shell") && shell.shows("Name the command"),
        );
        let delete = ["delete", "pod", "cart-0", "-n", "shop", "--wait=false"];
        let shown = self.kubectl(&AGENT, &delete)?;
        self.watch.expect(
            "the agent's delete was refused, with its rule and a hint",
            shown.code == 1
                && shown.err.contains("Error from server (Forbidden)")
                && shown.shows("agents/read-only")
                && shown.shows("Ask a person"),
        );
        let (opened, deleted) = (
            self.asked("GET /api/v1/namespaces/shop/pods/cart-0/exec")?,
            self.asked("DELETE ")?,
        );
        self.watch
            .expect("the cluster was asked neither", opened + deleted == 0);
        Ok(())
    }

    fn approved_delete(&mut self) -> Result<()> {
        screen::heading("14. An engineer's delete is held, approved by a person, and done");
        let (ana, bea) = (
            self.world.issuer.token(&ANA)?,
            self.world.issuer.token(&BEA)?,
        );
        let delete = ["delete", "pod", "cart-1", "-n", "shop", "--wait=false"];
        prompt(&ANA, &delete, "(waits)");
        let waiting = self
            .world
            .kubectl(&ANA, &delete)?
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("run kubectl")?;
        let gateway = &self.world.gateway;
        let id = gateway.pending(Duration::from_secs(60))?;
        let before = self.asked("DELETE ")?;
        self.watch
            .expect("the cluster is asked nothing while it waits", before == 0);
        let own = ["approvals", "approve", &id, "--reason", "mine"];
        let own = self.watch.admin(gateway, Some(&ana), &own)?;
        self.watch
            .expect("the requester cannot approve it", own.code != 0);
        let vote = ["approvals", "approve", &id, "--reason", "it hangs"];
        let vote = self.watch.admin(gateway, Some(&bea), &vote)?;
        self.watch.expect("bea's vote counts", vote.code == 0);
        let shown = Shown::from_output(&waiting.wait_with_output()?);
        println!("\n  {}", screen::dim("and in ana's terminal:"));
        self.watch.saw("kubectl delete", &shown);
        self.watch.expect(
            "kubectl says that it was held, and by which rule",
            shown
                .err
                .contains("Warning: portcullis: held by clusters/delete"),
        );
        let deleted = self.asked("DELETE /api/v1/namespaces/shop/pods/cart-1")?;
        self.watch.expect(
            "it was done once, after the approval",
            shown.code == 0 && shown.out.contains("deleted") && deleted == 1,
        );
        Ok(())
    }

    fn record(&mut self) -> Result<()> {
        screen::heading("15. The session is replayed");
        let gateway = &self.world.gateway;
        self.watch
            .admin(gateway, None, &["sessions", "list", "--recorded"])?;
        let held = super::watch::session_of(gateway, BEA.subject)?;
        let replay = ["sessions", "replay", &held];
        let replay = self.watch.admin(gateway, None, &replay)?;
        self.watch.expect(
            "it shows the request and who approved it",
            replay.out.contains("cart-1") && replay.out.contains(BEA.subject),
        );
        let verify = self.watch.admin(gateway, None, &["journal", "verify"])?;
        self.watch.expect("the chain verifies", verify.code == 0);
        let token = self.world.api.token.as_str();
        let secrets = [PASSWORD[0], PASSWORD[1], token];
        let leaked = self.watch.showed(&secrets);
        let logged = secrets.iter().any(|s| gateway.log().contains(s));
        self.watch.expect(
            "neither the password nor the gateway's token stood in anything that anybody saw, nor in the log",
            !leaked && !logged,
        );
        Ok(())
    }

    /// How many requests that begin like this have reached the cluster.
    fn asked(&self, beginning: &str) -> Result<usize> {
        self.world.api.asked(beginning)
    }
}

/// Lines to copy, with a kubeconfig whose tokens stand in files.
///
/// # Errors
/// When the issuer refuses.
pub fn by_hand(world: &ClusterWorld, program: &str) -> Result<()> {
    let at = world.folder().display();
    let (mut users, mut contexts) = (String::new(), String::new());
    for (name, person) in [("agent", &AGENT), ("ana", &ANA), ("bea", &BEA)] {
        let token = world.issuer.token(person)?;
        fs::write(world.folder().join(format!("{name}.token")), token)?;
        writeln!(
            users,
            "- {{name: {name}, user: {{tokenFile: {at}/{name}.token}}}}"
        )?;
        writeln!(
            contexts,
            "- {{name: {name}, context: {{cluster: prod, user: {name}, namespace: shop}}}}"
        )?;
    }
    let (port, certificate) = (world.gateway.port, world.certificate());
    let config = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: agent\nclusters:\n\
         - {{name: prod, cluster: {{server: 'https://localhost:{port}/prod', certificate-authority: {}}}}}\n\
         users:\n{users}contexts:\n{contexts}",
        certificate.display()
    );
    fs::write(world.folder().join("kubeconfig"), config)?;
    let fresh = world.issuer.asks_for(&BEA);
    println!(
        "
  with kubectl:      export KUBECONFIG={at}/kubeconfig
                     kubectl get secret db -o yaml; kubectl --context ana delete pod cart-0 --wait=false
  approve as bea:    PORTCULLIS_TOKEN=$({fresh}) {program} approvals approve ID --reason \"fine\" --config {at}/portcullis.yaml"
    );
    Ok(())
}

fn prompt(who: &Person, arguments: &[&str], more: &str) {
    println!(
        "\n  {} kubectl {}   {}",
        screen::dim(&format!("{}$", who.subject)),
        screen::bold(&arguments.join(" ")),
        screen::dim(more)
    );
}
