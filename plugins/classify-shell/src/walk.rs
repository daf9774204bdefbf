//! Follows a script as a shell would run it, command by command, and reports what each does. Where it cannot know
//! which way a shell takes, it takes all of them; where a value is not known, it says so.

use crate::environment::Environment;
use crate::expand::{ANY, Field};
use crate::labels;
use crate::paths::{self, Deed};
use crate::programs;
use crate::report::Report;
use crate::syntax::{
    AndOr, Assign, Budget, Command, Kind, Pipeline, Redirect, RedirectOp, Script, Simple,
    Unreadable, Value, Word, parse,
};
use portcullis_sdk::{Effect, Verbs};
use std::rc::Rc;

/// How deep commands within commands are followed.
const DEPTH_MAX: u32 = 40;
/// Bytes of output that is computed instead of run.
const OUTPUT_BYTES_MAX: usize = 16 * 1024;
/// Words of a `for` that are followed one by one.
const LOOP_WORDS_MAX: usize = 16;

/// Following can end only one way: it costs too much.
pub type Walk<T = ()> = Result<T, Unreadable>;

/// What a command writes to its standard output, where that can be computed.
pub type Output = Option<String>;

/// What a command reads from its standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Whatever the session sends.
    Session,
    /// Exactly this.
    Known(String),
    /// The output of something, or a file.
    Opaque {
        /// It came over the network.
        network: bool,
        /// A credential was read on the way.
        secret: bool,
    },
}

/// Follows scripts.
pub struct Walker<'b> {
    /// What has been found.
    pub report: Report,
    /// What is left to spend.
    pub budget: &'b Budget,
    /// The shell's state.
    pub environment: Environment,
    /// Depth of scripts within scripts, commands within commands.
    depth: u32,
    /// Scripts that are not part of the text itself: their places are not places in it.
    foreign: u32,
    /// Functions that are being run.
    running: Vec<String>,
    /// A terminal may follow: aliases and history count.
    pub terminal: bool,
    /// A credential was read by the commands of this pipeline.
    pub secret: bool,
    /// Something was read from the network by the commands of this pipeline.
    pub network: bool,
}

impl<'b> Walker<'b> {
    /// A fresh shell.
    pub fn new(budget: &'b Budget) -> Self {
        Self {
            report: Report::new(),
            budget,
            environment: Environment::default(),
            depth: 0,
            foreign: 0,
            running: Vec::new(),
            terminal: false,
            secret: false,
            network: false,
        }
    }

    /// The whole text.
    pub fn text(&mut self, text: &str) -> Walk<Output> {
        self.report.place.end = text.len();
        let (script, failed) = parse(text, self.depth, self.budget);
        let output = self.script(&script)?;
        match failed {
            Some(Unreadable::TooComplex) => return Err(Unreadable::TooComplex),
            Some(Unreadable::Syntax) => self.report.say(labels::UNPARSED),
            None => {}
        }
        Ok(output)
    }

    /// A script that stands in a word of another.
    pub fn nested_text(&mut self, text: &str) -> Walk<Output> {
        if text.contains(ANY) {
            self.report.say(labels::DYNAMIC_COMMAND);
        }
        self.deeper(|walker| {
            walker.foreign += 1;
            let place = walker.report.place;
            let (script, failed) = parse(text, walker.depth, walker.budget);
            let output = walker.script(&script);
            walker.foreign -= 1;
            walker.report.place = place;
            match failed {
                Some(Unreadable::TooComplex) => return Err(Unreadable::TooComplex),
                Some(Unreadable::Syntax) => walker.report.say(labels::UNPARSED),
                None => {}
            }
            output
        })
    }

    /// One level deeper.
    pub fn deeper<T>(&mut self, follow: impl FnOnce(&mut Self) -> Walk<T>) -> Walk<T> {
        self.budget.spend(8)?;
        if self.depth >= DEPTH_MAX {
            return Err(Unreadable::TooComplex);
        }
        self.depth += 1;
        let result = follow(self);
        self.depth -= 1;
        result
    }

    /// What happens in there does not change the shell.
    pub fn isolated<T>(&mut self, follow: impl FnOnce(&mut Self) -> Walk<T>) -> Walk<T> {
        let before = self.environment.clone();
        let result = self.deeper(follow);
        self.environment = before;
        result
    }

    /// `( … )`, `$( … )`.
    pub fn subshell(&mut self, script: &Script) -> Walk<Output> {
        let place = self.report.place;
        let output = self.isolated(|walker| walker.script(script));
        self.report.place = place;
        output
    }

