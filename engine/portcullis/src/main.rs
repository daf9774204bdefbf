//! The program. Everything it does stands in the library, so that tests can do it too.

use std::process::ExitCode;

/// A decision is a thousand small allocations: with the C library's allocator it takes a third longer.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    portcullis::cli::main()
}
