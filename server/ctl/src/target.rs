//! Whom a command is for, as it is typed.

/// Reads a target: `everyone`, `label:laptop`, `device:lap-ada`, or a device's name alone, which becomes `device:lap-ada`.
pub(crate) fn target(text: &str) -> Result<String, String> {
    read(text, &["label", "device"])
        .ok_or_else(|| "write it as label:NAME, device:NAME or everyone; NAME alone is a device".to_owned())
}

/// Reads what can be paused: a target, or `profile:base` for the devices that have it.
pub(crate) fn target_or_profile(text: &str) -> Result<String, String> {
    read(text, &["label", "device", "profile"]).ok_or_else(|| {
        "write it as label:NAME, device:NAME, profile:NAME or everyone; NAME alone is a device".to_owned()
    })
}

fn read(text: &str, kinds: &[&str]) -> Option<String> {
    match text.split_once(':') {
        None if text == "everyone" => Some(text.to_owned()),
        None if !text.is_empty() => Some(format!("device:{text}")),
        Some((kind, name)) if kinds.contains(&kind) && !name.is_empty() => Some(text.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_alone_is_a_device_and_the_rest_is_as_it_was_typed() {
        for (typed, meant) in [
            ("lap-ada", "device:lap-ada"),
            ("device:lap-ada", "device:lap-ada"),
            ("label:laptop", "label:laptop"),
            ("everyone", "everyone"),
        ] {
            assert_eq!(target(typed).as_deref(), Ok(meant));
            assert_eq!(target_or_profile(typed).as_deref(), Ok(meant));
        }
    }

    #[test]
    fn what_is_no_target_is_refused_with_all_that_are() {
        for wrong in ["", "label:", "device:", "group:ops", ":lap-ada", "lable:laptop"] {
            assert!(target(wrong).unwrap_err().contains("label:NAME, device:NAME or everyone"), "{wrong}");
            assert!(target_or_profile(wrong).is_err(), "{wrong}");
        }
        assert!(target("profile:base").is_err());
        assert_eq!(target_or_profile("profile:base").as_deref(), Ok("profile:base"));
    }
}
