//! What the types cannot say: names that must be unique, keys that belong together, protections that
//! may be missing on loopback only. All problems are reported at once. Nothing here opens a file: that
//! is `portcullis check`, which also loads policies, plugins and secrets.

mod approvals;
mod cluster;
mod console;
mod issuers;
mod journal;
mod login;
mod secrets;

pub use secrets::references;

use super::problem::Notes;
use super::schema::*;
use super::spans::Place;
use portcullis_model::limits::SSH_REMEMBER_KEYS_MAX;
use portcullis_sandbox::signature::PublicKey;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Notes everything that is wrong.
pub(super) fn check(config: &Config, notes: &mut Notes<'_>) {
    let root = Place::root();
    if config.node.is_empty() || config.node.contains(char::is_whitespace) {
        notes.error(
            &root.key("node"),
            "is no node name",
            "use letters, digits and dashes, for example `gw-1`",
        );
    }
    listeners(&config.listeners, &root.key("listeners"), notes);
    issuers::issuers(&config.issuers, &root.key("issuers"), notes);
    login::login(config, &root.key("login"), notes);
    console::console(config, &root.key("console"), notes);
    login::oauth(config, &root.key("listeners"), notes);
    approvals::approvals(config, &root.key("approvals"), notes);
    secrets::secrets(config, &root.key("secrets"), notes);
    connections(&config.connections, &root.key("connections"), notes);
    packs(&config.policies, &root.key("policies"), notes);
    plugins(&config.plugins, &root.key("plugins"), notes);
    journal::journal(config, &root.key("journal"), notes);
    lives(&config.session, &root.key("session"), notes);
    let metrics = root.key("admin").key("metrics");
    if config.admin.metrics.is_some_and(|a| !a.ip().is_loopback()) {
        notes.error(
            &metrics,
            "is no loopback address, and metrics are served without authentication",
            "use 127.0.0.1:9464 and let the collector come to the node",
        );
    }
    if config.recording.per_identity_mib_per_hour == 0 {
        notes.error(
            &root.key("recording").key("per_identity_mib_per_hour"),
            "is 0: nothing could be recorded, so nothing would be allowed",
            "leave the key out for 1024",
        );
    }
}

fn listeners(listeners: &[Listener], place: &Place, notes: &mut Notes<'_>) {
    if listeners.is_empty() {
        notes.error(place, "is empty: nobody could connect", "add a listener");
    }
    let mut taken = BTreeSet::new();
    for (index, listener) in listeners.iter().enumerate() {
        let place = place.index(index);
        // Port 0 asks the kernel for a free one: two of them never meet.
        if listener.address.port() != 0 && !taken.insert(listener.address) {
            notes.error(
                &place.key("address"),
                format!("{} is taken by another listener", listener.address),
                "give each listener its own port",
            );
        }
        if listener.max_connections == 0 {
            notes.error(
                &place.key("max_connections"),
                "is 0: nobody could connect",
                "leave the key out for 5000",
            );
        }
        remember_keys(listener, &place, notes);
        match listener.protocol {
            Wire::Ssh => ssh_listener(listener, &place, notes),
            Wire::Https | Wire::Kubernetes | Wire::Postgres => {
                listener_tls(listener, &place, notes);
            }
        }
    }
}

fn remember_keys(listener: &Listener, place: &Place, notes: &mut Notes<'_>) {
    let Some(within) = listener.remember_keys else {
        return;
    };
    let place = place.key("remember_keys");
    if listener.protocol != Wire::Ssh {
        notes.error(
            &place,
            "has no meaning here: only SSH knows bare keys",
            "remove the key, or move it to the ssh listener",
        );
    } else if within.0.is_zero() || within.0 > SSH_REMEMBER_KEYS_MAX {
        notes.error(
            &place,
            "is no time of up to `1h`",
            "write for example `10m`, or leave the key out: no key is remembered then",
        );
    }
}

