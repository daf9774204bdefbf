//! What is wrong with `secrets:` and with references to it beyond their shape: names that lead nowhere, backends that
//! need each other, servers that could be anybody. Nothing is asked of anybody here.

use crate::config::problem::Notes;
use crate::config::schema::{Config, Connection, Credential, SshCertificate, Wire};
use crate::config::secret::SecretRef;
use crate::config::secrets::{AwsAccount, SecretBackends, VaultServer};
use crate::config::spans::Place;
use portcullis_model::limits;
use std::net::IpAddr;

pub(super) fn secrets(config: &Config, place: &Place, notes: &mut Notes<'_>) {
    let written = &config.secrets;
    if written.ttl.0 > limits::SECRET_CACHED_FOR_MAX {
        notes.error(
            &place.key("ttl"),
            "is more than an hour: so long a secret would be used that was replaced because it leaked",
            "leave the key out for 1m",
        );
    }
    commands(written, &place.key("commands"), notes);
    for (name, server) in &written.vault {
        let place = place.key("vault").key(name);
        address(&server.address, &place.key("address"), notes);
        vault_auth(server, &place.key("auth"), notes);
    }
    for (name, account) in &written.aws {
        aws(account, &place.key("aws").key(name), notes);
    }
    if let Some(api) = written.kubernetes.as_ref().and_then(|k| k.address.as_ref()) {
        address(api, &place.key("kubernetes").key("address"), notes);
    }
    openers(written, place, notes);
    for (place, reference) in references(config) {
        leads_somewhere(reference, written, &place, notes);
    }
    for (index, connection) in config.connections.iter().enumerate() {
        let place = Place::root().key("connections").index(index);
        engines(connection, written, &place.key("credential"), notes);
    }
}

/// Every reference of the file to a secret that a target, a provider or a mask needs, and where it stands.
pub fn references(config: &Config) -> Vec<(Place, &SecretRef)> {
    let root = Place::root();
    let mut all = Vec::new();
    for (index, connection) in config.connections.iter().enumerate() {
        let place = root.key("connections").index(index).key("credential");
        of_credential(&connection.credential, &place, &mut all);
    }
    let providers = config.login.iter().flat_map(|login| &login.providers);
    for (index, provider) in providers.enumerate() {
        let place = root.key("login").key("providers").index(index);
        all.extend(
            provider
                .client_secret
                .as_ref()
                .map(|secret| (place.key("client_secret"), secret)),
        );
    }
    all.extend(super::approvals::references(config));
    let key = config.masking.tenant_key.as_ref();
    all.extend(key.map(|key| (root.key("masking").key("tenant_key"), key)));
    all
}

fn of_credential<'c>(
    credential: &'c Credential,
    place: &Place,
    all: &mut Vec<(Place, &'c SecretRef)>,
) {
    if let Some(mint) = &credential.mint {
        let place = place.key("mint").key("admin_password");
        all.push((place, &mint.admin_password));
    }
    if let Some(login) = &credential.fixed {
        all.push((place.key("static").key("password"), &login.password));
    }
    if let Some(certificate) = &credential.certificate {
        let place = place.key("certificate");
        let authority = certificate.authority.as_ref();
        all.extend(authority.map(|a| (place.key("authority"), a)));
        let passphrase = certificate.passphrase.as_ref();
        all.extend(passphrase.map(|p| (place.key("passphrase"), p)));
    }
    if let Some(key) = &credential.key {
        let place = place.key("key");
        all.push((place.key("private_key"), &key.private_key));
        let passphrase = key.passphrase.as_ref();
        all.extend(passphrase.map(|p| (place.key("passphrase"), p)));
    }
    if let Some(cluster) = &credential.cluster {
        let place = place.key("cluster");
        let token = cluster.token.as_ref();
        all.extend(token.map(|token| (place.key("token"), token)));
        if let Some(shown) = &cluster.client_certificate {
            let place = place.key("client_certificate");
            all.push((place.key("certificate"), &shown.certificate));
            all.push((place.key("key"), &shown.key));
        }
    }
}

