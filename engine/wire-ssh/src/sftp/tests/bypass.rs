//! Every known way round over SFTP, for ever: `tests/bypass/sftp.txt`, through the inspector, the classifier that is
//! shipped, and the packs that are.

use super::*;
use portcullis_gate::{History, Question};
use portcullis_model::{
    Class, Client, Context, Effect, Facts, Identity, Kind, Principal, Protocol, Session, SessionId,
    Stage, Target, Timestamp, Verdict,
};
use portcullis_plugin_classify_shell::ClassifyShell;
use portcullis_policy::{PackSource, PolicySet};
use portcullis_sdk::testing::{ClassifierHarness, classifier};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const NOW: Timestamp = Timestamp(1_794_994_200_000_000_000);

/// The classifier and the packs.
struct Court {
    shell: ClassifierHarness<ClassifyShell>,
    set: PolicySet,
    session: Session,
}

impl Court {
    fn new() -> Self {
        let packs = [
            "access",
            "destructive_commands",
            "persistence",
            "agent_secrets",
            "agents_read_only",
        ];
        let sources: Vec<_> = packs
            .iter()
            .map(|name| PackSource::builtin(name).unwrap())
            .collect();
        let binding = json!({"kinds": ["agent"], "protocols": ["ssh"], "connections": ["web-1"]});
        let data = json!({"access": {"groups": {"agents": ["web"]}, "bindings": {"web": binding}}, "config": {}});
        Self {
            shell: classifier::<ClassifyShell>(json!({}))
                .protocol(portcullis_sdk::Protocol::Ssh)
                .stage(portcullis_sdk::Stage::Sftp),
            set: PolicySet::load_untested(&sources, data).unwrap(),
            session: session(),
        }
    }

    fn class(&mut self, text: &str) -> Class {
        let opinion = self.shell.opinion(text);
        let effect = [
            Effect::Read,
            Effect::Write,
            Effect::Destroy,
            Effect::Escalate,
            Effect::Unknown,
        ];
        let word = format!("{:?}", opinion.effect);
        let named = effect.into_iter().find(|e| format!("{e:?}") == word);
        Class {
            effect: named.expect("both speak of the same effects"),
            labels: opinion.labels.into_iter().collect(),
            verbs: portcullis_model::Verbs(opinion.verbs.0),
            ..Class::nothing()
        }
    }

    /// True when policy lets it pass without asking anybody.
    fn allows(&self, text: &str, class: &Class) -> bool {
        let facts = Facts {
            parse: portcullis_model::Parse::Ok,
            statements: Vec::new(),
            secrets: Vec::new(),
        };
        let question = Question {
            session: &self.session,
            stage: Stage::Sftp,
            text,
            parameters: &[],
            digest: "00",
            subject: None,
            facts: &facts,
            class,
            context: &Context::new(),
            history: History::default(),
            ticket: None,
            now: NOW,
        };
        matches!(
            self.set.command(&question).unwrap().verdict,
            Verdict::Allow { .. }
        )
    }
}

fn session() -> Session {
    let identity = Identity {
        principal: Principal {
            issuer: "https://idp.example.com".to_owned(),
            subject: "bot".to_owned(),
        },
        provider: "corp".to_owned(),
        kind: Kind::Agent,
        name: "bot".to_owned(),
        groups: ["agents".to_owned()].into_iter().collect(),
        claims: serde_json::Map::new(),
        actors: Vec::new(),
        owner: None,
        authenticated: Some(NOW),
        methods: Vec::new(),
        assurance: None,
        token_id: None,
        expires: NOW,
    };
    let target = Target {
        name: "web-1".to_owned(),
        protocol: Protocol::Ssh,
        labels: BTreeMap::new(),
        database: None,
        role: None,
    };
    Session {
        id: SessionId(1),
        identity: Arc::new(identity),
        target: Arc::new(target),
        client: Client {
            address: "10.1.2.3:5000".parse().unwrap(),
            program: None,
            tls: None,
        },
        started: NOW,
        node: "gw-1".to_owned(),
        login: "ana".to_owned(),
        reason: None,
        ticket: None,
        access_request: None,
    }
}

/// What became of one script.
#[derive(Default)]
struct Trial {
    labels: BTreeSet<String>,
    /// Something was refused or held.
    stopped: bool,
}

struct Script<'a> {
    court: &'a mut Court,
    stream: Stream,
    trial: Trial,
    id: u32,
}