fn ssh_listener(listener: &Listener, place: &Place, notes: &mut Notes<'_>) {
    if listener.tls.is_some() || listener.allow_plaintext_on_loopback {
        notes.error(
            &place.key("tls"),
            "has no meaning here: SSH brings its own encryption",
            "name `host_keys`, or leave them out and one is made",
        );
    }
    if !listener.host_certificates.is_empty() && listener.host_keys.is_empty() {
        notes.error(
            &place.key("host_certificates"),
            "stands without `host_keys`: a certificate is for a key",
            "name the key that the authority has signed",
        );
    }
}

fn listener_tls(listener: &Listener, place: &Place, notes: &mut Notes<'_>) {
    let loopback = listener.address.ip().is_loopback();
    if listener.allow_plaintext_on_loopback && !loopback {
        notes.error(
            &place.key("allow_plaintext_on_loopback"),
            format!("{} is no loopback address", listener.address),
            "remove the key: tokens must not travel in clear over a network",
        );
    }
    let Some(tls) = &listener.tls else {
        if !listener.allow_plaintext_on_loopback {
            notes.error(
                place,
                "has no `tls`, so no client could send its token",
                "add `tls: { certificate: FILE, key: FILE }`; on loopback `tls: { self_signed: true }` will do",
            );
        }
        return;
    };
    let place = place.key("tls");
    match (&tls.certificate, &tls.key, tls.self_signed) {
        (Some(_), Some(_), false) => {}
        (None, None, true) if loopback => {}
        (None, None, true) => notes.error(
            &place.key("self_signed"),
            format!(
                "{} is no loopback address, and nobody could verify the certificate",
                listener.address
            ),
            "use `certificate` and `key` from your authority",
        ),
        (_, _, true) => notes.error(
            &place.key("self_signed"),
            "stands beside `certificate` or `key`",
            "keep one of the two ways",
        ),
        (_, _, false) => notes.error(
            &place,
            "needs both `certificate` and `key`",
            "name both files, or use `self_signed: true` on loopback",
        ),
    }
}

fn connections(connections: &[Connection], place: &Place, notes: &mut Notes<'_>) {
    if connections.is_empty() {
        notes.warning(
            place,
            "is empty: there is nothing to connect to",
            "add a connection; the file is read again when it changes",
        );
    }
    unique(
        connections.iter().map(|c| c.name.as_str()),
        "name",
        place,
        notes,
    );
    for (index, connection) in connections.iter().enumerate() {
        let place = place.index(index);
        if connection.name.is_empty() {
            notes.error(
                &place.key("name"),
                "is empty",
                "clients ask for a connection by its name",
            );
        }
        match connection.protocol {
            Wire::Ssh => ssh_connection(connection, &place, notes),
            Wire::Kubernetes => {
                kubernetes_connection(connection, &place, notes);
                connection_tls(connection, &place, notes);
            }
            Wire::Https | Wire::Postgres => {
                postgres_connection(connection, &place, notes);
                connection_tls(connection, &place, notes);
            }
        }
    }
}

fn postgres_connection(connection: &Connection, place: &Place, notes: &mut Notes<'_>) {
    let credential = &connection.credential;
    let other = credential.certificate.is_some()
        || credential.key.is_some()
        || credential.cluster.is_some();
    let ways = [
        credential.mint.is_some(),
        credential.vault.is_some(),
        credential.rds_iam.is_some(),
        credential.fixed.is_some(),
    ];
    if other || ways.into_iter().filter(|way| *way).count() != 1 {
        notes.error(
            &place.key("credential"),
            "needs exactly one of `mint`, `vault`, `rds_iam` and `static`",
            "prefer `mint`: a role of its own for every session",
        );
    }
}

