//! The generated protobuf messages and, by feature, gRPC stubs. See `proto/muster/v1/device.proto` for their meaning.

#![expect(missing_docs, reason = "generated; the documentation is in the .proto file")]
#![allow(clippy::all, clippy::doc_markdown, clippy::use_self, unreachable_pub, unused_qualifications)]

include!(concat!(env!("OUT_DIR"), "/muster.v1.rs"));

/// The largest message either side accepts, in bytes: a state document of 10,000 assignments stays far below it.
pub const MAX_MESSAGE: usize = 4 * 1024 * 1024;

/// The largest report that a server takes, in bytes: events of three quarters of a mebibyte, and sections of [`MAX_SECTION`].
pub const MAX_REPORT: usize = 3 * 1024 * 1024;

/// The largest event in it, in bytes of its document.
pub const MAX_EVENT: usize = 256 * 1024;

/// The largest section, and the most that the sections of one report have together, in bytes of their documents.
pub const MAX_SECTION: usize = 2 * 1024 * 1024;

/// The most entries that a section has: ten times those of the largest profile that is promised to be quick.
pub const MAX_ENTRIES: usize = 10_000;

/// The largest answer to a dry run, in bytes of its plan: ten times what a device of 1,000 resources says.
pub const MAX_PLAN: usize = 2 * 1024 * 1024;
