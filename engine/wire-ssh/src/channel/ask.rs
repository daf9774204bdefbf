//! What a channel asks for, judged before anything is opened for it. It refuses what the level of control rules out, and
//! what cannot be shown: a command line that is no text, or too long.

use super::{Ended, Stream};
use crate::back::{To, Way};
use crate::refuse;
use crate::start::{Start, Wish};
use crate::words;
use bytes::Bytes;
use portcullis_gate::{
    Allowed, Answer, ApprovalDesk, Denied, Held, House, Lane, Permit, Refusal, Ruling, before_it,
};
use portcullis_model::limits::{DEFERRED_RETRY_SECONDS, HOLD_NOTICE_EVERY, SSH_COMMAND_BYTES_MAX};
use portcullis_model::message::{Body, Command, Message, ShellCommand, Stage, Subject};
use portcullis_model::{Class, Control, Decision, Denial, Effect, Fault, Requirement, Risk, Verbs};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::time::sleep;

impl Stream {
    /// Everything the channel asks for, permitted together.
    /// What may lead back to the client comes with it.
    pub(super) async fn ask(&self, start: &Start) -> Result<(Permit, Vec<Way>), Ended> {
        let mut messages = match asked(start, self.entered.control) {
            Ok(messages) => messages,
            Err(denial) => return Err(self.deny(&denial).await?),
        };
        let command = messages.pop();
        let mut run = Vec::with_capacity(messages.len() + 1);
        let mut ways = Vec::new();
        for (to, message) in led_back(start) {
            if let Some(allowed) = self.may_lead_back(&to, message).await? {
                let decision = allowed.decision().cloned();
                ways.push(Way { to, decision });
                run.push(allowed);
            }
        }
        for message in messages.into_iter().chain(command) {
            let allowed = self.allowed(message).await?;
            self.may_pass_unread(allowed.decision()).await?;
            run.push(allowed);
        }
        if let Some(decision) = run.last().and_then(Allowed::decision) {
            let _first = self.decision.set(Arc::clone(decision));
        }
        Ok((self.commit(run).await?, ways))
    }

    /// A way back to the client, where policy has it. Where it has not the client reads why, and what it has asked for goes on
    /// without, as with a host that does not lead back.
    async fn may_lead_back(&self, to: &To, message: Message) -> Result<Option<Allowed>, Ended> {
        let control = self.entered.control;
        let refusal = match control.allows_terminals() {
            false => self.refusal(&led_nowhere(control)).await?,
            true => match self.ruled(message).await? {
                Ok(allowed) => {
                    let named = {
                        let gate = self.gate.lock().await;
                        gate.is_named(to.name(), allowed.decision())
                    };
                    match named {
                        Ok(()) => return Ok(Some(allowed)),
                        Err(denial) => self.refusal(&denial).await?,
                    }
                }
                Err(denied) => {
                    let mut gate = self.gate.lock().await;
                    refuse::denied(&mut gate, denied, self.now())?
                }
            },
        };
        self.client.refuse(Lane::Diagnostic, refusal).await?;
        Ok(None)
    }

    /// What was allowed, on record: from here on it may go to the host.
    pub(super) async fn commit(&self, run: Vec<Allowed>) -> Result<Permit, Fault> {
        let mut gate = self.gate.lock().await;
        gate.commit(run, &self.context, self.now()).await
    }

    /// What carries files is asked for by name where masks apply.
    pub(super) async fn may_pass_unread(
        &self,
        decision: Option<&Arc<Decision>>,
    ) -> Result<(), Ended> {
        let Some(name) = self.unread else {
            return Ok(());
        };
        let let_pass = self.gate.lock().await.let_unread(name, decision);
        match let_pass {
            Ok(()) => Ok(()),
            Err(denial) => Err(self.deny(&denial).await?),
        }
    }

    /// A denial that no rule of a policy gave.
    pub(super) async fn deny(&self, denial: &Denial) -> Result<Ended, Fault> {
        Ok(Ended::Refused(self.refusal(denial).await?))
    }

    async fn refusal(&self, denial: &Denial) -> Result<Refusal, Fault> {
        let mut gate = self.gate.lock().await;
        refuse::by_itself(&mut gate, denial, self.now())
    }

    /// One request, judged, and approved where that is asked for. What is denied ends the channel.
    pub(super) async fn allowed(&self, message: Message) -> Result<Allowed, Ended> {
        let denied = match self.ruled(message).await? {
            Ok(allowed) => return Ok(allowed),
            Err(denied) => denied,
        };
        let mut gate = self.gate.lock().await;
        let refusal = refuse::denied(&mut gate, denied, self.now())?;
        Err(Ended::Refused(refusal))
    }

