//! Tests of the loader, the merge and the shipped packs.

mod load;
