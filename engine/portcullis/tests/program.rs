//! The program itself: it starts, names its version and its exit codes. Being an integration test, it also
//! makes cargo build the program for everybody who runs it in tests.

use std::process::Command;

#[test]
fn the_program_names_its_version_and_refuses_nonsense() {
    let program = env!("CARGO_BIN_EXE_portcullis");
    let run = |argument: &str| {
        Command::new(program)
            .arg(argument)
            .output()
            .expect("it starts")
    };
    let version = run("--version");
    assert!(version.status.success());
    let expected = concat!("portcullis ", env!("CARGO_PKG_VERSION"));
    assert!(String::from_utf8_lossy(&version.stdout).contains(expected));
    assert_eq!(run("--no-such-flag").status.code(), Some(2));
}
