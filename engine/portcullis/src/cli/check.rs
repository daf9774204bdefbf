//! `check`: everything that is wrong, at once, before anything starts. It reads what the gateway would
//! read, compiles what it would compile and runs the policies' tests; it asks whoever keeps the secrets that the
//! file names, and no target.

mod secrets;

use crate::assemble;
use crate::cli::admin::block_on;
use crate::cli::{Exit, paint};
use crate::config::{self, Loaded, Notes, Place, Problems};
use clap::Args;
use portcullis_identity::Issuers;
use portcullis_model::escape_line;
use portcullis_policy::{PolicySet, read_data};
use portcullis_sandbox::{LoadError, Sandbox, Settings, inspect};
use serde_json::json;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  portcullis check --config portcullis.yaml
  portcullis check --config portcullis.yaml --json | jq .problems

Warnings do not change the exit code; problems make it 1.";

/// Find everything that is wrong.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Check {
    /// The configuration file
    #[arg(
        long,
        env = "PORTCULLIS_CONFIG",
        hide_env_values = true,
        default_value = "/etc/portcullis/portcullis.yaml"
    )]
    config: PathBuf,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

pub(super) fn check(check: &Check) -> Result<(), Exit> {
    let found = match config::load(&check.config) {
        Err(problems) => problems,
        Ok(loaded) => {
            let mut all = loaded.warnings.clone();
            all.0.extend(look(&loaded)?.0);
            all
        }
    };
    if check.json {
        paint::json(&json!({ "ok": !found.stop(), "problems": found.0 }))?;
    } else if found.0.is_empty() {
        paint::say(&format!("{}: nothing is wrong", check.config.display()))?;
    } else {
        paint::say(&found.to_string())?;
    }
    match found.stop() {
        true => Err(Exit::Found),
        false => Ok(()),
    }
}

/// Everything beyond the text of the file.
fn look(loaded: &Loaded) -> Result<Problems, Exit> {
    let mut notes = loaded.notes();
    listeners(loaded, &mut notes);
    issuers(loaded, &mut notes);
    connections(loaded, &mut notes);
    block_on(async {
        secrets::look(loaded, &mut notes).await;
        Ok(())
    })?;
    policies(loaded, &mut notes);
    plugins(loaded, &mut notes);
    Ok(notes.finish())
}

fn listeners(loaded: &Loaded, notes: &mut Notes<'_>) {
    let place = Place::root().key("listeners");
    for (index, listener) in loaded.config.listeners.iter().enumerate() {
        if listener.protocol == config::Wire::Ssh {
            ssh_listener(listener, &place.index(index), loaded, notes);
        } else if let Err(error) = assemble::listener_tls(listener, loaded) {
            notes.error(
                &place.index(index).key("tls"),
                error.to_string(),
                "name PEM files that the gateway's user may read and that belong together",
            );
        }
    }
}

fn issuers(loaded: &Loaded, notes: &mut Notes<'_>) {
    let place = Place::root().key("issuers");
    if let Err(error) = assemble::trust_is_local(loaded) {
        notes.error(
            &place,
            error.to_string(),
            "use an https issuer, or listen on 127.0.0.1 only",
        );
    }
    let tried = assemble::issuer_configs(loaded).map_err(|error| error.to_string());
    let clock = crate::clock::clock();
    let tried = tried.and_then(|configs| Issuers::new(configs, clock).map_err(|e| e.to_string()));
    if let Err(error) = tried {
        notes.error(&place, error, "correct the issuer that is named");
    }
}

fn connections(loaded: &Loaded, notes: &mut Notes<'_>) {
    let place = Place::root().key("connections");
    for (index, written) in loaded.config.connections.iter().enumerate() {
        let place = place.index(index);
        if written.protocol == config::Wire::Ssh {
            ssh_connection(written, &place, loaded, notes);
            continue;
        }
        if let Err(error) = assemble::upstream_tls(written, loaded) {
            notes.error(
                &place.key("tls"),
                error.to_string(),
                "name PEM files that hold what they should",
            );
        }
    }
}