    /// One request, judged, and approved where that is asked for. What is denied has still to be told.
    pub(super) async fn ruled(&self, message: Message) -> Result<Result<Allowed, Denied>, Ended> {
        let mut ruling = {
            let mut gate = self.gate.lock().await;
            gate.judge(message, &self.context, self.now()).await
        };
        loop {
            match ruling {
                Ruling::Allow(allowed) => return Ok(Ok(allowed)),
                Ruling::Deny(denied) => return Ok(Err(denied)),
                Ruling::Hold(held) => ruling = self.held(held).await?,
            }
        }
    }

    /// People are asked. The client is told on standard error; whatever else it does goes on meanwhile, and when it
    /// closes the channel the request is withdrawn.
    async fn held(&self, mut held: Held) -> Result<Ruling, Ended> {
        let desk = Arc::clone(&self.entered.approvals);
        let request = {
            let gate = self.gate.lock().await;
            gate.hold_request(&mut held, &self.context)
        };
        let answer = match desk.open(request).await {
            Err(fault) => Answer::Refuse(not_asked(&fault)),
            Ok((id, answer)) => {
                self.gate.lock().await.note_hold(&held, &id, self.now())?;
                match answer {
                    Some(answer) => answer,
                    None => self.wait(&held, id, desk).await?,
                }
            }
        };
        let mut gate = self.gate.lock().await;
        let ruling = gate.resolve(held, answer, &self.context, self.now()).await;
        Ok(ruling?)
    }

    async fn wait(
        &self,
        held: &Held,
        id: String,
        desk: Arc<dyn ApprovalDesk>,
    ) -> Result<Answer, Fault> {
        let requirements = held.requirements();
        let (rules, groups) = (
            Requirement::rules(requirements),
            Requirement::people(requirements),
        );
        if requirements.iter().any(|r| r.defer) {
            let mut denial = Denial::new(rules, format!("approval {id} is needed from {groups}"))
                .hint(format!(
                    "Run the same command again once {id} is approved.{}",
                    desk.decided_at(&id)
                ));
            denial.approval = Some(id);
            denial.retry_after = Some(DEFERRED_RETRY_SECONDS);
            return Ok(Answer::Refuse(denial));
        }
        self.entered
            .tether
            .doing(&format!("held, waiting for {id}"));
        let withdrawn = Withdrawn {
            desk: &*desk,
            id: &id,
            open: true,
        };
        let answer = loop {
            let (before, how) = (before_it(&*desk, &id), desk.how(&id));
            let text = format!(
                "held by {rules}: waiting for {groups}, approval {id}{before}; approve with: {how}"
            );
            self.notice(&text).await?;
            tokio::select! {
                answer = desk.wait(&id) => break answer,
                () = sleep(HOLD_NOTICE_EVERY) => {}
            }
        };
        withdrawn.answered();
        self.entered.tether.doing("");
        Ok(answer.unwrap_or_else(|fault| Answer::Refuse(not_asked(&fault))))
    }

    /// Tells the client something on standard error; that is recorded first.
    pub(super) async fn notice(&self, text: &str) -> Result<(), Fault> {
        let housed = {
            let mut gate = self.gate.lock().await;
            gate.house(House::Notice, refuse::remark(text), self.now())?
        };
        self.client.say(Lane::Diagnostic, housed).await
    }
}

/// Withdraws a request when nobody waits for it any longer.
struct Withdrawn<'d> {
    desk: &'d dyn ApprovalDesk,
    id: &'d str,
    open: bool,
}

impl Withdrawn<'_> {
    fn answered(mut self) {
        self.open = false;
    }
}

impl Drop for Withdrawn<'_> {
    fn drop(&mut self) {
        if self.open {
            self.desk.withdraw(self.id);
        }
    }
}

fn not_asked(fault: &Fault) -> Denial {
    Denial::new(
        format!("fault/{}", fault.blame.label()),
        "the approval could not be asked or waited for",
    )
    .hint("Nothing was run. Try again.")
}

/// What the channel wants to lead back to the client, and what policy is asked about it.
fn led_back(start: &Start) -> Vec<(To, Message)> {
    let asked = [
        (To::Agent, "agent-forward", start.agent),
        (To::Display, "x11-forward", start.display.is_some()),
    ];
    let asked = asked.into_iter().filter(|(_, _, asked)| *asked);
    let messages = asked.map(|(to, label, _)| {
        let mut known = known(Effect::Write, Risk::High, Verbs::NET, "leads-back");
        known.labels.insert(label.to_owned());
        let message = channel(to.name(), to.name(), known, start.bound(), Bytes::new());
        (to, message)
    });
    messages.collect()
}