    fn script(&mut self, script: &Script) -> Walk<Output> {
        self.foreign += u32::from(script.foreign);
        let mut output = Some(String::new());
        for list in &script.lists {
            let more = self.and_or(list)?;
            output = match (output, more) {
                (Some(mut all), Some(more)) if all.len() + more.len() <= OUTPUT_BYTES_MAX => {
                    all.push_str(&more);
                    Some(all)
                }
                _ => None,
            };
        }
        self.foreign -= u32::from(script.foreign);
        Ok(output)
    }

    fn and_or(&mut self, list: &AndOr) -> Walk<Output> {
        let mut output = self.pipeline(&list.first)?;
        if list.rest.is_empty() {
            return Ok(output.filter(|_| !list.background));
        }
        // What stands after `&&` or `||` may not have run.
        let certain = self.environment.clone();
        let mut skipped = vec![certain];
        for (and, pipeline) in &list.rest {
            if !and {
                skipped.push(self.environment.clone());
            }
            let more = self.pipeline(pipeline)?;
            output = match (and, output, more) {
                (true, Some(text), Some(more)) => Some(text + &more),
                _ => None,
            };
        }
        for environment in skipped {
            self.environment.meet(environment);
        }
        Ok(output)
    }

    fn pipeline(&mut self, pipeline: &Pipeline) -> Walk<Output> {
        let outer = (self.secret, self.network);
        (self.secret, self.network) = (false, false);
        let output = match pipeline.commands.as_slice() {
            [single] => self.command(single, Input::Session)?,
            several => {
                let mut input = Input::Session;
                let mut output = None;
                for command in several {
                    let place = self.report.place;
                    output = self.isolated(|walker| walker.command(command, input))?;
                    self.report.place = place;
                    input = match &output {
                        Some(text) => Input::Known(text.clone()),
                        None => Input::Opaque {
                            network: self.network,
                            secret: self.secret,
                        },
                    };
                }
                output
            }
        };
        self.secret |= outer.0;
        self.network |= outer.1;
        Ok(output)
    }

    /// One command.
    pub fn command(&mut self, command: &Command, input: Input) -> Walk<Output> {
        self.deeper(|walker| {
            if walker.foreign == 0 {
                walker.report.place = command.span;
            }
            let mut input = input;
            let mut silent = false;
            for redirect in &command.redirects {
                silent |= matches!(
                    redirect.op,
                    RedirectOp::Write | RedirectOp::Append | RedirectOp::Duplicate
                );
                if let Some(given) = walker.redirect(redirect)? {
                    input = given;
                }
            }
            let output = walker.kind(&command.kind, input)?;
            Ok(output.filter(|_| !silent))
        })
    }

    fn kind(&mut self, kind: &Kind, input: Input) -> Walk<Output> {
        match kind {
            Kind::Simple(simple) => return self.simple(simple, &input),
            Kind::Group(script) => return self.fed(script, &input),
            Kind::Subshell(script) => return self.isolated(|walker| walker.fed(script, &input)),
            Kind::If(branches, otherwise) => self.branches(branches, otherwise.as_ref(), &input)?,
            Kind::Loop(test, body) => {
                self.fed(test, &input)?;
                self.repeated(body)?;
            }
            Kind::For(name, words, body) => self.iterate(name, words.as_deref(), body)?,
            Kind::ForArithmetic(head, body) => {
                self.arithmetic(head)?;
                self.environment.forget();
                self.repeated(body)?;
            }
            Kind::Case(subject, arms) => self.case(subject, arms)?,
            Kind::Function(name, body) => self.define(name, body)?,
            Kind::Conditional(words) => self.conditional(words)?,
            Kind::Arithmetic(word, other) => {
                self.arithmetic(word)?;
                if let Some(script) = other {
                    self.other_reading(script)?;
                }
            }
            Kind::Coproc(command) => {
                self.isolated(|walker| walker.command(command, Input::Session))?;
            }
        }
        Ok(None)
    }

    /// A script whose first reader gets this input.
    fn fed(&mut self, script: &Script, input: &Input) -> Walk<Output> {
        match (input, script.lists.as_slice()) {
            (Input::Session, _) => self.script(script),
            (_, [list]) if list.rest.is_empty() && list.first.commands.len() == 1 => {
                self.command(&list.first.commands[0], input.clone())
            }
            // Who reads it is not followed: each may.
            _ => {
                for list in &script.lists {
                    for pipeline in
                        std::iter::once(&list.first).chain(list.rest.iter().map(|r| &r.1))
                    {
                        let mut input = input.clone();
                        for command in &pipeline.commands {
                            self.command(command, input)?;
                            input = Input::Opaque {
                                network: self.network,
                                secret: self.secret,
                            };
                        }
                    }
                }
                Ok(None)
            }
        }
    }

    /// A body that runs any number of times: what it changes is not known before it begins again.
    fn repeated(&mut self, body: &Script) -> Walk {
        let before = self.environment.clone();
        self.script(body)?;
        self.environment.meet(before);
        let again = self.environment.clone();
        self.script(body)?;
        self.environment.meet(again);
        Ok(())
    }

