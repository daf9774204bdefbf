//! Tests of the loader, the merge and the shipped packs.

mod acme;
mod bundle;
mod cache;
mod check;
mod console;
mod decide;
mod differences;
mod explain;
mod failure;
mod format;
mod input;
mod load;
mod merge;
mod readme;
mod replay;
mod scope;
mod self_test;
mod speed;
mod terms;
mod votes;
mod world;
