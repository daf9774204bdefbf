//! The gateway as a program: configuration, command line, listeners, the front desk, and the one place
//! where the parts meet. It refuses to decide anything itself: who, whether, what and how are answered
//! by `identity`, `policy`, `sandbox` and `vault`, and this crate only keeps their order.

pub mod config;
