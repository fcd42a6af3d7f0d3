//! The word of the language that was meant, where one was mistyped.

/// The most edits that a mistyped name is away from the one that was meant.
const EDITS: usize = 2;

/// The longest word that is compared with those of the language. A profile may have thousands of mistyped ones.
const LONGEST_WORD: usize = 30;

/// The one of the known words that is an edit or two away.
pub(crate) fn meant<'k>(mistyped: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if mistyped.len() > LONGEST_WORD {
        return None;
    }
    let near = known.into_iter().map(|word| (strsim::osa_distance(word, mistyped), word));
    near.filter(|(edits, _)| *edits <= most_edits(mistyped)).min().map(|(_, word)| word)
}

/// What serde says of a field or word that it does not know, with the one that was meant, and with the fields that stand beside those of
/// which it tells.
pub(crate) fn with_meant(mut message: String, beside: Option<&[&str]>) -> String {
    if !message.starts_with("unknown field") && !message.starts_with("unknown variant") {
        return message;
    }
    let beside = beside.filter(|_| message.starts_with("unknown field")).unwrap_or_default();
    let mut words = message.split('`').skip(1).step_by(2);
    let mistyped = words.next().unwrap_or_default();
    let meant = meant(mistyped, words.chain(beside.iter().copied())).map(str::to_owned);
    if !beside.is_empty() {
        message.push_str(&format!("; every kind may have {}", beside.join(", ")));
    }
    if let Some(meant) = meant {
        message.push_str(&format!(" (did you mean {meant}?)"));
    }
    message
}

/// Of a short name, most others are an edit or two away.
pub(crate) fn most_edits(mistyped: &str) -> usize {
    EDITS.min(mistyped.chars().count() / 3)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::profile::Profile;

    fn said(document: &serde_json::Value) -> String {
        Profile::parse(document).unwrap_err().remove(0).message
    }

    #[test]
    fn a_mistyped_kind_or_field_is_told_with_the_one_that_was_meant() {
        let of = |resource| said(&json!({"muster": 1, "profile": "p", "resources": [resource]}));
        let file = |field: &str| of(json!({"file": {"path": "/etc/motd", field: "x"}}));
        assert!(of(json!({"flie": {}})).starts_with("unknown kind \"flie\" (did you mean file?): known are"));
        assert!(file("contnet").ends_with("(did you mean content?)"), "{}", file("contnet"));
        assert!(file("not_aftr").ends_with("(did you mean not_after?)"), "{}", file("not_aftr"));
        assert!(
            file("colour").ends_with(
                "every kind may have note, when, on_removal, not_before, not_after, after, notify"
            )
        );
        let state = of(json!({"file": {"path": "/etc/motd", "content": "x", "state": "abset"}}));
        assert!(state.ends_with("(did you mean absent?)") && !state.contains("every kind"), "{state}");
        let whole = said(&json!({"muster": 1, "profile": "p", "check": []}));
        assert!(whole.ends_with("(did you mean checks?)"), "{whole}");
    }
}
