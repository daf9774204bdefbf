//! Tokens that prove something, and every way in which one may not.

mod forgery;
mod keys;
mod mapping;
mod provider;
mod workloads;