fn kubernetes_connection(connection: &Connection, place: &Place, notes: &mut Notes<'_>) {
    let credential = &connection.credential;
    let others = credential.mint.is_some()
        || credential.fixed.is_some()
        || credential.vault.is_some()
        || credential.rds_iam.is_some()
        || credential.certificate.is_some()
        || credential.key.is_some();
    let place = place.key("credential");
    let Some(cluster) = credential.cluster.as_ref().filter(|_| !others) else {
        notes.error(
            &place,
            "needs `cluster` and nothing else",
            "write `cluster: { token: \"file:/var/run/secrets/kubernetes.io/serviceaccount/token\" }`",
        );
        return;
    };
    let place = place.key("cluster");
    cluster::ways(connection, cluster, &place, notes);
    if let Some(names) = &cluster.impersonate {
        let place = place.key("impersonate");
        for (name, prefix) in [
            ("user_prefix", &names.user_prefix),
            ("group_prefix", &names.group_prefix),
        ] {
            // A part of `system:` would be completed by a name that an identity provider gives, or has.
            let prefix = prefix.split("{provider}").next().unwrap_or_default();
            if prefix.starts_with("system:") || "system:".starts_with(prefix) {
                notes.error(
                    &place.key(name),
                    "lets an identity provider name the cluster's own users and groups, such as `system:masters`",
                    "write a prefix of the gateway's own: `portcullis:`",
                );
            }
        }
    }
    if cluster.allow_weak && cluster.token.is_none() {
        notes.error(
            &place.key("allow_weak"),
            "has no meaning without `token`",
            "remove it",
        );
    }
    if let Some(prefix) = &cluster.path_prefix
        && (!prefix.starts_with('/') || prefix.ends_with('/') || !prefix.is_ascii())
    {
        notes.error(
            &place.key("path_prefix"),
            "begins with no slash, or ends with one",
            "write it as in the kubeconfig: `/k8s/clusters/c-1`",
        );
    }
}

fn ssh_connection(connection: &Connection, place: &Place, notes: &mut Notes<'_>) {
    let credential = &connection.credential;
    let ways = [
        credential.certificate.is_some(),
        credential.key.is_some(),
        credential.fixed.is_some(),
    ];
    let other = credential.mint.is_some()
        || credential.vault.is_some()
        || credential.rds_iam.is_some()
        || credential.cluster.is_some();
    if other || ways.into_iter().filter(|way| *way).count() != 1 {
        notes.error(
            &place.key("credential"),
            "needs exactly one of `certificate`, `key` and `static`",
            "prefer `certificate`: one of minutes for every session",
        );
    }
    let keys = place.key("host_keys");
    match &connection.host_keys {
        None => notes.error(
            place,
            "has no `host_keys`: anybody could be the host",
            "write `host_keys: { known_hosts: FILE }`; `ssh-keyscan HOST` prints the lines, to be compared with the host's own",
        ),
        Some(hosts) if hosts.known_hosts.is_some() != hosts.pinned.is_empty() => notes.error(
            &keys,
            "needs exactly one of `known_hosts` and `pinned`",
            "keep one of the two ways",
        ),
        Some(hosts) if hosts.accept_new && hosts.known_hosts.is_none() => notes.error(
            &keys.key("accept_new"),
            "has no meaning without `known_hosts`",
            "remove it",
        ),
        Some(hosts) if hosts.accept_new => notes.warning(
            &keys.key("accept_new"),
            "whoever stands in the place of the host when it is seen first is trusted from then on",
            "compare the key with the host's own once it is written down, and remove this",
        ),
        Some(_) => {}
    }
}

/// This machine, by its name, its address, or a path of its own.
fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host.starts_with('/')
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn connection_tls(connection: &Connection, place: &Place, notes: &mut Notes<'_>) {
    if connection.client_certificate.is_some() != connection.client_key.is_some() {
        notes.error(
            place,
            "needs both `client_certificate` and `client_key`, or neither",
            "name both files",
        );
    }
    let loopback = is_loopback(&connection.host);
    let tls = place.key("tls");
    match connection.tls {
        TlsMode::Disable if !loopback => notes.warning(
            &tls,
            format!("everything to {} travels in clear", connection.host),
            "use `verify-full`",
        ),
        TlsMode::Disable if connection.ca.is_some() => notes.error(
            &place.key("ca"),
            "has no meaning with `tls: disable`",
            "use `tls: verify-full`, or remove it",
        ),
        TlsMode::Require => notes.warning(
            &tls,
            "`require` does not look at the server's certificate: anybody could be it",
            "use `verify-full` with `ca`",
        ),
        _ => {}
    }
}

