//! The tree of a shell script, as POSIX sh and bash read it. Words keep their parts, because what a part may
//! become is decided later, where values are known.
//!
//! The parser refuses what it does not know ([`Unreadable`]): a shell that reads it otherwise must not be
//! told that it is harmless. It is total: every step is paid from one [`Budget`], every nesting is counted.

mod compound;
mod parse;
mod word;

pub use parse::parse;

use std::cell::{Cell, OnceCell};
use std::rc::Rc;

/// How deep commands, words and scripts within scripts may nest.
pub const DEPTH_MAX: u32 = 48;

/// Why a text could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// No shell grammar that is known here has it.
    Syntax,
    /// Deeper, longer or more ambiguous than any bound allows.
    TooComplex,
}

/// What reading and weighing may cost, over all scripts within a script.
#[derive(Debug)]
pub struct Budget {
    steps: Cell<u32>,
}

impl Budget {
    /// So many steps.
    pub fn new(steps: u32) -> Self {
        let steps = Cell::new(steps);
        Self { steps }
    }

    /// Pays.
    pub fn spend(&self, steps: u32) -> Result<(), Unreadable> {
        match self.steps.get().checked_sub(steps) {
            Some(left) => {
                self.steps.set(left);
                Ok(())
            }
            None => Err(Unreadable::TooComplex),
        }
    }
}

/// Bytes of the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One after the last.
    pub end: usize,
}

/// Commands one after another.
#[derive(Debug, Default)]
pub struct Script {
    /// Its spans are those of another text than the one that was to be read.
    pub foreign: bool,
    /// Each ends in `;`, `&` or a newline.
    pub lists: Vec<AndOr>,
}

/// Pipelines joined by `&&` and `||`.
#[derive(Debug)]
pub struct AndOr {
    /// The first pipeline.
    pub first: Pipeline,
    /// The others; true for `&&`.
    pub rest: Vec<(bool, Pipeline)>,
    /// Ends in `&`.
    pub background: bool,
}

/// Commands joined by `|`.
#[derive(Debug)]
pub struct Pipeline {
    /// At least one.
    pub commands: Vec<Command>,
}

/// One command with its redirections.
#[derive(Debug)]
pub struct Command {
    /// Which.
    pub kind: Kind,
    /// Redirections, in order.
    pub redirects: Vec<Redirect>,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of commands.
#[derive(Debug)]
pub enum Kind {
    /// Assignments and words.
    Simple(Simple),
    /// `{ …; }`
    Group(Script),
    /// `( … )`
    Subshell(Script),
    /// `if`, `elif`: condition and body each.
    If(Vec<(Script, Script)>, Option<Script>),
    /// `while`, `until`.
    Loop(Script, Script),
    /// `for`, `select`; without words over the arguments.
    For(String, Option<Vec<Word>>, Script),
    /// `for ((…))`.
    ForArithmetic(Word, Script),
    /// `case`.
    Case(Word, Vec<(Vec<Word>, Script)>),
    /// A definition.
    Function(String, Rc<Command>),
    /// `[[ … ]]`, its words and operators.
    Conditional(Vec<Word>),
    /// `(( … ))`, and what a shell without it would make of it.
    Arithmetic(Word, Option<Script>),
    /// `coproc`.
    Coproc(Box<Command>),
}

/// A simple command.
#[derive(Debug, Default)]
pub struct Simple {
    /// Before the name.
    pub assigns: Vec<Assign>,
    /// Name and arguments.
    pub words: Vec<Word>,
}

/// `name=value`.
#[derive(Debug)]
pub struct Assign {
    /// Name, without subscript.
    pub name: String,
    /// It has a subscript, or `+=`: what the variable holds then is not followed.
    pub partial: bool,
    /// What it gets.
    pub value: Value,
}

/// The right side of an assignment.
#[derive(Debug)]
pub enum Value {
    /// One word.
    Scalar(Word),
    /// `( … )`
    Array(Vec<Word>),
}

/// A redirection.
#[derive(Debug)]
pub struct Redirect {
    /// What it does.
    pub op: RedirectOp,
    /// File, descriptor or text.
    pub target: Word,
    /// Here-document: its body, read at the next newline.
    pub body: Option<Rc<OnceCell<Word>>>,
}

/// The kinds of redirections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectOp {
    /// `<`
    Read,
    /// `>`, `>|`, `&>`, and `>&` with a file
    Write,
    /// `>>`, `&>>`
    Append,
    /// `<>`
    ReadWrite,
    /// `>&n`, `<&n`
    Duplicate,
    /// `<<`
    Document,
    /// `<<<`
    Text,
}

/// A word: what stands between blanks.
#[derive(Clone, Debug, Default)]
pub struct Word {
    /// Its parts, in order.
    pub parts: Vec<Part>,
    /// Where it stands.
    pub span: Span,
}

impl Word {
    /// The text of a word that is nothing but unquoted text: keywords and names are.
    pub fn bare(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Text(text, false)] => Some(text),
            _ => None,
        }
    }
}

/// A part of a word; `true` when it stands in quotes.
#[derive(Clone, Debug)]
pub enum Part {
    /// Text.
    Text(String, bool),
    /// `$name`, `${name…}`.
    Parameter(Rc<Parameter>, bool),
    /// `$(…)`, `` `…` ``.
    Command(Rc<Script>, bool),
    /// `$((…))`, `$[…]`, and what a shell that sees a command there would make of it.
    Arithmetic(Rc<Word>, Option<Rc<Script>>, bool),
    /// `<(…)`, `>(…)`.
    Process(Rc<Script>),
}

/// A parameter expansion.
#[derive(Debug)]
pub struct Parameter {
    /// Name, digits or special character.
    pub name: String,
    /// `${!name}`.
    pub indirect: bool,
    /// `${#name}`.
    pub length: bool,
    /// It has a subscript.
    pub subscript: Option<Word>,
    /// `:-`, `%`, `//`, …; empty for none.
    pub op: String,
    /// What follows it.
    pub argument: Word,
}
