//! The program. Everything it does stands in the library, so that tests can do it too.

fn main() {}
