//! Tests of the loader, the merge and the shipped packs.

mod acme;
mod cache;
mod decide;
mod failure;
mod input;
mod load;
mod merge;
mod readme;
mod speed;
mod votes;
mod world;
