//! The name that was meant, where one was mistyped.

use crate::id::ResourceId;

/// The most edits that a mistyped name is away from the one that was meant.
const EDITS: usize = 2;

/// The longest key that is compared, in bytes, and the most names for which a near one is looked for: a text that is made to name
/// thousands of long ones must not keep the server busy.
const LONGEST: usize = 100;
const LOOKED_FOR: usize = 10;

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
fn most_edits(mistyped: &str) -> usize {
    EDITS.min(mistyped.chars().count() / 3)
}

/// The names of a profile's resources.
pub(crate) struct Names<'a> {
    names: Vec<&'a ResourceId>,
    looked_for: usize,
}

impl<'a> Names<'a> {
    pub(crate) fn of(names: impl Iterator<Item = &'a ResourceId>) -> Self {
        Self { names: names.filter(|name| name.key().len() <= LONGEST).collect(), looked_for: 0 }
    }

    /// The one of the same kind that is an edit or two away.
    pub(crate) fn to(&mut self, mistyped: &ResourceId) -> Option<&'a ResourceId> {
        let (kind, key) = (mistyped.kind(), mistyped.key());
        if key.len() > LONGEST || self.looked_for == LOOKED_FOR {
            return None;
        }
        self.looked_for += 1;
        let most = most_edits(key);
        let same_kind = self.names.iter().filter(|name| name.kind() == kind);
        let near = same_kind.map(|name| (strsim::osa_distance(name.key(), key), *name));
        near.filter(|(edits, _)| *edits <= most).min().map(|(_, name)| name)
    }
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