    fn branches(
        &mut self,
        branches: &[(Script, Script)],
        otherwise: Option<&Script>,
        input: &Input,
    ) -> Walk {
        let mut ends = Vec::new();
        for (test, body) in branches {
            self.fed(test, input)?;
            let before = self.environment.clone();
            self.fed(body, input)?;
            ends.push(std::mem::replace(&mut self.environment, before));
        }
        if let Some(body) = otherwise {
            self.fed(body, input)?;
        }
        for end in ends {
            self.environment.meet(end);
        }
        Ok(())
    }

    fn iterate(&mut self, name: &str, words: Option<&[Word]>, body: &Script) -> Walk {
        let mut values = Vec::new();
        for word in words.unwrap_or_default() {
            values.extend(self.fields(word)?);
        }
        let listed = words.is_some() && values.len() <= LOOP_WORDS_MAX;
        let certain: Option<Vec<String>> = values
            .iter()
            .map(|field| field.certain().map(str::to_owned))
            .collect();
        match certain.filter(|_| listed) {
            Some(values) => {
                let before = self.environment.clone();
                for value in values {
                    self.environment.set(name, Some(value));
                    self.script(body)?;
                }
                self.environment.meet(before);
            }
            None => {
                self.environment.set(name, None);
                self.repeated(body)?;
            }
        }
        self.environment.set(name, None);
        Ok(())
    }

    fn case(&mut self, subject: &Word, arms: &[(Vec<Word>, Script)]) -> Walk {
        self.text_of(subject)?;
        let before = self.environment.clone();
        for (patterns, body) in arms {
            for pattern in patterns {
                self.text_of(pattern)?;
            }
            let start = before.clone();
            let end = std::mem::replace(&mut self.environment, start);
            self.script(body)?;
            self.environment.meet(end);
        }
        Ok(())
    }

    fn define(&mut self, name: &str, body: &Rc<Command>) -> Walk {
        if programs::is_listed(name) {
            self.report.say(labels::REDEFINED_COMMAND);
        }
        if name == ":" || calls_itself(name, body) {
            self.report.say(labels::FORK_BOMB);
        }
        self.environment.define(name, body.clone());
        // It may be called where nobody looks: a trap, another line of the terminal.
        let place = self.report.place;
        let seen = self.isolated(|walker| {
            let outer = std::mem::replace(&mut walker.report, Report::new());
            walker.running.push(name.to_owned());
            walker.environment.arguments = None;
            let followed = walker.command(body, Input::Session);
            walker.running.pop();
            let inner = std::mem::replace(&mut walker.report, outer);
            followed.map(|_| inner)
        })?;
        self.report.place = place;
        // With arguments that nobody knows much is dynamic: only what is certain counts before a call.
        if seen.effect() < Effect::Unknown {
            self.report.join(seen);
        }
        Ok(())
    }

    /// What a shell without `((` makes of it, where that is a command that is known here.
    pub fn other_reading(&mut self, script: &Script) -> Walk {
        let outer = std::mem::replace(&mut self.report, Report::new());
        let followed = self.subshell(script);
        let inner = std::mem::replace(&mut self.report, outer);
        followed?;
        if !inner.has(labels::UNLISTED_PROGRAM) && !inner.has(labels::DYNAMIC_COMMAND) {
            self.report.join(inner);
        }
        Ok(())
    }

    fn conditional(&mut self, words: &[Word]) -> Walk {
        let mut writes = false;
        for word in words {
            // A shell without `[[` redirects into what follows `>`.
            if writes {
                for field in self.fields(word)? {
                    let found =
                        paths::labels_of(&field, self.environment.folder.as_deref(), Deed::Write);
                    found.into_iter().for_each(|label| self.report.say(label));
                }
            }
            let text = self.text_of(word)?;
            writes = text == ">";
            // `-v 'a[$(…)]'` and numbers with subscripts are evaluated once more.
            if text.contains("$(") || text.contains('`') {
                self.report.say(labels::DYNAMIC_COMMAND);
            }
        }
        Ok(())
    }

