//! The generated protobuf messages and, by feature, gRPC stubs. See `proto/muster/v1/device.proto` for their meaning.

#![expect(missing_docs, reason = "generated; the documentation is in the .proto file")]
#![allow(clippy::all, clippy::doc_markdown, clippy::use_self, unreachable_pub, unused_qualifications)]

include!(concat!(env!("OUT_DIR"), "/muster.v1.rs"));

/// The largest message either side accepts, in bytes: a state document of 10,000 assignments stays far below it.
pub const MAX_MESSAGE: usize = 4 * 1024 * 1024;

/// The largest answer to a dry run, in bytes of its plan: ten times what a device of 1,000 resources says.
pub const MAX_PLAN: usize = 2 * 1024 * 1024;