fn leads_somewhere(
    reference: &SecretRef,
    written: &SecretBackends,
    place: &Place,
    notes: &mut Notes<'_>,
) {
    let Some((section, name)) = reference.written().needs() else {
        return;
    };
    let there = match section {
        "store" => written.store.is_some(),
        "commands" => written.commands.contains_key(name),
        "vault" => written.vault.contains_key(name),
        "aws" => written.aws.contains_key(name),
        _ => written.kubernetes.is_some(),
    };
    if !there {
        let section = match name {
            "" => format!("secrets.{section}"),
            name => format!("secrets.{section}.{name}"),
        };
        notes.error(
            place,
            format!("`{reference}` leads to `{section}`, which is not in the file"),
            format!("add `{section}`, or correct the reference"),
        );
    }
}

/// What opens a backend stands on this machine: a backend that needed another could need itself.
fn openers(written: &SecretBackends, place: &Place, notes: &mut Notes<'_>) {
    if let Some(store) = &written.store {
        let place = place.key("store").key("key");
        let other = matches!(
            store.key.written().needs(),
            Some(("store" | "vault" | "aws" | "kubernetes", _))
        );
        if other {
            notes.error(
                &place,
                "is itself in a backend",
                "keep the store's key in a file, a variable or a systemd credential, or have a command print it",
            );
        }
        leads_somewhere(&store.key, written, &place, notes);
    }
    for (place, reference) in opening(written, place) {
        let other = matches!(
            reference.written().needs(),
            Some(("vault" | "aws" | "kubernetes", _))
        );
        if other {
            notes.error(
                &place,
                "opens a backend and is itself in one",
                "keep it in a file, a variable, a systemd credential or the store, or have a command print it",
            );
        }
        leads_somewhere(reference, written, &place, notes);
    }
}

fn opening<'c>(written: &'c SecretBackends, place: &Place) -> Vec<(Place, &'c SecretRef)> {
    let mut all = Vec::new();
    for (name, server) in &written.vault {
        let (auth, place) = (&server.auth, place.key("vault").key(name).key("auth"));
        all.extend(auth.token.as_ref().map(|t| (place.key("token"), t)));
        let approle = auth.approle.as_ref().map(|a| &a.secret_id);
        all.extend(approle.map(|s| (place.key("approle").key("secret_id"), s)));
        let jwt = auth.jwt.as_ref().map(|j| &j.token);
        all.extend(jwt.map(|t| (place.key("jwt").key("token"), t)));
        let kubernetes = auth.kubernetes.as_ref().map(|k| &k.token);
        all.extend(kubernetes.map(|t| (place.key("kubernetes").key("token"), t)));
    }
    for (name, account) in &written.aws {
        let place = place.key("aws").key(name).key("keys");
        if let Some(keys) = &account.keys {
            all.push((place.key("secret_access_key"), &keys.secret_access_key));
            let token = keys.session_token.as_ref();
            all.extend(token.map(|t| (place.key("session_token"), t)));
        }
    }
    let token = written.kubernetes.as_ref().and_then(|k| k.token.as_ref());
    all.extend(token.map(|t| (place.key("kubernetes").key("token"), t)));
    all
}

fn commands(written: &SecretBackends, place: &Place, notes: &mut Notes<'_>) {
    for (name, command) in &written.commands {
        let place = place.key(name);
        if !command.argv.first().is_some_and(|p| p.starts_with('/')) {
            notes.error(
                &place.key("argv"),
                "does not begin with the whole path of a program: there is no shell, and no PATH to look in",
                "write it as `[/usr/bin/op, read, \"op://…\"]`",
            );
        }
        if command.timeout.0.is_zero() || command.timeout.0 > limits::SECRET_COMMAND_MAX {
            notes.error(
                &place.key("timeout"),
                "is no time for a command that sessions wait for",
                "leave the key out for 10s; it is a minute at most",
            );
        }
    }
}

fn vault_auth(server: &VaultServer, place: &Place, notes: &mut Notes<'_>) {
    let auth = &server.auth;
    let ways = [
        auth.token.is_some(),
        auth.approle.is_some(),
        auth.jwt.is_some(),
        auth.kubernetes.is_some(),
    ];
    if ways.into_iter().filter(|way| *way).count() != 1 {
        notes.error(
            place,
            "needs exactly one of `token`, `approle`, `jwt` and `kubernetes`",
            "prefer what the platform gives: `kubernetes` or `jwt`",
        );
    }
    if auth.token.is_some() {
        notes.warning(
            &place.key("token"),
            "is static: whoever learns it is the gateway at that server until it is revoked",
            "use `kubernetes`, `jwt`, or `approle` with a secret id that is bound to the gateway's address",
        );
    }
}

