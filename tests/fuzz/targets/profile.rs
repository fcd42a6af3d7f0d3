//! YAML text, as an admin saves it: never a panic, and what is taken is read the same by a device.

#![no_main]

use libfuzzer_sys::fuzz_target;
use muster_proto::profile::Profile;
use muster_proto::yaml;

fuzz_target!(|text: &str| {
    let Ok((source, saved)) = yaml::parse_profile(text) else { return };
    let document = serde_json::to_vec(&source.value).expect("a value is always JSON");
    let (read, unread) = Profile::read(&document).expect("a device reads what was saved");
    assert_eq!(saved, read);
    assert!(unread.is_empty(), "{unread:?}");
});