fn ssh_listener(
    listener: &config::Listener,
    place: &Place,
    loaded: &Loaded,
    notes: &mut Notes<'_>,
) {
    // Without a named key one is made at start, not here.
    if listener.host_keys.is_empty() {
        return;
    }
    if let Err(error) = assemble::ssh::protocol(listener, loaded, &crate::clock::clock(), None) {
        notes.error(
            &place.key("host_keys"),
            error.to_string(),
            "name private keys in OpenSSH's form without a passphrase; `ssh-keygen -t ed25519 -N ''` makes one",
        );
    }
}

fn ssh_connection(
    written: &config::Connection,
    place: &Place,
    loaded: &Loaded,
    notes: &mut Notes<'_>,
) {
    if let Err(error) = assemble::ssh::known_hosts(written, loaded).check() {
        notes.error(
            &place.key("host_keys"),
            error.to_string(),
            "name a `known_hosts` file in which every line can be read, or keys as in a `.pub` file",
        );
    }
}

fn policies(loaded: &Loaded, notes: &mut Notes<'_>) {
    let place = Place::root().key("policies");
    let packs = place.key("packs");
    let sources = match assemble::pack_sources(loaded) {
        Ok(sources) => sources,
        Err(error) => {
            notes.error(
                &packs,
                error,
                "name a pack that ships with the gateway, or a folder",
            );
            return;
        }
    };
    let data = match &loaded.config.policies.data {
        None => Ok(json!({})),
        Some(path) => read_data(&loaded.path(path)),
    };
    let data = match data {
        Ok(data) => data,
        Err(found) => {
            notes.error(
                &place.key("data"),
                found.message.clone(),
                found.remedy.clone(),
            );
            return;
        }
    };
    if let Err(found) = PolicySet::load(&sources, data) {
        for diagnostic in found {
            let at = match diagnostic.line {
                0 => diagnostic.file.clone(),
                line => format!("{}:{line}:{}", diagnostic.file, diagnostic.column),
            };
            let message = format!("{at}: {} ({})", diagnostic.message, diagnostic.rule);
            notes.error(&packs, message, diagnostic.remedy.clone());
        }
    }
}

const LOOK_INTO: &str = "`portcullis plugin inspect FILE` looks into a file";

fn plugins(loaded: &Loaded, notes: &mut Notes<'_>) {
    let place = Place::root().key("plugins");
    let mut good = Vec::new();
    let mut failed = false;
    for (index, plugin) in loaded.config.plugins.iter().enumerate() {
        let inspected = assemble::plugins::spec(plugin, loaded).and_then(|spec| {
            let looked = inspect(&spec.name, &spec.bytes, spec.sha256.as_deref());
            looked.map(|_| spec).map_err(|error| error.to_string())
        });
        match inspected {
            Ok(spec) => good.push(spec),
            Err(error) => {
                failed = true;
                notes.error(&place.index(index), error, LOOK_INTO);
            }
        }
    }
    if failed || good.is_empty() {
        return;
    }
    let names: Vec<String> = good.iter().map(|spec| spec.name.clone()).collect();
    let tried = block_on(async {
        let sandbox = Sandbox::new(&Settings::new()).map_err(|e| Exit::refused(e.to_string()))?;
        Ok(sandbox.load(good).await.map(drop))
    });
    match tried {
        Err(exit) => notes.error(&place, exit.to_string(), "free some memory, and try again"),
        Ok(Ok(())) => {}
        Ok(Err(LoadError::Configure { name, problems })) => {
            let index = names.iter().position(|n| *n == name).unwrap_or(0);
            let config = loaded.config.plugins[index].config.clone();
            let at = place.index(index).key("config");
            for problem in problems {
                let place = at.pointer(&config.clone().unwrap_or_default(), &problem.pointer);
                let remedy = "correct it; the schema is in what `portcullis plugin inspect` prints";
                notes.error(&place, escape_line(&problem.message), remedy);
            }
        }
        Ok(Err(error)) => {
            let remedy = "correct its `config`, or ask its author";
            notes.error(&place, error.to_string(), remedy);
        }
    }
}