fn aws(account: &AwsAccount, place: &Place, notes: &mut Notes<'_>) {
    if account.from.is_some() == account.keys.is_some() {
        notes.error(
            place,
            "needs exactly one of `from` and `keys`",
            "write `from: instance` on EC2, `from: web-identity` on EKS",
        );
    }
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if account.region.is_empty() || !account.region.chars().all(fits) {
        notes.error(
            &place.key("region"),
            "is no region",
            "write it as `eu-central-1`",
        );
    }
    if let Some(endpoint) = &account.endpoint {
        address(endpoint, &place.key("endpoint"), notes);
    }
    if account
        .keys
        .as_ref()
        .is_some_and(|k| k.session_token.is_none())
    {
        notes.warning(
            &place.key("keys"),
            "are static: whoever learns them is the gateway at AWS until they are deactivated",
            "use `from: instance` or `from: web-identity`, or keys of a role with a `session_token`",
        );
    }
}

/// Secrets travel over it: https, or http to this machine.
fn address(address: &str, place: &Place, notes: &mut Notes<'_>) {
    let rest = address.strip_prefix("http://");
    let host = rest.map(|rest| rest.split(['/', ':']).next().unwrap_or_default());
    let loopback = host
        .is_some_and(|h| h == "localhost" || h.parse().is_ok_and(|ip: IpAddr| ip.is_loopback()));
    let secure = address
        .strip_prefix("https://")
        .is_some_and(|rest| !rest.is_empty() && !rest.contains('@'));
    if !secure && !loopback {
        notes.error(
            place,
            "is no https address: secrets would travel in clear, to anybody",
            "write `https://HOST:PORT`; http is for loopback only",
        );
    }
}

/// Credentials that an engine of a backend makes.
fn engines(
    connection: &Connection,
    written: &SecretBackends,
    place: &Place,
    notes: &mut Notes<'_>,
) {
    let credential = &connection.credential;
    let certificate = credential.certificate.as_ref();
    let roles = [
        (credential.vault.as_ref(), place.key("vault")),
        (
            certificate.and_then(|c| c.vault.as_ref()),
            place.key("certificate").key("vault"),
        ),
    ];
    for (role, place) in roles {
        let Some(role) = role else { continue };
        if !written.vault.contains_key(&role.server) {
            let server = &role.server;
            notes.error(
                &place.key("server"),
                format!("`secrets.vault.{server}` is not in the file"),
                "name one of `secrets.vault`",
            );
        }
    }
    if let Some(rds) = &credential.rds_iam {
        let place = place.key("rds_iam");
        if !written.aws.contains_key(&rds.account) {
            notes.error(
                &place.key("account"),
                format!("`secrets.aws.{}` is not in the file", rds.account),
                "name one of `secrets.aws`",
            );
        }
        if crate::assemble::channel(connection) == portcullis_vault::Channel::Open {
            notes.error(
                &place,
                "the server asks for the token in clear, and anybody could be the server",
                "use `tls: verify-full` with RDS's authorities as `ca`",
            );
        }
    }
    if let (Some(certificate), Wire::Ssh) = (certificate, connection.protocol) {
        signer(certificate, &place.key("certificate"), notes);
    }
}

fn signer(certificate: &SshCertificate, place: &Place, notes: &mut Notes<'_>) {
    let ways = [
        certificate.authority.is_some(),
        certificate.agent.is_some(),
        certificate.vault.is_some(),
    ];
    if ways.into_iter().filter(|way| *way).count() != 1 {
        notes.error(
            place,
            "needs exactly one of `authority`, `agent` and `vault`",
            "write `authority: file:/etc/portcullis/ssh-ca`",
        );
    }
    if certificate.passphrase.is_some() && certificate.authority.is_none() {
        notes.error(
            &place.key("passphrase"),
            "has no meaning without `authority`",
            "remove it",
        );
    }
    let key = certificate.agent.as_ref().map(|agent| &agent.public_key);
    if key.is_some_and(|key| portcullis_vault::Agent::new("/".into(), key).is_err()) {
        notes.error(
            &place.key("agent").key("public_key"),
            "is no public key",
            "copy the line of the authority's `.pub` file; `ssh-add -L` prints it",
        );
    }
}
