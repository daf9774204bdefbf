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
/// Frames released together that stand in one entry of the record: beyond, a copy costs more than an entry.
pub const RELEASES_JOINED_BYTES_MAX: usize = 4 * 1024;
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
/// How many whole decision entries of a session a shortened one may reach back over: whoever reads the
/// record keeps so many.
pub const DECISION_BASES_MAX: usize = 128;
/// Texts' facts whose class one session remembers.
pub const GRADES_MAX: usize = 64;
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
/// Wasm stack of one plugin call; deeper recursion is a trap.
pub const PLUGIN_STACK_MAX: usize = 512 * 1024;
/// A component that is larger is not loaded.
pub const PLUGIN_BYTES_MAX: usize = 32 * 1024 * 1024;
/// A manifest that is longer is not read.
pub const PLUGIN_MANIFEST_BYTES_MAX: usize = 256 * 1024;
/// How deep a plugin's configuration and its schema may nest, references included.
pub const PLUGIN_CONFIG_DEPTH_MAX: usize = 32;
/// Steps of comparing a configuration with its schema: both come from outside.
pub const PLUGIN_CONFIG_STEPS_MAX: usize = 1_000_000;
/// What is said about one plugin's configuration at most.
pub const PLUGIN_CONFIG_PROBLEMS_MAX: usize = 16;
/// The signature that lies beside a plugin.
pub const PLUGIN_SIGNATURE_BYTES_MAX: usize = 4096;
/// Text that goes into one plugin call; more is shown in several, overlapping by [`HELD_TAIL_MAX`].
pub const PLUGIN_CALL_BYTES_MAX: usize = 256 * 1024;
/// Facts that go into one plugin call, as JSON.
pub const PLUGIN_FACTS_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes a plugin may answer with in one call.
pub const PLUGIN_ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of one replacement that a masker brings along.
pub const PLUGIN_REPLACEMENT_MAX: usize = 4096;
/// Findings, labels and objects of one opinion, each.
pub const PLUGIN_FINDINGS_MAX: usize = 1024;
/// Live plugin instances of a node; each needs address space, not memory, until it is used.
pub const PLUGIN_INSTANCES_MAX: u32 = 4096;
/// An instance that was not called for so long is dropped, and built again when it is needed.
pub const PLUGIN_IDLE_MAX: Duration = Duration::from_secs(30);
/// So many failures of a plugin for one identity on one target within [`QUARANTINE_WINDOW`] end its use there.
pub const QUARANTINE_FAILURES: usize = 3;
/// So many unrelated identities in quarantine end the use of a plugin everywhere.
pub const QUARANTINE_IDENTITIES: usize = 3;
/// See [`QUARANTINE_FAILURES`].
pub const QUARANTINE_WINDOW: Duration = Duration::from_secs(60);
/// How long a quarantine lasts.
pub const QUARANTINE_LASTS: Duration = Duration::from_secs(300);
/// Quarantine records kept; the oldest go first.
pub const QUARANTINE_RECORDS_MAX: usize = 4096;
/// Tail bytes a masker may ask to see again.
pub const HELD_TAIL_MAX: usize = 4096;
/// Bytes of a stream that has gone already which maskers see again in front of what comes: what stands before a word.
pub const STREAM_CONTEXT_BYTES: usize = 64;
/// Bytes of a stream that are held because something in them has not ended yet: longer than any key in PEM.
pub const STREAM_HELD_MAX: usize = 64 * 1024;
/// Secrets shorter than this many bits of entropy are not matched in output, or a mask becomes an oracle.
pub const TRIPWIRE_BITS_MIN: u32 = 80;
/// SCRAM iterations accepted from an upstream (a malicious server can ask for 2^31).
pub const SCRAM_ITERATIONS_MAX: u32 = 1_000_000;
/// How long a login that the gateway issues may be good for.
pub const LOGIN_SECRET_MAX: Duration = Duration::from_secs(3600);
/// Logins of the gateway's own that are in force at a time.
pub const LOGINS_MAX: usize = 16_384;
/// The same of one identity.
pub const LOGINS_PER_IDENTITY_MAX: usize = 32;
/// How long somebody may take to log in at a provider, from the first request to the last.
pub const LOGIN_PENDING_MAX: Duration = Duration::from_secs(600);
/// Logins at providers that are under way at a time.
pub const LOGINS_PENDING_MAX: usize = 1024;
/// Requests that one address may make to the HTTPS listener within a minute: a login waits for another device
/// with a request every few seconds.
pub const PORTAL_REQUESTS_PER_MINUTE: u32 = 240;
/// Connections that one address may open there within a minute, where the console is served: a browser opens several.
pub const PORTAL_CONNECTIONS_PER_MINUTE: u32 = 960;
/// Connections of one address to the HTTPS listener that are open at a time and have not proved anything yet: a browser
/// opens six to a host, and an office has several people behind one address.
pub const PORTAL_STRANGERS_MAX: usize = 64;
/// Addresses that are counted at a time.
pub const PORTAL_ADDRESSES_MAX: usize = 16_384;
/// Requests that one login may make to the console within a minute: a person with a page that looks again, and a program
/// that reads lists.
pub const CONSOLE_REQUESTS_PER_MINUTE: u32 = 1200;
/// People who are logged in to the console at a time.
pub const VISITS_MAX: usize = 4096;
/// The same of one identity: a laptop, a phone, a second browser.
pub const VISITS_PER_IDENTITY_MAX: usize = 8;
/// Live sessions that are watched at a time; each holds a connection.
pub const WATCHES_MAX: usize = 64;
/// The same of one identity.
pub const WATCHES_PER_IDENTITY_MAX: usize = 4;
/// Films that are played at a time; each reads the record on a thread of its own as long as it lasts.
pub const FILMS_MAX: usize = 16;
/// The same of one identity.
pub const FILMS_PER_IDENTITY_MAX: usize = 4;
/// A film ends when whoever plays it takes nothing for so long.
pub const FILM_STALL_MAX: Duration = Duration::from_secs(30);
/// How often it is looked whether a session that is watched has ended.
pub const WATCH_LOOK: Duration = Duration::from_millis(500);
/// Entries of all live sessions that are kept for whoever watches one: a slow page misses older ones.
pub const FEED_ENTRIES_MAX: usize = 1024;
/// An entry that is shown live: a result of 64 KiB is a page of its own.
pub const FEED_PAYLOAD_BYTES_MAX: usize = 64 * 1024;
/// Questions of the console that read the record at a time; each reads from disk.
pub const ARCHIVE_READERS_MAX: usize = 8;
/// Pages of the index that are looked through for one page of the console.
pub const ARCHIVE_PAGES_MAX: usize = 20;
/// A text on a page: a longer one is cut, and says so.
pub const CONSOLE_TEXT_BYTES_MAX: usize = 64 * 1024;
/// Rows of a result on a page.
pub const CONSOLE_ROWS_MAX: usize = 100;
/// Characters of a cell on a page.
pub const CONSOLE_CELL_CHARS_MAX: usize = 400;
/// Terminals of a session that its page lists.
pub const CONSOLE_TERMINALS_MAX: usize = 50;
/// Rules of packs on trial that a page lists.
pub const TRIAL_RULES_MAX: usize = 200;
/// Decisions that a page on packs on trial counts: the latest ones.
pub const TRIAL_DECISIONS_MAX: usize = 20_000;
/// A connection of a browser to the console; it opens another one by itself.
pub const CONSOLE_CONNECTION_MAX: Duration = Duration::from_secs(3600);
/// From the return of the browser to the moment when the command line fetches its token.
pub const LOGIN_CODE_MAX: Duration = Duration::from_secs(60);
/// Whoever votes, reviews or delegates has logged in within this time, unless the operator says otherwise: as in the console.
pub const FRESH_LOGIN: Duration = Duration::from_secs(15 * 60);
/// Clocks of a provider and the gateway may differ by this much where it is about when somebody logged in; as for tokens.
pub const PROOF_SKEW: Duration = Duration::from_secs(60);
/// Certificates of people that are in force at a time.
pub const CERTIFICATES_MAX: usize = 65_536;
/// The same of one identity: two for each machine that asks.
pub const CERTIFICATES_PER_IDENTITY_MAX: usize = 64;
/// The least time that a cluster gives a ServiceAccount's token for (k8s.io/kubernetes, validation of TokenRequest).
pub const CLUSTER_TOKEN_TTL_MIN: Duration = Duration::from_secs(600);
/// And the most that is asked for: a leaked one cannot be taken back.
pub const CLUSTER_TOKEN_TTL_MAX: Duration = Duration::from_secs(24 * 3600);
/// How long a certificate of a person may be good for.
pub const CERTIFICATE_TTL_MAX: Duration = Duration::from_secs(12 * 3600);
/// People who are logged in at a time, each with what refreshes their tokens.
pub const SIGNED_IN_MAX: usize = 16_384;
/// The same of one identity: laptops, jump hosts.
pub const SIGNED_IN_PER_IDENTITY_MAX: usize = 16;
/// The shortest login that is issued: the limit per identity is a limit per minute then.
pub const LOGIN_SECRET_MIN: Duration = Duration::from_secs(60);
/// Targets that an exchanged token may name.
pub const NARROWED_TARGETS_MAX: usize = 64;
/// What an exchanged token may say it is for.
pub const TASK_BYTES_MAX: usize = 256;
/// A SAML response, decoded.
pub const SAML_BYTES_MAX: usize = 256 * 1024;
/// How deep its elements may nest.
pub const SAML_DEPTH_MAX: usize = 32;
/// Its elements.
pub const SAML_ELEMENTS_MAX: usize = 4096;
/// Attributes of one of its elements.
pub const SAML_ATTRIBUTES_MAX: usize = 32;
/// Groups one token may carry; Entra's own overage limit is 200.
pub const TOKEN_GROUPS_MAX: usize = 1024;
/// One group, subject, issuer or key id.
pub const TOKEN_NAME_BYTES_MAX: usize = 1024;
/// Nested `act` claims (RFC 8693 section 4.1): who acts for whom, that deep.
pub const TOKEN_ACTORS_MAX: usize = 8;
/// How deep the JSON of a token or a key set may nest.
pub const TOKEN_JSON_DEPTH_MAX: usize = 16;
/// A key set or a discovery document.
pub const JWKS_BYTES_MAX: usize = 256 * 1024;
/// Keys remembered per issuer.
pub const JWKS_KEYS_MAX: usize = 64;
/// One request to an identity provider, from connect to the last byte.
pub const JWKS_FETCH_MAX: Duration = Duration::from_secs(5);
/// Between two fetches that an unknown `kid` may cause, per issuer.
pub const JWKS_COOL_DOWN: Duration = Duration::from_secs(30);
/// How often keys are fetched anew when the provider does not ask for more often.
pub const JWKS_REFRESH_EVERY: Duration = Duration::from_secs(3600);
/// How long the last good keys serve while the provider is down.
pub const JWKS_STALE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Identities whose last hour is remembered on one node; about a kilobyte each.
pub const LEDGER_IDENTITIES_MAX: usize = 65_536;
/// The longest time a grant of people stands, and the latest a broken glass is reviewed: a month.
pub const GRANT_TTL_MAX: Duration = Duration::from_secs(31 * 24 * 3600);
/// Grants that stand at once on a node.
pub const GRANTS_MAX: usize = 10_000;
/// Delegations of one person at once.
pub const DELEGATIONS_PER_PERSON_MAX: usize = 8;
/// Delegations of a node.
pub const DELEGATIONS_MAX: usize = 10_000;
/// Reviews of a node that are kept, closed ones among them.
pub const REVIEWS_MAX: usize = 10_000;
/// The file of the approval desk, before it is written anew.
pub const DESK_FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// One line in it: a request with what it shows.
pub const DESK_LINE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What is kept of a command's text: more than anybody reads; the rest is told by its digest.
pub const DESK_SHOWN_BYTES_MAX: usize = 64 * 1024;
/// Messages that wait to be delivered: a desk that is full of requests, told of to a few receivers.
pub const OUTBOX_MAX: usize = 20_000;
/// Signed messages that are remembered so that none counts twice: more within ten minutes are no callbacks.
pub const CALLBACKS_SEEN_MAX: usize = 10_000;
/// Codes of chat accounts that wait to be linked.
pub const CHAT_CODES_MAX: usize = 1024;
/// Tickets of which is remembered what their system said.
pub const TICKETS_KNOWN_MAX: usize = 16_384;
/// A ticket that a client names.
pub const TICKET_BYTES_MAX: usize = 128;
/// Tokens remembered that are good for one use and were used.
pub const TOKENS_USED_MAX: usize = 100_000;
/// The most that clocks may be said to differ by: beyond it an expired token is simply accepted.
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(300);
/// Revocations remembered at a time.
pub const REVOCATIONS_MAX: usize = 100_000;
/// Secrets that are matched in output at a time: live credentials and static ones.
pub const TRIPWIRE_SECRETS_MAX: usize = 65_536;
/// Spans of secrets in one statement; with more of them the whole text counts as one.
pub const SECRET_SPANS_MAX: usize = 1024;
/// A secret longer than this is not matched whole (a file that is no password).
pub const SECRET_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a tenant's key at least: 256 bits, what HMAC-SHA-256 can make use of (RFC 2104, section 3).
pub const TENANT_KEY_BYTES_MIN: usize = 32;
/// And at most: nobody needs more, and a file that is no key is none.
pub const TENANT_KEY_BYTES_MAX: usize = 1024;
/// Names and sub-selects that the outline of one statement may hold; more are not followed.
pub const OUTLINE_READS_MAX: usize = 4096;
/// How deep the sub-selects of an outline may nest.
pub const OUTLINE_DEPTH_MAX: usize = 24;
/// Columns that are looked at while one outline is traced: some milliseconds.
pub const TRACE_STEPS_MAX: usize = 250_000;
/// Rounds in which a recursive query has to come to rest.
pub const TRACE_ROUNDS_MAX: usize = 8;
/// Statements whose traces one session remembers.
pub const TRACES_MAX: usize = 256;
/// Relations of one target that the catalog remembers; a bigger target is unknown, and masked.
pub const CATALOG_RELATIONS_MAX: usize = 200_000;
/// How old the catalog of a target may be.
pub const CATALOG_AGE_MAX: Duration = Duration::from_secs(30);
/// How long a secret that had to be fetched is used before it is fetched again.
pub const SECRET_CACHED_FOR: Duration = Duration::from_secs(60);
/// How long that may be set to, at most: so old is a secret that was replaced because it leaked.
pub const SECRET_CACHED_FOR_MAX: Duration = Duration::from_secs(3600);
/// Fetched secrets that are kept at a time.
pub const SECRETS_CACHED_MAX: usize = 4096;
/// One request to a secret store, from connect to the last byte.
pub const SECRET_FETCH_MAX: Duration = Duration::from_secs(10);
/// A secret store that makes a login has so long: it may make one although nobody waits any longer, and that one has to
/// be given back.
pub const SECRET_DRAW_MAX: Duration = Duration::from_secs(120);
/// The answer of a secret store: room for a secret of the longest kind in base64, and what stands around it.
pub const SECRET_ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// What a command may print that prints a secret.
pub const SECRET_COMMAND_BYTES_MAX: usize = 256 * 1024;
/// How long such a command may run, unless it is said, and at most.
pub const SECRET_COMMAND_MAX: Duration = Duration::from_secs(60);
/// Entries of the encrypted store.
pub const STORE_ENTRIES_MAX: usize = 1000;
/// The file of the encrypted store: entries of the longest kind, in base64.
pub const STORE_BYTES_MAX: u64 = 96 * 1024 * 1024;
/// One statement on a side connection (role minting, catalog).
pub const SIDE_STATEMENT_MAX: Duration = Duration::from_secs(10);
/// One entry of the record; a release of the largest frame fits with room to spare.
pub const RECORD_ENTRY_BYTES_MAX: usize = 2 * FRAME_BYTES_MAX;
/// What one session may still write into the journal's reserve once the disk is full.
pub const RESERVE_PER_SESSION_BYTES_MAX: u64 = 64 * 1024;
/// Bytes of one command that the index keeps; more than a screen shows, and the record has all of it.
pub const INDEX_TEXT_BYTES_MAX: usize = 16 * 1024;
/// Rows of one page of the index.
pub const INDEX_PAGE_MAX: usize = 1000;
/// Words of one search.
pub const INDEX_WORDS_MAX: usize = 32;
/// A question to the index; ten times what the worst of a million commands takes.
pub const INDEX_QUERY_MAX: Duration = Duration::from_secs(5);
/// Sessions that one entry says are shredded; an entry stays readable.
pub const SHREDDED_PER_ENTRY_MAX: usize = 500;
/// Bytes of one answer in an export; the record has all of it.
pub const EXPORTED_BODY_BYTES_MAX: usize = 1024 * 1024;
/// One segment on its way to where copies are kept: 64 MiB at half a megabyte a second.
pub const COPY_PUT_MAX: Duration = Duration::from_secs(128);
/// Bytes of the log that a sink takes in one batch.
pub const SINK_BATCH_BYTES: usize = 1024 * 1024;
/// From the first byte of a batch to the collector's answer.
pub const SINK_DELIVERY_MAX: Duration = Duration::from_secs(30);
/// What a collector answers with; more is refused.
pub const SINK_ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Modules and data of a policy in one entry of the record; beyond it the data is left out, the revision covers it.
pub const POLICY_SNAPSHOT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Rows of a table in a report for people; its files have all of them.
pub const EVIDENCE_ROWS_SHOWN_MAX: usize = 2000;
/// Bytes of the log that the index takes in one transaction.
pub const INDEX_BATCH_BYTES: usize = 16 << 20;
/// Sessions that one checkpoint names with the head of their chain; the root covers all of them.
pub const CHECKPOINT_HEADS_MAX: usize = 64;
/// Requests the approval desk remembers, finished ones included; the oldest finished go first.
pub const APPROVALS_MAX: usize = 10_000;
/// How long a finished approval can still be shown.
pub const APPROVAL_SHOWN_FOR: Duration = Duration::from_secs(24 * 3600);
/// How long a no is the answer to a client that comes back by itself to the same door: longer than all the requests of one
/// command, which `kubectl` sends one after the other, and short for somebody who asks anew.
pub const APPROVAL_NO_HEARD_FOR: Duration = Duration::from_secs(60);
/// The reason given with a vote.
pub const VOTE_REASON_BYTES_MAX: usize = 4096;
/// The whole input document of one decision.
pub const POLICY_INPUT_BYTES_MAX: usize = 2 * 1024 * 1024;
/// One policy module.
pub const POLICY_FILE_BYTES_MAX: usize = 1024 * 1024;
/// The modules of one policy set, and of one folder.
pub const POLICY_MODULES_MAX: usize = 512;
/// How deep packs are looked for below a folder.
pub const POLICY_FOLDER_DEPTH_MAX: usize = 8;
/// The data document of one policy set.
pub const POLICY_DATA_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What one policy bundle may unpack to.
pub const POLICY_BUNDLE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How deep the data document may be nested.
pub const POLICY_DATA_DEPTH_MAX: usize = 64;
/// How deep rules and functions may call each other: the interpreter uses the stack.
pub const POLICY_CALL_DEPTH_MAX: usize = 32;
/// Answers of packs that one policy set remembers.
pub const POLICY_CACHE_MAX: usize = 8192;
/// Outcomes of all packs together that one policy set remembers.
pub const POLICY_OUTCOMES_MAX: usize = 2048;
/// Sessions whose part of the policy's input is kept rendered.
pub const POLICY_STANDINGS_MAX: usize = 4096;
/// Engines that one policy set keeps for the next decisions: about one for each thread that decides.
pub const POLICY_ENGINES_MAX: usize = 16;
/// What one pack may say about one question: grants, denials, approvals and obligations together.
pub const POLICY_SAID_MAX: usize = 1024;
/// A rule's message or hint, in bytes; longer is cut.
pub const POLICY_MSG_BYTES_MAX: usize = 1024;
/// A path into a JSON document, as policy writes it.
pub const JSON_PATH_BYTES_MAX: usize = 512;
/// Its steps: where a document is read, each costs one bit of a word per level.
pub const JSON_PATH_STEPS_MAX: usize = 31;
/// How deep a document may nest whose parts are masked by path; a deeper one is masked whole.
pub const DOCUMENT_DEPTH_MAX: usize = 512;
/// How often a document may stand as text in another one whose parts are masked by path.
pub const DOCUMENT_TEXTS_MAX: usize = 4;
/// Parts of one document that are masked by path; one with more is masked whole.
pub const DOCUMENT_PARTS_MAX: usize = 65_536;
/// One test rule of a pack.
pub const POLICY_TEST_TIME_MAX: Duration = Duration::from_millis(500);
/// All tests of a policy set, in the child process that runs them before it serves.
pub const POLICY_SELF_TEST_TIME_MAX: Duration = Duration::from_secs(60);
/// Address space of that child process.
pub const POLICY_SELF_TEST_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// Distinct people that a rule may ask for.
pub const APPROVERS_MAX: u32 = 16;
/// Kubernetes: a request target; the API server's own bound is that of all headers, 1 MiB (Go's `DefaultMaxHeaderBytes`).
pub const TARGET_BYTES_MAX: usize = 64 * 1024;
/// Segments of a request's path; the API has eight at most, what is proxied may have more.
pub const TARGET_SEGMENTS_MAX: usize = 64;
/// Parameters of a request; every word of an exec is one.
pub const TARGET_PARAMETERS_MAX: usize = 1024;
/// Media ranges in `Accept`.
pub const ACCEPT_RANGES_MAX: usize = 32;
/// Stream protocols that a client offers.
pub const STREAM_PROTOCOLS_MAX: usize = 16;
/// The body of a request to a cluster: `MaxRequestBodyBytes` of the API server (k8s.io/apiserver
/// pkg/server/config.go).
pub const CALL_BODY_BYTES_MAX: usize = 3 * 1024 * 1024;
/// How deep the body of a request to a cluster may nest; serde_json's own bound is 128.
pub const CALL_BODY_DEPTH_MAX: usize = 100;
/// How deep an answer of a cluster may nest.
pub const ANSWER_DEPTH_MAX: usize = 256;
/// One object of an answer. etcd takes 1.5 MiB by default (`--max-request-bytes`), a managed cluster up to 8.
pub const ANSWER_OBJECT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Objects that one watch remembers to be inside or outside of a filter: the largest clusters that are supported have
/// 150,000 pods (kubernetes.io, "Considerations for large clusters").
pub const WATCH_KNOWN_MAX: usize = 200_000;
/// One message of a WebSocket; clients of exec write 32 KiB at a time (k8s.io/client-go `websocket.go`).
pub const SOCKET_MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// A control frame of SPDY behind its head: a stream is opened with three short headers.
pub const SPDY_CONTROL_BYTES_MAX: usize = 16 * 1024;
/// A header block of SPDY, inflated; zlib makes a thousand bytes of one.
pub const SPDY_HEADERS_BYTES_MAX: usize = 64 * 1024;
/// Headers of one block.
pub const SPDY_HEADERS_MAX: usize = 32;
/// Streams of one SPDY connection at a time: a port-forward has two for each connection.
pub const SPDY_STREAMS_MAX: usize = 512;
/// One SFTP packet behind its length field: OpenSSH's own bound (`SFTP_MAX_MSG_LENGTH`).
pub const SFTP_PACKET_BYTES_MAX: usize = 256 * 1024;
/// SFTP requests without an answer; further ones wait unread.
pub const SFTP_REQUESTS_MAX: usize = 4096;
/// Files and folders open at a time on one SFTP stream.
pub const SFTP_HANDLES_MAX: usize = 1024;
/// A handle (draft-ietf-secsh-filexfer-02 section 6.3).
pub const SFTP_HANDLE_BYTES_MAX: usize = 256;
/// A path over SFTP; Linux' `PATH_MAX`.
pub const SFTP_PATH_BYTES_MAX: usize = 4096;
/// Pieces of one file that came before their turn, in bytes; with more of them its hash is one of pieces.
pub const SFTP_REORDER_BYTES_MAX: usize = 1024 * 1024;
/// The same, in pieces.
pub const SFTP_REORDER_PIECES_MAX: usize = 64;
/// Runs of pieces of files whose ends are remembered, so that a secret over two of them is seen: of all files of a stream.
pub const SFTP_SEAMS_MAX: usize = 1024;
/// Bytes of one side of an SFTP stream that have not been looked at: more than one packet and one SSH window.
pub const SFTP_WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What a refused SFTP request is told.
pub const SFTP_MESSAGE_BYTES_MAX: usize = 1024;
/// Extensions that an SFTP server may announce.
pub const SFTP_EXTENSIONS_MAX: usize = 64;
/// How long a terminal's output may be held because it may be the beginning of a secret: a tenth of a second is felt
/// (Nielsen 1993), an echo is waited for.
pub const PTY_HOLD_MAX: Duration = Duration::from_millis(40);
/// Columns and rows of a terminal that are followed; a larger one is cut.
pub const TERMINAL_SIDE_MAX: u16 = 512;
/// Keys of a line that are remembered until it is known whether they were echoed.
pub const TYPED_LINE_BYTES_MAX: usize = 4096;
/// How long the echo of a line may take before it counts as not echoed: a round trip and a busy host.
pub const ECHO_MAX: Duration = Duration::from_millis(1500);
/// One line of an asciicast that is read.
pub const ASCIICAST_LINE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A user name of an SSH client, and each part of one.
pub const SSH_NAME_BYTES_MAX: usize = 255;
/// A command line over SSH. Linux has 128 KiB for one argument (`MAX_ARG_STRLEN`), and a shell gets it as one.
pub const SSH_COMMAND_BYTES_MAX: usize = 128 * 1024;
/// From accept to login over SSH: somebody may be typing. sshd's `LoginGraceTime` is as long.
pub const SSH_LOGIN_MAX: Duration = Duration::from_secs(120);
/// The same where somebody signs in with a browser meanwhile: that may be on another device, with another factor.
pub const SSH_SIGN_IN_MAX: Duration = Duration::from_secs(300);
/// Proofs that one SSH connection may try, as `MaxAuthTries` of sshd counts passwords.
pub const SSH_TRIES_MAX: usize = 3;
/// Bare keys of one SSH connection that a signature is asked for: `MaxAuthTries` of sshd counts keys, too.
pub const SSH_SHOWN_KEYS_MAX: usize = 6;
/// For so long at most a key stands for whoever has logged in beside it: a working hour, not a day.
pub const SSH_REMEMBER_KEYS_MAX: Duration = Duration::from_secs(3600);
/// Keys that are remembered at a time, on all listeners. A few for each of some thousand people.
pub const SSH_REMEMBERED_KEYS_MAX: usize = 16_384;
/// The same of one identity; the oldest goes. A few for each machine that one comes from.
pub const SSH_REMEMBERED_KEYS_PER_IDENTITY_MAX: usize = 64;
/// What a client has sent on a forward before it has closed it waits for so long for a host that takes none of it.
pub const SSH_LAST_BYTES_MAX: Duration = Duration::from_secs(30);
/// The shortest RSA key that is remembered, in bits (NIST SP 800-131A).
pub const SSH_RSA_BITS_MIN: u32 = 2048;
/// SSH connections on which nobody has logged in yet; `MaxStartups` of sshd is 100.
pub const SSH_STARTUPS_MAX: usize = 100;
/// The same of one source: several may share an address, and nobody may take all places (`PerSourceMaxStartups` of sshd).
pub const SSH_STARTUPS_PER_SOURCE_MAX: usize = 32;
/// So many failed connections of one address make it wait for [`SSH_PENALTY`].
pub const SSH_PENALTY_FAILURES: u32 = 10;
/// See [`SSH_PENALTY_FAILURES`].
pub const SSH_PENALTY: Duration = Duration::from_secs(60);
/// Addresses whose failures are remembered.
pub const SSH_PENALTY_SOURCES_MAX: usize = 16_384;
/// Channels of one SSH connection at a time; `MaxSessions` of sshd is 10, and forwards come on top.
pub const SSH_CHANNELS_MAX: usize = 64;
/// Events of one SSH channel that carry no bytes and wait.
pub const SSH_EVENTS_MAX: usize = 256;
/// Uploaded bytes of one channel that wait in memory for its host; what is more is sealed to disk.
pub const SSH_UPLOAD_BYTES_SOFT: usize = 1024 * 1024;
/// One block of it there.
pub const SSH_SPILL_BLOCK_BYTES: usize = 256 * 1024;
/// Uploaded bytes of all channels of one connection that wait on disk; a channel that would go over it ends. From half of it
/// on packets are taken more slowly.
pub const SSH_SPILL_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// The same of all connections of one listener: the record is kept on the same disk, as a rule.
pub const SSH_SPILL_ALL_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;
/// The longest that one packet of an upload is delayed, with it everything else of its connection.
pub const SSH_UPLOAD_BRAKE_MAX: Duration = Duration::from_millis(250);
/// Environment variables of one channel.
pub const SSH_ENV_MAX: usize = 32;
/// Bytes of their names and values.
pub const SSH_ENV_BYTES_MAX: usize = 8 * 1024;
/// Forwards from the host back to the client (`ssh -R`) of one SSH connection: each holds an upstream connection.
pub const SSH_REMOTE_FORWARDS_MAX: usize = 8;
/// Channels that hosts have opened back to the client of one SSH connection, at a time; as many as the client may open.
pub const SSH_BACK_CHANNELS_MAX: usize = 64;
/// How long a client's request for such a forward may take: russh answers it from the connection's only loop, so everything else
/// of the connection waits with it. Policy, one dial and one round trip fit in.
pub const SSH_REMOTE_ANSWER_MAX: Duration = Duration::from_secs(5);
/// The cookie of an X11 display, in hex; MIT-MAGIC-COOKIE-1 has 32 digits.
pub const SSH_X11_COOKIE_BYTES_MAX: usize = 512;
/// How long a login for one command is good for: it is used at once, clocks of hosts may be behind.
pub const SSH_ERRAND_TTL_MAX: Duration = Duration::from_secs(120);
/// How long it may take to find out whether a forward leads to a known server: glibc's resolver waits 5 s for one name server
/// (resolv.conf(5), `timeout`), and the client waits for its channel meanwhile.
pub const INDOORS_LOOKUP_MAX: Duration = Duration::from_secs(4);
/// Upstream connections of one session that are kept for its next channels.
pub const SSH_IDLE_UPSTREAMS_MAX: usize = 4;
/// A terminal shows what a masker holds after this long: people see a prompt at once, programs wait.
pub const TERMINAL_IDLE: Duration = Duration::from_millis(30);
/// Kubernetes: from the first byte of a request's head to its last, and how long a connection may lie idle.
pub const REQUEST_HEAD_MAX: Duration = Duration::from_secs(60);
/// From a request's head to the end of its body. The largest body fits through a slow line.
pub const REQUEST_BODY_MAX: Duration = Duration::from_secs(90);
/// From a request to the head of its answer; the API server itself gives up after 60 s (`--request-timeout`).
pub const ANSWER_HEAD_MAX: Duration = Duration::from_secs(90);
/// Sessions on one connection: a client has one token and one cluster, as good as always.
pub const SESSIONS_PER_VISIT_MAX: usize = 8;
/// Refused streams that are remembered, because their clients ask again in another protocol.
pub const REFUSED_STREAMS_MAX: usize = 256;
/// How long they are.
pub const REFUSED_STREAM_FOR: Duration = Duration::from_secs(10);
/// When a client comes back whose request waits for an approval; client-go tries ten times.
pub const DEFERRED_RETRY_SECONDS: u32 = 10;
