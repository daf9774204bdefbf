//! What the process gives up before it holds a secret: being dumped, and being looked into by others of
//! the same user. A gateway that cannot give it up does not start.

use rustix::process::{DumpableBehavior, Resource, Rlimit};

/// Neither core dumps nor ptrace by an equal (prctl(2), `PR_SET_DUMPABLE`; setrlimit(2)).
///
/// # Errors
/// When the kernel refuses.
pub fn give_up_dumps() -> std::io::Result<()> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    rustix::process::setrlimit(Resource::Core, none)?;
    Ok(())
}

/// One cryptography provider for everything in the process.
///
/// # Errors
/// When somebody has installed another one already.
pub fn install_cryptography() -> Result<(), &'static str> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| "another cryptography provider is installed already")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_has_given_up_dumps_has_none() {
        give_up_dumps().expect("the kernel lets everybody give that up");
        let behavior = rustix::process::dumpable_behavior().expect("it can be read");
        assert_eq!(behavior, DumpableBehavior::NotDumpable);
        let core = rustix::process::getrlimit(Resource::Core);
        assert_eq!((core.current, core.maximum), (Some(0), Some(0)));
    }
}
