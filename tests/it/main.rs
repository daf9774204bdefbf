//! Everything that needs real servers, in one binary. A test that cannot find its server fails; none is
//! passed by not running.

mod admin;
mod author;
mod bad_input;
mod bypass;
mod canary;
mod certificates;
mod drivers;
mod eighteen;
mod faults;
mod kubernetes;
mod large_objects;
mod login;
mod logins;
mod obligations;
mod opa;
mod policy;
mod replication;
mod resets;
mod saml;
mod scenarios;
mod secrets;
mod ssh;
mod ssh_breakers;
mod ssh_channels;
mod ssh_edges;
mod ssh_equal;
mod ssh_files;
mod ssh_hosts;
mod ssh_recording;
mod ssh_remote;
mod ssh_sign_in;
mod ssh_tools;
mod ssh_unread;
