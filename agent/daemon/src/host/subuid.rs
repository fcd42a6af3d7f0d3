//! The numbers that an account's processes may run as: its own, and those that `/etc/subuid` lends it.
//!
//! In a user namespace that it makes itself, an account takes any of its subordinate numbers without being root. What
//! runs as one of them is the account's as much as what runs as its own.

use std::ops::RangeInclusive;

use super::accounts::User;

/// Below are the numbers of the system; no range may reach into them.
const FIRST_OF_PEOPLE: u32 = 1000;

/// One line of subuid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lent {
    /// The name of an account, or its number.
    owner: String,
    range: RangeInclusive<u32>,
}

/// The numbers of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Uids {
    own: u32,
    lent: Vec<RangeInclusive<u32>>,
}

impl Uids {
    /// Only its own.
    #[cfg(test)]
    pub(crate) fn only(own: u32) -> Self {
        Self { own, lent: vec![] }
    }

    /// Those of `user`. A range is left out where what runs in it may be someone else's: it reaches into the system's
    /// numbers, holds the number of an account, or is root's as well, who runs containers in it.
    pub(crate) fn of(user: &User, lines: &[Lent], users: &[User]) -> Self {
        let roots = |lent: &Lent| matches!(lent.owner.as_str(), "root" | "0");
        let apart = |range: &RangeInclusive<u32>| {
            *range.start() >= FIRST_OF_PEOPLE
                && !users.iter().any(|user| range.contains(&user.uid))
                && !lines.iter().any(|lent| roots(lent) && overlap(&lent.range, range))
        };
        let theirs = |lent: &&Lent| lent.owner == user.name || lent.owner == user.uid.to_string();
        let lent = lines.iter().filter(theirs).map(|lent| lent.range.clone()).filter(apart).collect();
        Self { own: user.uid, lent }
    }

    /// The account's own number, where it is a person's.
    pub(crate) fn persons(&self) -> Option<u32> {
        Some(self.own).filter(|own| is_persons(*own))
    }

    /// Whether what runs as `uid` is the account's.
    pub(crate) fn contains(&self, uid: u32) -> bool {
        uid == self.own || self.lent.iter().any(|range| range.contains(&uid))
    }
}

/// Whether a number is for the account of a person: not for the system's, nor one of those that stand for nobody.
pub(crate) fn is_persons(uid: u32) -> bool {
    uid >= FIRST_OF_PEOPLE && !matches!(uid, 65_534 | 65_535 | u32::MAX)
}

fn overlap(one: &RangeInclusive<u32>, other: &RangeInclusive<u32>) -> bool {
    one.start() <= other.end() && other.start() <= one.end()
}

/// A line that is not exactly `owner:first:count` lends nothing.
pub(crate) fn parse(line: &str) -> Option<Lent> {
    let fields: Vec<&str> = line.split(':').collect();
    let [owner, first, count] = fields.as_slice() else { return None };
    let number = |text: &str| -> Option<u32> {
        text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
    };
    let (first, count) = (number(first)?, number(count)?);
    // The last number of all stands for none.
    let last = first.checked_add(count.checked_sub(1)?).filter(|last| *last < u32::MAX)?;
    (!owner.is_empty()).then(|| Lent { owner: (*owner).to_owned(), range: first..=last })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, uid: u32) -> User {
        let (gecos, home, shell) = (String::new(), String::new(), String::new());
        User { name: name.to_owned(), uid, gid: uid, gecos, home, shell }
    }

    fn lent(text: &str) -> Vec<Lent> {
        text.lines().filter_map(parse).collect()
    }

    #[test]
    fn an_account_has_what_is_lent_to_its_name_or_number_and_nothing_of_others() {
        let users = [user("root", 0), user("bob", 1001), user("ada", 1002)];
        let lines = lent("bob:100000:65536\n1001:300000:10\nada:200000:65536\n");
        let bob = Uids::of(&users[1], &lines, &users);
        for uid in [1001, 100_000, 165_535, 300_009] {
            assert!(bob.contains(uid), "{uid}");
        }
        for uid in [0, 1002, 99_999, 165_536, 200_000, 300_010] {
            assert!(!bob.contains(uid), "{uid}");
        }
    }

    #[test]
    fn a_range_in_which_others_may_run_is_left_out_as_a_whole() {
        let users = [user("root", 0), user("bob", 1001), user("ada", 150_000)];
        let own = Uids::only(1001);
        for lines in ["bob:0:65536", "bob:999:2", "bob:100000:65536", "bob:200000:9\nroot:200008:9"] {
            assert_eq!(Uids::of(&users[1], &lent(lines), &users), own, "{lines}");
        }
    }

    #[test]
    fn root_accounts_of_the_system_and_nobody_are_no_persons() {
        for uid in [0, 1, 999, 65_534, 65_535, u32::MAX] {
            assert_eq!(Uids::only(uid).persons(), None, "{uid}");
        }
        assert_eq!(Uids::only(1000).persons(), Some(1000));
    }

    #[test]
    fn a_line_that_is_not_exactly_as_it_should_be_lends_nothing() {
        for line in [
            "",
            "bob",
            "bob:100000",
            ":100000:5",
            "bob:100000:0",
            "bob:-5:9",
            "bob:+100000:9",
            "bob: 100000:9",
            "bob:100000:",
            "bob:100000:5:6",
            "bob:4294967295:1",
            "bob:4294967290:9",
            "bob:4294967296:9",
            "# bob:100000:5",
        ] {
            assert!(parse(line).is_none_or(|lent| lent.owner != "bob"), "{line}");
        }
        assert!(parse("bob:100000:1").is_some());
    }
}
