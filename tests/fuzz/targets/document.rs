//! JSON bytes, as a device gets them: never a panic, and strict reading agrees with a device's own wherever it succeeds.

#![no_main]

use libfuzzer_sys::fuzz_target;
use muster_proto::profile::Profile;

fuzz_target!(|bytes: &[u8]| {
    let Ok((read, _)) = Profile::read(bytes) else { return };
    for declared in &read.resources {
        let id = declared.id.as_str();
        assert!(id.len() <= 8192 && !id.chars().any(char::is_control), "{id:?}");
    }
    let document = serde_json::from_slice(bytes).expect("it was read before");
    if let Ok(saved) = Profile::parse(&document) {
        assert_eq!(saved, read);
    }
});