fn led_nowhere(control: Control) -> Denial {
    Denial::new(
        "ssh/exec-only",
        format!(
            "this session has the level {}: nothing leads from the host back to you",
            control.word()
        ),
    )
    .hint("The command goes on without. Leave out -A, -X and -Y.")
}

/// What has to be judged before the channel starts, the command itself last.
fn asked(start: &Start, control: Control) -> Result<Vec<Message>, Denial> {
    let mut messages = Vec::with_capacity(2);
    if let Some(terminal) = &start.terminal {
        if !control.allows_terminals() {
            return Err(ruled_out(control));
        }
        if start.unread().is_some() {
            return Err(files_in_a_terminal());
        }
        let text = format!("pty {}", terminal.term);
        let known = known(Effect::Read, Risk::None, Verbs::default(), "pty");
        messages.push(channel(&text, "pty", known, start.bound(), Bytes::new()));
    }
    messages.push(match &start.wish {
        Wish::Shell if !control.allows_terminals() => return Err(ruled_out(control)),
        Wish::Shell if control == Control::Assist && start.terminal.is_none() => {
            return Err(not_followed());
        }
        // Anything can be typed into it.
        Wish::Shell => {
            let known = known(
                Effect::Unknown,
                Risk::Medium,
                Verbs::EXEC,
                "interactive-shell",
            );
            channel("shell", "shell", known, start.bound(), Bytes::new())
        }
        Wish::Subsystem(name) => subsystem(name, start)?,
        Wish::Exec(command) => exec(command, start, control)?,
    });
    Ok(messages)
}

fn ruled_out(control: Control) -> Denial {
    Denial::new(
        "ssh/exec-only",
        format!(
            "this session has the level {}: no terminals, no shells, no forwards",
            control.word()
        ),
    )
    .hint("Send one command at a time: ssh HOST 'command'.")
}

/// A terminal's line discipline edits what passes: the host would get other packets than the ones that were judged.
fn files_in_a_terminal() -> Denial {
    Denial::new(
        "ssh/pty-files",
        "files go through no terminal: it would change what was judged",
    )
    .hint("Leave out -t.")
}

/// Lines are followed where they are echoed: a shell that reads from a pipe runs what nobody has looked at.
fn not_followed() -> Denial {
    Denial::new(
        "ssh/assist",
        "this session has the level assist: a shell needs a terminal, so that its lines can be followed",
    )
    .hint("Ask for one with -t, or send one command at a time: ssh HOST 'command'.")
}

fn exec(command: &Bytes, start: &Start, control: Control) -> Result<Message, Denial> {
    let text = std::str::from_utf8(command).ok();
    let text = text.filter(|t| !t.contains('\0') && t.len() <= SSH_COMMAND_BYTES_MAX);
    let Some(text) = text.filter(|t| !t.trim().is_empty()) else {
        return Err(Denial::new(
            "ssh/no-text",
            "the command is empty, too long, or holds bytes that are no text",
        )
        .hint("Send it as UTF-8, or put it into a script on the host."));
    };
    let mut wire = command.clone();
    let mut shell = words::parts(text);
    if control == Control::Argv {
        let Some(plain) = words::words(text) else {
            return Err(Denial::new(
                "ssh/argv",
                "this session has the level argv: a command is a program and plain words",
            )
            .hint("Leave out quotes, variables, globs, pipes and redirections; put what needs them into a script."));
        };
        wire = Bytes::from(words::rebuilt(&plain));
        shell.argv = plain;
    }
    Ok(Message {
        body: Body::Command(Command {
            text: Arc::from(text),
            stage: Stage::Exec,
            subject: Subject::Shell(shell),
            known: None,
            secrets: Vec::new(),
            bound: start.bound(),
        }),
        wire,
    })
}

fn subsystem(name: &str, start: &Start) -> Result<Message, Denial> {
    if name != "sftp" {
        return Err(Denial::new(
            "ssh/subsystem",
            "the gateway knows no subsystem of that name, and passes none unread",
        )
        .hint("sftp is the one there is."));
    }
    Ok(Message {
        body: Body::Command(Command {
            text: Arc::from(name),
            stage: Stage::Subsystem,
            subject: Subject::Shell(ShellCommand {
                mode: "subsystem",
                argv: vec![name.to_owned()],
                ..ShellCommand::default()
            }),
            known: None,
            secrets: Vec::new(),
            bound: start.bound(),
        }),
        wire: Bytes::new(),
    })
}

