//! Replays of made-up sessions.
