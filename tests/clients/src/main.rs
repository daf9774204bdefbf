//! kube-rs through the gate: lists, watches, writes, exec, logs and port-forward, with the same calls as without it.
//! Arguments: the server and its authority (PEM); the tokens of an engineer and of somebody who may forward ports come by
//! the environment.
//!
//! It refuses to go on after the first answer that is not the one of a cluster, or that shows a canary.

use anyhow::{Context as _, Result, bail, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::api::{
    Api, AttachParams, DeleteParams, ListParams, LogParams, Patch, PatchParams, PostParams,
    WatchEvent, WatchParams,
};
use kube::{Client, Config};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const CANARIES: [&str; 3] = [
    "tr0ub4dor-and-3-more",
    "correct-horse-battery",
    "ghp_16C7e42F",
];

#[tokio::main]
async fn main() -> Result<()> {
    let engineer = client("TEST_TOKEN").await?;
    lists(&engineer).await?;
    writes(&engineer).await?;
    streams(&engineer).await?;
    refusals(&engineer).await?;
    forwards(&client("PORT_TOKEN").await?).await
}

async fn client(token: &str) -> Result<Client> {
    let mut arguments = std::env::args().skip(1);
    let server = arguments.next().context("the server")?;
    let authority = arguments.next().context("its authority")?;
    let mut config = Config::new(server.parse()?);
    let certificate = CertificateDer::from_pem_file(authority)?;
    config.root_cert = Some(vec![certificate.to_vec()]);
    config.auth_info.token = Some(std::env::var(token)?.into());
    config.default_namespace = "shop".to_owned();
    Ok(Client::try_from(config)?)
}

fn clean(shown: &str) -> Result<()> {
    for canary in CANARIES {
        ensure!(!shown.contains(canary), "`{canary}` was shown: {shown}");
    }
    Ok(())
}

async fn lists(client: &Client) -> Result<()> {
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let first = pods.list(&ListParams::default().limit(1)).await?;
    let token = first.metadata.continue_.clone().context("a second page")?;
    let next = ListParams::default().limit(1).continue_token(&token);
    let second = pods.list(&next).await?;
    let names = [&first, &second].map(|page| page.items[0].metadata.name.clone());
    ensure!(
        names == ["cart-0", "cart-1"].map(|n| Some(n.to_owned())),
        "{names:?}"
    );
    clean(&serde_json::to_string(&first)?)?;
    let secrets: Api<Secret> = Api::default_namespaced(client.clone());
    let secret = secrets.get("db").await?;
    let shown = secret.data.context("data")?;
    let shown = &shown.get("password").context("a password")?.0;
    ensure!(shown == b"[pc-masked:secret]", "{shown:?}");
    println!("ok: lists and reads");
    Ok(())
}

async fn writes(client: &Client) -> Result<()> {
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let seen = {
        let params = WatchParams::default()
            .fields("metadata.name=rs")
            .timeout(20);
        let mut events = maps.watch(&params, "0").await?.boxed();
        let map = json!({"metadata": {"name": "rs"}, "data": {"a": "b"}});
        maps.create(&PostParams::default(), &serde_json::from_value(map)?)
            .await?;
        let patch = Patch::Merge(json!({"data": {"a": "c"}}));
        maps.patch("rs", &PatchParams::default(), &patch).await?;
        maps.delete("rs", &DeleteParams::default()).await?;
        let mut seen = Vec::new();
        while seen.len() < 3 {
            let next = tokio::time::timeout(Duration::from_secs(15), events.try_next());
            match next
                .await
                .context("an event")??
                .context("the watch goes on")?
            {
                WatchEvent::Added(map) => seen.push(("added", map.data)),
                WatchEvent::Modified(map) => seen.push(("modified", map.data)),
                WatchEvent::Deleted(map) => seen.push(("deleted", map.data)),
                WatchEvent::Bookmark(_) => {}
                WatchEvent::Error(error) => bail!("{error:?}"),
            }
        }
        seen
    };
    let kinds: Vec<&str> = seen.iter().map(|(kind, _)| *kind).collect();
    ensure!(kinds == ["added", "modified", "deleted"], "{seen:?}");
    println!("ok: creates, patches, deletes, watches");
    Ok(())
}

async fn streams(client: &Client) -> Result<()> {
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let log = pods.logs("cart-0", &LogParams::default()).await?;
    ensure!(log.contains("started") && log.contains("ready"), "{log}");
    clean(&log)?;
    let words = ["echo", "token=ghp_16C7e42F292c6912E7710c838347Ae178B4a"];
    let mut ran = pods.exec("cart-0", words, &AttachParams::default()).await?;
    let mut shown = String::new();
    let mut output = ran.stdout().context("standard output")?;
    output.read_to_string(&mut shown).await?;
    let status = ran
        .take_status()
        .context("a status")?
        .await
        .context("it ends")?;
    ensure!(status.status.as_deref() == Some("Success"), "{status:?}");
    ensure!(shown.contains("pc-masked"), "{shown}");
    clean(&shown)?;
    let talk = AttachParams::default().stdin(true).stderr(false);
    let mut cat = pods.exec("cart-0", ["cat"], &talk).await?;
    let mut input = cat.stdin().context("standard input")?;
    input.write_all(b"there and back\n").await?;
    // Dropping it says nothing to the other side.
    input.shutdown().await?;
    let mut back = String::new();
    cat.stdout()
        .context("standard output")?
        .read_to_string(&mut back)
        .await?;
    ensure!(back == "there and back\n", "{back}");
    println!("ok: logs and exec");
    Ok(())
}

async fn refusals(client: &Client) -> Result<()> {
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let refused = pods
        .exec("cart-0", ["sh"], &AttachParams::interactive_tty())
        .await;
    ensure!(refused.is_err(), "a shell was opened");
    let secrets: Api<Secret> = Api::default_namespaced(client.clone());
    let masked = json!({"data": {"password": "W3BjLW1hc2tlZDpzZWNyZXRd"}});
    let back = secrets
        .patch("db", &PatchParams::default(), &Patch::Merge(masked))
        .await;
    match back {
        Err(kube::Error::Api(status)) => {
            ensure!(
                status.message.contains("portcullis/mask-marker"),
                "{status:?}"
            );
        }
        other => bail!("a mask was written: {other:?}"),
    }
    println!("ok: what is refused says why");
    Ok(())
}

async fn forwards(client: &Client) -> Result<()> {
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let mut forwarder = pods.portforward("cart-0", &[80]).await?;
    let mut stream = forwarder.take_stream(80).context("a stream")?;
    stream.write_all(b"through the port").await?;
    let mut back = [0; 16];
    stream.read_exact(&mut back).await?;
    ensure!(&back == b"THROUGH THE PORT", "{back:?}");
    println!("ok: forwards a port that policy names");
    Ok(())
}
