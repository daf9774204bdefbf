//! The world: a real PostgreSQL, a real gateway, a development issuer and real clients, on loopback, in
//! a folder that is thrown away. Scenarios, benches and the demo run in it.
//!
//! It refuses to pretend: what cannot be found or started is an error that names the remedy, never a
//! test that passes by not running.

pub mod aws;
pub mod channels;
pub mod cluster;
#[path = "../corpus/mod.rs"]
pub mod corpus;
pub mod debian;
pub mod gateway;
pub mod helm;
pub mod host;
pub mod install;
pub mod issuer;
pub mod kubernetes;
pub mod mail;
pub mod median;
pub mod oidc;
pub mod openbao;
pub mod process;
pub mod psql;
pub mod real_kubernetes;
pub mod saml;
pub mod sample;
pub mod scratch;
pub mod ssh;
pub mod world;

pub use cluster::{Cluster, Version};
pub use gateway::Gateway;
pub use host::Host;
pub use issuer::{Issuer, Person};
pub use median::median;
pub use psql::Shown;
pub use scratch::Scratch;
pub use ssh::{SshOptions, SshWorld};
pub use world::{World, WorldOptions};
