//! Tickets from clients that have no word for them: `ssh` with a variable of its environment, `kubectl` with one of its
//! exec plugin's. The ticket system is the stand-in of the channels; what it does not vouch for does not pass.

use crate::company::Company;
use anyhow::{Context, Result, ensure};
use portcullis_tests::channels::Channels;
use portcullis_tests::kubernetes::{ApiServer, certificate};
use portcullis_tests::process::free_port;
use portcullis_tests::ssh::askpass;
use portcullis_tests::{Host, Scratch, Shown, WorldOptions, host};
use std::fs;
use std::process::Command;

const DATA: &str = "\
access:
  groups:
    engineers: [people]
  bindings:
    people: {protocols: [postgres, ssh, kubernetes], labels: {env: prod}}
config:
  commands: {admin_groups: [engineers]}
";

const PACK: &str = "package portcullis.packs.ticketed

import rego.v1

changes if {
    some statement in input.command.statements
    statement.shell.argv[0] == \"touch\"
}

changes if \"cluster-delete\" in input.command.labels

deny contains {\"rule\": \"ticketed/valid\", \"msg\": sprintf(\"not valid: %v\", [input.session.ticket_check])} if {
    input.action == \"command\"
    changes
    not input.session.ticket_check.valid
}
";

const PLUGINS: &str = "  - builtin: mask-secrets
  - builtin: classify-sql
  - builtin: classify-shell
  - builtin: classify-kubernetes
";

/// What each ticket of the stand-in gets: where it is refused, why.
const TICKETS: [(&str, Option<&str>); 5] = [
    ("OPS-1", None),
    ("OPS-2", Some("its status.name is another")),
    ("OPS-3", Some("it is not assigned to whoever asks")),
    ("OPS-4", Some("the ticket is not there")),
    ("ABC-1", Some("no ticket system keeps such tickets")),
];

/// A company with a host, a cluster and a ticket system, at which ana is logged in.
struct Place {
    company: Company,
    host: Host,
    channels: Channels,
    api: ApiServer,
    ssh: u16,
    kubernetes: u16,
    folder: Scratch,
}