    /// A redirection; the input that it gives.
    fn redirect(&mut self, redirect: &Redirect) -> Walk<Option<Input>> {
        let known = |text: String| match text.contains(ANY) {
            true => Input::Opaque {
                network: false,
                secret: false,
            },
            false => Input::Known(text),
        };
        match redirect.op {
            RedirectOp::Document => {
                let body = redirect.body.as_ref().and_then(|body| body.get());
                let text = match body {
                    Some(body) => self.text_of(body)?,
                    None => String::new(),
                };
                return Ok(Some(known(text)));
            }
            RedirectOp::Text => {
                let text = self.text_of(&redirect.target)?;
                return Ok(Some(known(text + "\n")));
            }
            RedirectOp::Duplicate => {
                self.text_of(&redirect.target)?;
                return Ok(None);
            }
            _ => {}
        }
        let fields = self.fields(&redirect.target)?;
        let deed = match redirect.op {
            RedirectOp::Read => Deed::Read,
            RedirectOp::Append => Deed::Append,
            _ => Deed::Write,
        };
        for field in &fields {
            self.touch(field, deed);
        }
        if deed == Deed::Read {
            let network = fields.iter().any(|f| f.text.starts_with("/dev/tcp/"));
            return Ok(Some(Input::Opaque {
                network,
                secret: self.secret,
            }));
        }
        Ok(None)
    }

    /// A file is read, written or removed.
    pub fn touch(&mut self, field: &Field, deed: Deed) {
        let found = paths::labels_of(field, self.environment.folder.as_deref(), deed);
        for label in found {
            self.secret |= label == labels::CREDENTIAL_READ;
            self.report.say(label);
        }
        if deed == Deed::Read {
            self.report.does(Effect::Read, Verbs::READ);
            return;
        }
        let harmless = field.text.starts_with("/dev/null");
        if !harmless {
            self.report.does(Effect::Write, Verbs::WRITE | Verbs::FILE);
            let path = paths::plain(&field.text, self.environment.folder.as_deref());
            self.report.touches("file", &path, true);
        }
    }

    /// A file gets another name, by which it can be written where nobody looks for it.
    pub fn alias(&mut self, field: &Field) {
        let found = paths::labels_of(field, self.environment.folder.as_deref(), Deed::Write);
        // Programs and libraries have other names everywhere.
        for label in found
            .into_iter()
            .filter(|l| *l != labels::SYSTEM_FILE_WRITE)
        {
            self.report.say(label);
        }
    }

    fn simple(&mut self, simple: &Simple, input: &Input) -> Walk<Output> {
        let mut assigned = Vec::new();
        for assign in &simple.assigns {
            assigned.push((assign.name.as_str(), self.assigned(assign)?));
        }
        let mut fields = Vec::new();
        for word in &simple.words {
            fields.extend(self.fields(word)?);
        }
        if fields.is_empty() {
            for (name, value) in assigned {
                self.assign(name, value, true);
            }
            return Ok(Some(String::new()));
        }
        if assigned.is_empty() {
            return programs::run(self, &fields, input);
        }
        let before = self.environment.clone();
        for (name, value) in assigned {
            self.assign(name, value, true);
        }
        let output = programs::run(self, &fields, input)?;
        // They hold for this command alone, but for special builtins.
        self.environment.meet(before);
        Ok(output)
    }

    fn assigned(&mut self, assign: &Assign) -> Walk<Option<String>> {
        match &assign.value {
            Value::Scalar(word) => {
                let text = self.text_of(word)?;
                Ok((!assign.partial).then_some(text))
            }
            Value::Array(words) => {
                for word in words {
                    self.fields(word)?;
                }
                Ok(None)
            }
        }
    }

    /// A variable is set, for this shell or for one command.
    pub fn assign(&mut self, name: &str, value: Option<String>, exported: bool) {
        programs::variable(self, name, value.as_deref(), exported);
        self.environment.set(name, value);
    }

    /// A function of the script, if this is one.
    pub fn call(&mut self, name: &str, arguments: &[Field], input: &Input) -> Walk<Option<Output>> {
        let bodies = self.environment.function(name);
        if bodies.is_empty() {
            return Ok(None);
        }
        if self.running.iter().any(|running| running == name) {
            // It calls itself: its body has been looked at.
            return Ok(Some(None));
        }
        let known: Option<Vec<String>> = arguments
            .iter()
            .map(|field| field.certain().map(str::to_owned))
            .collect();
        let outer = std::mem::replace(&mut self.environment.arguments, known);
        self.running.push(name.to_owned());
        let mut followed = Ok(None);
        for body in bodies {
            followed = self.command(&body, input.clone());
        }
        self.running.pop();
        self.environment.arguments = outer;
        followed.map(Some)
    }
}

/// A pipeline or the background within a function that names the function: `:(){ :|:& };:`.
fn calls_itself(name: &str, body: &Command) -> bool {
    let (Kind::Group(script) | Kind::Subshell(script)) = &body.kind else {
        return false;
    };
    let names = |command: &Command| match &command.kind {
        Kind::Simple(simple) => simple.words.first().and_then(Word::bare) == Some(name),
        _ => false,
    };
    script.lists.iter().any(|list| {
        let calls = list.first.commands.iter().filter(|c| names(c)).count();
        calls > 1 || (calls == 1 && list.background)
    })
}
