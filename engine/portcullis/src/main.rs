//! The program. Everything it does stands in the library, so that tests can do it too.

use std::process::ExitCode;

fn main() -> ExitCode {
    portcullis::cli::main()
}
