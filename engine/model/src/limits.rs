//! Every bound has a name and a source. Nothing in the data path grows without one of these.

use std::time::Duration;

/// The largest frame that is read from a client or an upstream. PostgreSQL itself stops at 1 GiB
/// (`MaxAllocSize`); a gateway for many sessions stops sooner.
pub const FRAME_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The largest SQL text that is classified; above it a statement is refused (a parser's time bound).
pub const STATEMENT_BYTES_MAX: usize = 1024 * 1024;
/// PostgreSQL `MAX_STARTUP_PACKET_LENGTH` (src/include/libpq/pqcomm.h).
pub const STARTUP_BYTES_MAX: usize = 10_000;
/// From accept to admission, for the whole handshake; PostgreSQL's `authentication_timeout` is 60 s.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(15);
/// A proof (token) longer than this is refused before it is parsed.
pub const PROOF_BYTES_MAX: usize = 16 * 1024;
/// Bytes of consecutive rows that are masked, recorded and written together.
pub const BATCH_BYTES_MAX: usize = 64 * 1024;
/// Prepared statements, portals and cursors remembered per connection, each.
pub const NAMES_MAX: usize = 4096;
/// Bytes of text the name maps may hold per connection.
pub const NAMES_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Frames that wait behind a held one, in bytes.
pub const BEHIND_HOLD_BYTES_MAX: usize = 1024 * 1024;
/// How long a hold may wait when the policy does not say.
pub const HOLD_MAX: Duration = Duration::from_secs(15 * 60);
/// How often a held client is told that it still waits.
pub const HOLD_NOTICE_EVERY: Duration = Duration::from_secs(30);
/// Pending approvals one identity may have open.
pub const PENDING_PER_IDENTITY_MAX: usize = 16;
/// The cached classes of one session.
pub const CLASS_CACHE_MAX: usize = 512;
/// Text of a command in the policy's input; longer is cut and `truncated` is set.
pub const INPUT_TEXT_BYTES_MAX: usize = 64 * 1024;
/// One policy decision.
pub const POLICY_TIME_MAX: Duration = Duration::from_millis(20);
/// One plugin call on the data path.
pub const PLUGIN_CALL_MAX: Duration = Duration::from_millis(50);
/// Configuring a plugin.
pub const PLUGIN_CONFIGURE_MAX: Duration = Duration::from_secs(2);
/// Linear memory of one plugin instance.
pub const PLUGIN_MEMORY_MAX: usize = 64 * 1024 * 1024;
/// Tail bytes a masker may ask to see again.
pub const HELD_TAIL_MAX: usize = 4096;
/// Secrets shorter than this many bits of entropy are not matched in output, or a mask becomes an oracle.
pub const TRIPWIRE_BITS_MIN: u32 = 80;
/// SCRAM iterations accepted from an upstream (a malicious server can ask for 2^31).
pub const SCRAM_ITERATIONS_MAX: u32 = 1_000_000;
