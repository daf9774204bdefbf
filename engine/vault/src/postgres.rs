//! PostgreSQL: a role per session, and the catalog, both over a side connection as an administrator.
//!
//! It refuses to put a password into SQL text, to let a session run as a privileged role, and to mix the
//! side connection with anything a client says.

mod catalog;
mod catalog_rows;
mod end;
mod minter;
mod origins;
mod quote;
mod settings;
mod side_channel;
mod vault;

pub use catalog::PostgresCatalog;
pub use minter::{Access, MintRequest, Minter};
pub use side_channel::{AdminLogin, SideLogin, SideTls};
pub use vault::PostgresVault;

#[cfg(test)]
mod tests;
