//! The library and the packs that ship inside the binary: the same files as in `policies/`, so that what
//! is read there is what runs.

/// Path and text of a module.
pub type File = (&'static str, &'static str);

macro_rules! file {
    ($($part:literal),+) => {
        (
            concat!("builtin:", $($part),+),
            include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../policies/portcullis/",
                $($part),+
            )),
        )
    };
}

macro_rules! packs {
    ($($name:literal),* $(,)?) => {
        &[$((
            $name,
            &[
                file!("packs/", $name, ".rego"),
                file!("packs/", $name, "_test.rego"),
            ],
        )),*]
    };
}

/// The library that packs import as `data.portcullis.lib`, its tests, and the fixtures for tests.
#[must_use]
pub fn library() -> &'static [File] {
    &[
        file!("lib/lib.rego"),
        file!("lib/lib_test.rego"),
        file!("fixtures/fixtures.rego"),
    ]
}

/// The shipped packs: name, and modules with their tests.
#[must_use]
pub fn packs() -> &'static [(&'static str, &'static [File])] {
    PACKS
}

const PACKS: &[(&str, &[File])] = packs![
    "access",
    "access_requests",
    "agent_secrets",
    "agents_read_only",
    "approve",
    "break_glass",
    "cluster_view",
    "console_roles",
    "contractor_hours",
    "destructive_commands",
    "destructive_sql",
    "exfiltration",
    "mask_pii",
    "persistence",
    "prod_ddl_approval",
    "prod_sessions",
    "separation_of_duties",
    "ticket",
    "write_approval",
];

/// An example of the data that the shipped packs read: `policies/data.yaml`.
#[must_use]
pub fn example_data() -> &'static str {
    include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../policies/data.yaml"
    ))
}

/// The input documents that `policies/README.md` teaches with: a name and the document.
#[must_use]
pub fn examples() -> Vec<(String, serde_json::Value)> {
    let readme = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../policies/README.md"
    ));
    let mut heading = "";
    let mut found = Vec::new();
    for part in readme.split("\n```") {
        if let Some(text) = part.strip_prefix("json\n")
            && let Ok(input) = serde_json::from_str(text)
        {
            found.push((heading.to_owned(), input));
        }
        if let Some(last) = part.lines().rfind(|line| line.starts_with("### ")) {
            heading = last.trim_start_matches("### ");
        }
    }
    found
}