impl Script<'_> {
    fn number(&mut self) -> u32 {
        self.id += 2;
        self.id
    }

    /// Sends it, judges what comes, and lets the host answer. Everything is allowed on, so that the whole script runs.
    fn send(&mut self, packet: Bytes) {
        self.stream.client(packet);
        for seen in self.stream.take() {
            match seen {
                Seen::Judged(operations) => operations.iter().for_each(|o| self.judge(o)),
                Seen::Refused(_) => {
                    self.trial.labels.insert("refused".to_owned());
                    self.trial.stopped = true;
                }
                _ => {}
            }
        }
    }

    fn judge(&mut self, operation: &FileOperation) {
        let text = serde_json::to_string(operation).unwrap();
        let class = self.court.class(&text);
        self.trial.stopped |= !self.court.allows(&text, &class);
        if class.effect == Effect::Unknown {
            self.trial.labels.insert("unknown".to_owned());
        }
        self.trial.labels.extend(class.labels);
    }

    fn open(&mut self, path: &str, letters: &str, mode: Option<u32>) -> String {
        let bits = [('r', 1), ('w', 2), ('a', 4), ('c', 8), ('t', 16), ('x', 32)];
        let flags = bits
            .iter()
            .filter(|(letter, _)| letters.contains(*letter))
            .map(|(_, bit)| bit)
            .sum();
        let id = self.number();
        self.send(open(id, path, flags, mode));
        let handle = format!("h{id}");
        self.stream.server(&handle_reply(id, &handle));
        self.stream.take();
        handle
    }

    fn step(&mut self, words: &[&str]) {
        let id = self.number();
        let octal = |text: &str| u32::from_str_radix(text, 8).unwrap();
        let owner = |uid: &str, gid: &str| {
            [2, uid.parse().unwrap(), gid.parse().unwrap()]
                .map(u32::to_be_bytes)
                .concat()
        };
        let numbered = |kind, parts: &[&[u8]]| packet(kind, &[&id.to_be_bytes(), &parts.concat()]);
        let sent = match words {
            ["open", path, flags] => return drop(self.open(path, flags, None)),
            ["open", path, flags, mode] => return drop(self.open(path, flags, Some(octal(mode)))),
            ["setstat", path, mode] => setstat(id, path, octal(mode)),
            ["lsetstat", path, with] => extended(
                id,
                "lsetstat@openssh.com",
                &[&string(path), &mode(octal(with))],
            ),
            ["fsetstat", path, flags, mode] => {
                let handle = self.open(path, flags, None);
                fsetstat(id, &handle, octal(mode))
            }
            ["own", path, uid, gid] => numbered(kind::SETSTAT, &[&string(path), &owner(uid, gid)]),
            ["fown", path, uid, gid] => {
                let handle = self.open(path, "r", None);
                numbered(kind::FSETSTAT, &[&string(handle), &owner(uid, gid)])
            }
            ["size", path, size] => {
                let size = size.parse::<u64>().unwrap().to_be_bytes();
                numbered(kind::SETSTAT, &[&string(path), &1_u32.to_be_bytes(), &size])
            }
            ["mkdir", path, mode] => mkdir(id, path, octal(mode)),
            ["symlink", says, stands] => {
                self.stream.host.link(stands, says);
                symlink(id, says, stands)
            }
            ["hardlink", from, to] => {
                extended(id, "hardlink@openssh.com", &[&string(from), &string(to)])
            }
            ["rename", from, to] => {
                self.stream.host.moved(from, to);
                two(kind::RENAME, id, from, to)
            }
            ["posix-rename", from, to] => extended(
                id,
                "posix-rename@openssh.com",
                &[&string(from), &string(to)],
            ),
            ["copy", from, to] => {
                let (source, sink) = (self.open(from, "r", None), self.open(to, "w", None));
                extended(
                    id,
                    "copy-data",
                    &[&string(source), &[0; 16], &string(sink), &[0; 8]],
                )
            }
            ["write", path, flags] => {
                let handle = self.open(path, flags, None);
                write(id, &handle, 0, b"x")
            }
            ["ext", name] => extended(id, name, &[&string("/etc/shadow")]),
            ["type", kind] => packet(
                kind.parse().unwrap(),
                &[&id.to_be_bytes(), &string("/etc/shadow")],
            ),
            [word, path] => one(kind_of(word), id, path),
            words => panic!("{words:?} is no step"),
        };
        self.send(sent);
    }
}

fn kind_of(word: &str) -> u8 {
    match word {
        "remove" => kind::REMOVE,
        "rmdir" => kind::RMDIR,
        "opendir" => kind::OPENDIR,
        "stat" => kind::STAT,
        "lstat" => kind::LSTAT,
        "readlink" => kind::READLINK,
        "realpath" => kind::REALPATH,
        word => panic!("{word} is no step"),
    }
}

fn tried(court: &mut Court, script: &str) -> Trial {
    let mut run = Script {
        court,
        stream: Stream::new(),
        trial: Trial::default(),
        id: 100,
    };
    for step in script.split(';') {
        let words: Vec<&str> = step.split_whitespace().collect();
        run.step(&words);
    }
    run.trial
}

fn lines(file: &'static str) -> impl Iterator<Item = (usize, &'static str, &'static str)> {
    let told = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let numbered = (1..).zip(file.lines()).filter(move |(_, line)| told(line));
    numbered.map(|(number, line)| {
        let (labels, script) = line.split_once('\t').expect("labels, a tab, a script");
        (number, labels, script)
    })
}

#[test]
fn no_way_past_is_open() {
    let mut court = Court::new();
    let mut open = Vec::new();
    let mut all = 0;
    for (number, labels, script) in lines(include_str!("../../../../../tests/bypass/sftp.txt")) {
        all += 1;
        let trial = tried(&mut court, script);
        let ordinary = labels == "allowed";
        let said = ordinary || labels.split(',').all(|label| trial.labels.contains(label));
        if !said || trial.stopped == ordinary {
            let (stopped, labels_said) = (trial.stopped, trial.labels);
            open.push(format!(
                "{number}: {labels}: {script}: stopped: {stopped}, {labels_said:?}"
            ));
        }
    }
    assert!(all > 80, "only {all} lines");
    assert!(
        open.is_empty(),
        "{} of {all} are open:\n{}",
        open.len(),
        open.join("\n")
    );
}
