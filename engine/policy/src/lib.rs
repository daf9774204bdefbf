//! Rego policies: the input document, the loader, the merge, tests and reload. The only crate that knows
//! regorus.
//!
//! Packs speak through four sets (`grant`, `deny`, `approval`, `obligation`); the answer is merged in
//! Rust. It refuses to guess: undefined, an error, a conflict, a time-out, a panic, a shape or an
//! obligation that is not known are each a denial with a rule of its own, and a set that fails any check
//! or any of its own tests never serves.

pub mod builtin;
mod bundle;
mod diagnostic;
mod explain;
mod failure;
mod format;
mod input;
mod load;
mod merge;
mod outline;
mod policy;
mod replay;
mod said;
mod self_test;
mod set;
mod source;
mod testing;
#[cfg(test)]
mod tests;

pub use diagnostic::Diagnostic;
pub use explain::{Condition, Explanation, PackExplanation, RuleExplanation};
pub use format::format;
pub use input::{ApproveQuestion, ConnectQuestion, ConsoleQuestion, Input, VERSION, schema};
pub use merge::{ROLES, Roles};
pub use outline::RuleOutline;
pub use policy::Policy;
pub use replay::{Change, Outcome, Then, change};
pub use self_test::{SelfTest, died, self_test};
pub use set::PolicySet;
pub use source::{Files, PackSource, read_data};
pub use testing::{Coverage, TestReport, TestResult};
