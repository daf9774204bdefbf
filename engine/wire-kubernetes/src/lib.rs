//! The room of this protocol.
