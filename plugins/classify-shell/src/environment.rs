//! What is known of a shell while its script is followed: variables, functions, arguments, folder, umask. Where
//! ways part and meet again, only what both agree on stays known.

use crate::syntax::Command;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Variables that are followed at a time; what is set beyond is dynamic.
const VARIABLES_MAX: usize = 256;
/// Bytes of a value that is followed.
const VALUE_BYTES_MAX: usize = 4096;

/// What a variable holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// Exactly this.
    Known(String),
    /// The script has set it to what is not known.
    Dynamic,
    /// The script has not set it.
    Unset,
}

/// The state of a shell.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: BTreeMap<String, Held>,
    functions: BTreeMap<String, Vec<Rc<Command>>>,
    /// `$1`…; `None` when they are not known.
    pub arguments: Option<Vec<String>>,
    /// The current folder; `None` when it is not known.
    pub folder: Option<String>,
    /// The umask, if the script has set it.
    pub umask: Option<u32>,
}

impl Environment {
    /// What a variable holds.
    pub fn variable(&self, name: &str) -> Held {
        self.variables.get(name).cloned().unwrap_or(Held::Unset)
    }

    /// Sets it.
    pub fn set(&mut self, name: &str, value: Option<String>) {
        let held = match value {
            Some(value) if value.len() <= VALUE_BYTES_MAX && !value.contains('\0') => {
                Held::Known(value)
            }
            _ => Held::Dynamic,
        };
        if self.variables.len() < VARIABLES_MAX || self.variables.contains_key(name) {
            self.variables.insert(name.to_owned(), held);
        } else {
            // Too many to follow: nothing is known of any.
            self.forget();
        }
    }

    /// Nothing is known of any variable.
    pub fn forget(&mut self) {
        for held in self.variables.values_mut() {
            *held = Held::Dynamic;
        }
    }

    /// Defines a function.
    pub fn define(&mut self, name: &str, body: Rc<Command>) {
        self.functions.insert(name.to_owned(), vec![body]);
    }

    /// The bodies that a function may have.
    pub fn function(&self, name: &str) -> Vec<Rc<Command>> {
        self.functions.get(name).cloned().unwrap_or_default()
    }

    /// After either way was taken.
    pub fn meet(&mut self, other: Self) {
        for (name, held) in &mut self.variables {
            if !other.variables.contains_key(name) {
                *held = Held::Dynamic;
            }
        }
        for (name, held) in other.variables {
            match self.variables.get(&name) {
                Some(mine) if *mine == held => {}
                _ => {
                    self.variables.insert(name, Held::Dynamic);
                }
            }
        }
        for (name, bodies) in other.functions {
            let mine = self.functions.entry(name).or_default();
            for body in bodies {
                if !mine.iter().any(|known| Rc::ptr_eq(known, &body)) {
                    mine.push(body);
                }
            }
        }
        if self.arguments != other.arguments {
            self.arguments = None;
        }
        if self.folder != other.folder {
            self.folder = None;
        }
        if self.umask != other.umask {
            // The more open of the two.
            self.umask = Some(self.umask.unwrap_or(0o022) & other.umask.unwrap_or(0o022));
        }
    }
}
