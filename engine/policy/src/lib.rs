//! Rego policies: the input document, the loader, the merge, tests and reload. The only crate that knows
//! regorus.
//!
//! Packs speak through four sets (`grant`, `deny`, `approval`, `obligation`); the answer is merged in
//! Rust. It refuses to guess: undefined, an error, a conflict, a time-out, a panic, a shape or an
//! obligation that is not known are each a denial with a rule of its own, and a set that fails any check
//! or any of its own tests never serves.

pub mod builtin;
mod diagnostic;
mod explain;
mod failure;
mod input;
mod load;
mod merge;
mod policy;
mod said;
mod set;
mod source;
mod testing;
#[cfg(test)]
mod tests;

pub use diagnostic::Diagnostic;
pub use explain::{Explanation, PackExplanation};
pub use input::{ApproveQuestion, ConnectQuestion, Input, VERSION, schema};
pub use policy::Policy;
pub use set::PolicySet;
pub use source::{Files, PackSource, read_data};
pub use testing::{Coverage, TestReport, TestResult};
