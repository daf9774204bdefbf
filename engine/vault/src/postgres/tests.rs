//! Against a real PostgreSQL: what a minted role can do, and that nothing of it remains.

mod catalog;
mod cluster;
mod minting;
mod wire;
