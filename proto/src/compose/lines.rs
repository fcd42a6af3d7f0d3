//! Lines of one file that can't all be as they are claimed: by two names, each would be undone for the other with every turn.

use std::collections::BTreeMap;

use super::paths::block_lesser;
use super::{Claim, Claimed};
use crate::id::ResourceId;
use crate::resource::Resource;
use crate::resource::line::Line;
use crate::resource::value::Existence;
use crate::state::Mode;

/// Blocks the lesser of two claims that contradict each other, or both.
pub(super) fn settle(claims: &mut BTreeMap<ResourceId, Claim>) {
    let lines = claims.iter().filter(|(_, claim)| claim.source.mode == Mode::Enforce);
    let lines = lines.filter_map(|(id, claim)| match &claim.claimed {
        Claimed::Apply(Resource::Line(line)) => Some((id, line)),
        _ => None,
    });
    // By their keys, those of one file stand side by side.
    let lines: Vec<(&ResourceId, &Line)> = lines.collect();
    let mut pairs = vec![];
    for of_file in lines.chunk_by(|(_, one), (_, other)| one.path == other.path) {
        for (index, (id, line)) in of_file.iter().enumerate() {
            let rivals = of_file[index + 1..].iter().filter(|(_, other)| contradict(line, other));
            pairs.extend(rivals.map(|(other, _)| [(*id).clone(), (*other).clone()]));
        }
    }
    block_lesser(claims, pairs, &|_, other, whose| {
        format!("{other} of {whose} says something else of the same line")
    });
}

/// Whether each turn would undo for the one what the last did for the other: one takes away what the other wants, or each takes
/// the place of the other.
fn contradict(one: &Line, other: &Line) -> bool {
    let takes_place = |one: &Line, of: &Line| {
        one.matches.iter().any(|beginning| of.line.as_str().starts_with(beginning.as_str()))
    };
    if one.state == other.state {
        one.state == Existence::Present
            && one.line != other.line
            && takes_place(one, other)
            && takes_place(other, one)
    } else {
        one.line == other.line
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::paths::tests::composed;
    use crate::compose::conflicts;

    const PATH: &str = "/etc/login.defs";

    fn line(more: Value) -> Value {
        let mut line = json!({"path": PATH});
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([{ "line": line }])
    }

    /// The keys of the lines in conflict, of two profiles at these precedences.
    fn blocked(one: (u32, Value), other: (u32, Value)) -> Vec<String> {
        let composition = composed(&[("a", one.0, line(one.1)), ("b", other.0, line(other.1))]);
        assert_eq!(composition.claims.len(), 2, "they are two claims");
        let ids = conflicts(&composition).into_iter().map(|conflict| conflict.resource.key().to_owned());
        ids.map(|key| key.trim_start_matches(PATH).to_owned()).collect()
    }

    #[test]
    fn a_line_that_one_wants_and_another_does_not_is_a_conflict_whatever_it_is_called_by() {
        let wanted = json!({"line": "UMASK 077", "match": ["UMASK"]});
        let unwanted = json!({"line": "UMASK 077", "state": "absent"});
        assert_eq!(blocked((0, wanted.clone()), (0, unwanted.clone())), ["//UMASK", "//UMASK 077"]);
        assert_eq!(blocked((1, wanted.clone()), (0, unwanted.clone())), ["//UMASK 077"]);
        assert_eq!(blocked((0, wanted.clone()), (1, unwanted)), ["//UMASK"]);
        let other = json!({"line": "UMASK 022", "state": "absent"});
        assert!(blocked((0, wanted.clone()), (0, other)).is_empty());
        assert!(blocked((0, wanted), (0, json!({"line": "UMASK 077"}))).is_empty(), "they agree");
    }

    #[test]
    fn lines_that_each_take_the_place_of_the_other_are_a_conflict_and_one_beside_another_is_none() {
        let strict = json!({"line": "UMASK 077", "match": ["UMASK"]});
        let wide = json!({"line": "UMASK 022", "match": ["UMASK\t", "UMASK 0"]});
        assert_eq!(blocked((0, strict.clone()), (0, wide)), ["//UMASK", "//UMASK "]);
        let added = json!({"line": "UMASK 022"});
        assert!(blocked((0, strict), (0, added)).is_empty(), "the first finds its own and leaves the other");
    }
}