fn packs(policies: &Policies, place: &Place, notes: &mut Notes<'_>) {
    let place = place.key("packs");
    if policies.packs.iter().all(|pack| pack.dry_run) {
        notes.error(
            &place,
            "has no pack that is enforced: everything would be refused",
            "add `- builtin: access` or a folder of your own",
        );
    }
    for (index, pack) in policies.packs.iter().enumerate() {
        if pack.builtin.is_some() == pack.path.is_some() {
            notes.error(
                &place.index(index),
                "needs exactly one of `builtin` and `path`",
                "write `builtin: access`, or `path: ./policies/mine`",
            );
        }
    }
}

fn plugins(plugins: &[Plugin], place: &Place, notes: &mut Notes<'_>) {
    for (index, plugin) in plugins.iter().enumerate() {
        let place = place.index(index);
        if plugin.builtin.is_some() == plugin.path.is_some() {
            notes.error(
                &place,
                "needs exactly one of `builtin` and `path`",
                "write `builtin: mask-pii`, or `path: ./mine.wasm` with its `sha256`",
            );
        }
        plugin_trust(plugin, &place, notes);
    }
}

/// A plugin from a file is loaded because its bytes are known, or because somebody is trusted.
fn plugin_trust(plugin: &Plugin, place: &Place, notes: &mut Notes<'_>) {
    let digest = plugin.sha256.as_deref();
    let by_key = !plugin.trusted_keys.is_empty();
    if plugin.builtin.is_some() && by_key {
        notes.error(
            &place.key("trusted_keys"),
            "has no meaning for a plugin that ships with the gateway",
            "remove the key",
        );
    }
    if plugin.path.is_some() && digest.is_none() && !by_key {
        notes.error(
            &place.key("sha256"),
            "is missing: a plugin from a file is pinned, or signed by one of `trusted_keys`",
            "`portcullis plugin pin FILE` prints it",
        );
    }
    if plugin.path.is_some() && digest.is_none() && by_key {
        notes.warning(
            &place.key("trusted_keys"),
            "the plugin is not pinned: whatever version one of these keys has signed is loaded, older ones too",
            "`portcullis plugin pin FILE --config portcullis.yaml` pins the one that is there",
        );
        if plugin.name.is_none() {
            notes.error(
                &place.key("name"),
                "is missing: another plugin that the same key has signed would be loaded in its place",
                "write the `name` of its manifest; `portcullis plugin inspect FILE` prints it",
            );
        }
    }
    for (index, key) in plugin.trusted_keys.iter().enumerate() {
        if let Err(error) = PublicKey::parse(key) {
            notes.error(
                &place.key("trusted_keys").index(index),
                error.to_string(),
                "copy the line of its `.pub` file",
            );
        }
    }
    if digest.is_some_and(|d| d.len() != 64 || !d.bytes().all(|b| b.is_ascii_hexdigit())) {
        notes.error(
            &place.key("sha256"),
            "is no SHA-256",
            "write its 64 hex digits",
        );
    }
}

fn lives(session: &SessionLife, place: &Place, notes: &mut Notes<'_>) {
    if session.max.0.is_zero() {
        notes.error(
            &place.key("max"),
            "is 0: every session would end at once",
            "leave the key out for 8h",
        );
    }
}

/// Notes every name that an earlier item has too.
pub(super) fn unique<'a>(
    names: impl Iterator<Item = &'a str>,
    key: &str,
    place: &Place,
    notes: &mut Notes<'_>,
) {
    let mut seen = BTreeSet::new();
    for (index, name) in names.enumerate() {
        if !seen.insert(name) {
            notes.error(
                &place.index(index).key(key),
                format!("`{name}` is taken"),
                "give each its own",
            );
        }
    }
}
