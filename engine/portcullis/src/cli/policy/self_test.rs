//! `policy self-test`: the other process of a load. It reads a packed set from its standard input, runs
//! the set's tests, and answers on its standard output. Nothing else is expected of it than to die when
//! the set makes it die.

use crate::cli::{Exit, explain, paint};
use portcullis_model::limits;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::io::Read;

pub(super) fn self_test() -> Result<(), Exit> {
    bound(Resource::As, limits::POLICY_SELF_TEST_BYTES_MAX);
    bound(Resource::Cpu, limits::POLICY_SELF_TEST_TIME_MAX.as_secs());
    // A set that overflows the stack leaves no picture of the data behind.
    bound(Resource::Core, 0);
    let mut packed = Vec::new();
    std::io::stdin().lock().read_to_end(&mut packed)?;
    let answer =
        portcullis_policy::self_test(&packed).map_err(|fault| Exit::refused(explain(&fault)))?;
    Ok(paint::json(&answer)?)
}

/// Where the kernel refuses a bound, the parent's deadline is what is left.
fn bound(resource: Resource, most: u64) {
    let _ = setrlimit(
        resource,
        Rlimit {
            current: Some(most),
            maximum: Some(most),
        },
    );
}
