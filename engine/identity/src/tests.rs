//! Tokens that prove something, and every way in which one may not.

mod forgery;
mod keys;
mod login;
mod mapping;
mod openpubkey;
mod provider;
mod workloads;