/// A feature of a channel, which the protocol itself knows: plugins may raise what it is.
pub(super) fn channel(
    text: &str,
    mode: &'static str,
    known: Class,
    bound: Bytes,
    wire: Bytes,
) -> Message {
    Message {
        body: Body::Command(Command {
            text: Arc::from(text),
            stage: Stage::Channel,
            subject: Subject::Shell(ShellCommand {
                mode,
                argv: text.split(' ').map(str::to_owned).collect(),
                ..ShellCommand::default()
            }),
            known: Some(known),
            secrets: Vec::new(),
            bound,
        }),
        wire,
    }
}

pub(super) fn known(effect: Effect, risk: Risk, verbs: Verbs, label: &str) -> Class {
    Class {
        effect,
        risk,
        verbs,
        labels: BTreeSet::from([label.to_owned()]),
        objects: BTreeSet::new(),
        findings: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::start::{Draft, Size, Terminal};

    fn start(wish: Wish, terminal: bool) -> Start {
        let mut draft = Draft::default();
        if terminal {
            draft.terminal = Some(Terminal {
                term: "xterm".to_owned(),
                size: Size::default(),
                modes: Vec::new(),
            });
        }
        draft.start(wish).unwrap()
    }

    fn run(command: &'static [u8]) -> Wish {
        Wish::Exec(Bytes::from_static(command))
    }

    fn rule(wish: Wish, terminal: bool, control: Control) -> String {
        match asked(&start(wish, terminal), control) {
            Ok(messages) => format!("{} asked", messages.len()),
            Err(denial) => denial.rule,
        }
    }

    #[test]
    fn each_level_rules_out_what_it_says() {
        for control in [Control::Record, Control::Assist] {
            assert_eq!(rule(Wish::Shell, true, control), "2 asked");
            assert_eq!(rule(run(b"ls | wc"), false, control), "1 asked");
        }
        for control in [Control::ExecOnly, Control::Argv] {
            assert_eq!(rule(Wish::Shell, false, control), "ssh/exec-only");
            assert_eq!(rule(run(b"ls"), true, control), "ssh/exec-only");
            assert_eq!(rule(run(b"ls"), false, control), "1 asked");
        }
        assert_eq!(rule(run(b"ls | wc"), false, Control::ExecOnly), "1 asked");
        assert_eq!(rule(Wish::Shell, false, Control::Record), "1 asked");
        assert_eq!(rule(Wish::Shell, false, Control::Assist), "ssh/assist");
        assert_eq!(rule(run(b"ls | wc"), false, Control::Argv), "ssh/argv");
    }

    #[test]
    fn files_go_through_no_terminal() {
        for command in [
            &b"/usr/lib/openssh/sftp-server"[..],
            b"scp -t x",
            b"rsync --server -v . x",
            b"git-upload-pack x.git",
        ] {
            let wish = || run(command);
            assert_eq!(rule(wish(), true, Control::Record), "ssh/pty-files");
            assert_eq!(rule(wish(), false, Control::Record), "1 asked");
        }
        let sftp = || Wish::Subsystem("sftp".to_owned());
        assert_eq!(rule(sftp(), true, Control::Record), "ssh/pty-files");
        assert_eq!(rule(sftp(), true, Control::ExecOnly), "ssh/exec-only");
    }

    #[test]
    fn what_cannot_be_shown_is_not_asked() {
        for command in [&b""[..], b"  ", b"ls\0", b"ls \xff"] {
            let wish = Wish::Exec(Bytes::from_static(command));
            assert_eq!(rule(wish, false, Control::Record), "ssh/no-text");
        }
        let other = Wish::Subsystem("netconf".to_owned());
        assert_eq!(rule(other, false, Control::Record), "ssh/subsystem");
    }

    #[test]
    fn what_is_forwarded_is_what_was_judged() {
        let messages = asked(&start(run(b"ls   -l"), false), Control::Argv).unwrap();
        assert_eq!(messages[0].wire, "ls -l");
        let messages = asked(&start(run(b"ls   -l"), false), Control::ExecOnly).unwrap();
        assert_eq!(messages[0].wire, "ls   -l");
        let terminal = asked(&start(run(b"top"), true), Control::Record).unwrap();
        let wires: Vec<_> = terminal.iter().map(|m| m.wire.clone()).collect();
        assert_eq!(wires, [Bytes::new(), Bytes::from_static(b"top")]);
    }
}