impl Place {
    fn new() -> Result<Self> {
        let folder = Scratch::new("tickets")?;
        let at = folder.path();
        let channels = Channels::start(at)?;
        let host = Host::start()?;
        fs::write(at.join("known_hosts"), host.known()?)?;
        certificate(at, "api")?;
        let api = ApiServer::start(at, &at.join("api.crt"), &at.join("api.key"))?;
        host::keygen(&at.join("gateway_host"))?;
        fs::create_dir(at.join("ticketed"))?;
        fs::write(at.join("ticketed/ticketed.rego"), PACK)?;
        let (ssh, kubernetes) = (free_port()?, free_port()?);
        let here = at.display();
        let listeners = format!(
            "  - protocol: ssh
    address: 127.0.0.1:{ssh}
    host_keys: [{here}/gateway_host]
  - protocol: kubernetes
    address: 127.0.0.1:{kubernetes}
    tls: {{ certificate: {{at}}/tls.crt, key: {{at}}/tls.key }}
"
        );
        let more = format!(
            "approvals:
  tickets:
    - {{ name: jira, kind: jira, url: \"{}\", prefixes: [OPS-], secret: \"env:JIRA\", fields: {{ status.name: [In Progress] }}, assignee: assignee.emailAddress }}
",
            channels.url("")
        );
        let environment = [
            ("PROD_TOKEN", api.token.as_str()),
            ("JIRA", "a-token-of-jira"),
        ];
        let options = WorldOptions {
            listeners,
            connections: connections(&here.to_string(), &host, &api),
            packs: format!(
                "    - builtin: access\n    - builtin: approve\n    - path: {here}/ticketed\n"
            ),
            data: DATA.to_owned(),
            plugins: PLUGINS.to_owned(),
            more,
            environment: environment
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .to_vec(),
            ..WorldOptions::default()
        };
        let company = Company::with("1h", "", options)?;
        company.log_in(&["login", "--no-open"])?;
        Ok(Self {
            company,
            host,
            channels,
            api,
            ssh,
            kubernetes,
            folder,
        })
    }

    /// `ssh` with a token in the place of the password and a ticket in the environment.
    fn ssh(&self, ticket: &str) -> Result<Shown> {
        let at = self.folder.path();
        let known = at.join("known_gateway");
        fs::write(&known, host::known(self.ssh, &at.join("gateway_host.pub"))?)?;
        let mut ssh = host::client(&known, self.ssh);
        ssh.args([
            "-o",
            "PubkeyAuthentication=no",
            "-o",
            "NumberOfPasswordPrompts=1",
        ])
        .args(["-o", "SendEnv=PORTCULLIS_TICKET"])
        .arg(format!("{}@web-1@127.0.0.1", self.host.login))
        .arg(format!("touch done-{ticket}"))
        .env("SSH_ASKPASS", askpass(at)?)
        .env("SSH_ASKPASS_REQUIRE", "force")
        .env("DISPLAY", ":none")
        .env("TEST_TOKEN", self.company.token()?)
        .env("PORTCULLIS_TICKET", ticket);
        Shown::by(&mut ssh).context("run ssh")
    }

    fn is_done(&self, ticket: &str) -> Result<bool> {
        let mut looks = self.host.direct()?;
        let shown = Shown::by(looks.arg(format!("ls done-{ticket}")))?;
        Ok(shown.code == 0)
    }

    /// `kubectl` as `portcullis setup` has set it up, with a ticket in the environment.
    fn kubectl(&self, ticket: &str, arguments: &[&str]) -> Result<Shown> {
        let home = &self.company.home;
        let mut kubectl = Command::new("kubectl");
        kubectl
            .args(arguments)
            .env("HOME", self.folder.path())
            .env("KUBECONFIG", home.join("kubeconfig"))
            .env("PORTCULLIS_HOME", home)
            .env("PORTCULLIS_TICKET", ticket);
        Shown::by(&mut kubectl).context("run kubectl")
    }

    fn set_kubectl_up(&self) -> Result<()> {
        let ca = self.company.world.certificate().display().to_string();
        let server = format!("https://localhost:{}", self.kubernetes);
        let shown = self.company.run(&[
            "setup", "kubectl", "--server", &server, "--ca", &ca, "--target", "prod",
        ])?;
        ensure!(shown.code == 0, "{}", shown.all());
        Ok(())
    }

    fn log(&self) -> String {
        self.company.world.gateway.log()
    }
}

fn connections(here: &str, host: &Host, api: &ApiServer) -> String {
    format!(
        "  - name: web-1
    protocol: ssh
    labels: {{ env: prod }}
    host: 127.0.0.1
    port: {}
    host_keys: {{ known_hosts: {here}/known_hosts }}
    credential:
      certificate: {{ user: {}, authority: \"file:{}\" }}
  - name: prod
    protocol: kubernetes
    labels: {{ env: prod }}
    host: localhost
    port: {}
    tls: verify-full
    ca: {here}/api.crt
    credential:
      cluster: {{ token: \"env:PROD_TOKEN\", impersonate: {{}} }}
",
        host.port,
        host.login,
        host.authority().display(),
        api.port
    )
}

#[test]
fn ssh_and_kubectl_name_a_ticket_and_only_one_that_is_vouched_for_counts() -> Result<()> {
    let place = Place::new()?;
    place.set_kubectl_up()?;
    over_ssh(&place)?;
    over_kubectl(&place)?;
    // Nobody vouches for anything while the system is away, and what passed before is no ticket for later.
    place.channels.down(true)?;
    let away = "the ticket system does not answer";
    let shown = place.ssh("OPS-5")?;
    ensure!(shown.code != 0 && shown.shows(away), "{}", shown.all());
    let delete = ["delete", "pod", "cart-1", "-n", "shop", "--wait=false"];
    let shown = place.kubectl("OPS-6", &delete)?;
    ensure!(shown.code != 0 && shown.shows(away), "{}", shown.all());
    ensure!(
        place.api.asked(DELETE)? == 1,
        "one was deleted, with its ticket"
    );
    Ok(())
}

fn over_ssh(place: &Place) -> Result<()> {
    for (ticket, refused) in TICKETS {
        let shown = place.ssh(ticket)?;
        let all = shown.all();
        match refused {
            None => ensure!(shown.code == 0, "{ticket}: {all}\n{}", place.log()),
            Some(why) => ensure!(
                shown.code != 0 && all.contains(why),
                "{ticket}: {all}\n{}",
                place.log()
            ),
        }
        ensure!(
            place.is_done(ticket)? == refused.is_none(),
            "{ticket}: {all}"
        );
    }
    Ok(())
}

const DELETE: &str = "DELETE /api/v1/namespaces/shop/pods/";

fn over_kubectl(place: &Place) -> Result<()> {
    // Reading needs none.
    let pods = place.kubectl("", &["get", "pods", "-n", "shop"])?;
    ensure!(
        pods.code == 0 && pods.shows("cart-0"),
        "{}\n{}",
        pods.all(),
        place.log()
    );
    let delete = ["delete", "pod", "cart-0", "-n", "shop", "--wait=false"];
    for (ticket, refused) in TICKETS.into_iter().rev() {
        let shown = place.kubectl(ticket, &delete)?;
        let all = shown.all();
        match refused {
            None => ensure!(shown.code == 0, "{ticket}: {all}\n{}", place.log()),
            Some(why) => ensure!(
                shown.code != 0 && all.contains(why) && place.api.asked(DELETE)? == 0,
                "{ticket}: {all}\n{}",
                place.log()
            ),
        }
    }
    ensure!(place.api.asked(DELETE)? == 1, "it was deleted once");
    let seen = serde_json::to_string(&place.api.requests()?)?;
    ensure!(
        !seen.contains("portcullis-ticket"),
        "the ticket is the gateway's: {seen}"
    );
    Ok(())
}
