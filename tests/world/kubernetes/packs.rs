//! What policy says about streams in the world with a cluster.
//!
//! It refuses ports below 1024, so that a test can see one port refused and another one let through.

/// The pack.
pub(super) const STREAMS: &str = r#"# METADATA
# title: Ports of some pods pass unread
# description: What this world says about streams that nobody can read.
package portcullis.packs.streams

import rego.v1

# METADATA
# title: Ports in two namespaces
obligation contains {"type": "opaque", "streams": ["forward"], "allow": true} if {
	input.action == "command"
	some statement in input.command.statements
	statement.call.subresource == "portforward"
	statement.call.namespace in {"old", "kube-system"}
}

# METADATA
# title: No port below 1024 there
deny contains {
	"rule": "streams/port",
	"msg": "ports below 1024 are not for this world",
	"hint": "Forward to the port that the application itself listens on.",
} if {
	input.action == "command"
	some statement in input.command.statements
	statement.call.namespace in {"old", "kube-system"}
	some port in statement.call.ports
	port < 1024
}
"#;
