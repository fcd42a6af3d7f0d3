//! Numbered changes of the schema, each applied once, in order, in a transaction of its own.

/// One step, applied to a database of the version before it.
pub(crate) struct Migration {
    /// From 1.
    pub(crate) number: i64,
    /// Its statements.
    pub(crate) sql: &'static str,
}

/// All of them. A released one is never edited: whoever has applied it would not see the edit.
pub(crate) const ALL: &[Migration] = &[
    Migration { number: 1, sql: include_str!("migrations/0001_first.sql") },
    Migration { number: 2, sql: include_str!("migrations/0002_bounds.sql") },
    Migration { number: 3, sql: include_str!("migrations/0003_restore.sql") },
    Migration { number: 4, sql: include_str!("migrations/0004_holds.sql") },
    Migration { number: 5, sql: include_str!("migrations/0005_claimed.sql") },
    Migration { number: 6, sql: include_str!("migrations/0006_rollouts.sql") },
    Migration { number: 7, sql: include_str!("migrations/0007_bad_days.sql") },
    Migration { number: 8, sql: include_str!("migrations/0008_access.sql") },
    Migration { number: 9, sql: include_str!("migrations/0009_people.sql") },
    Migration { number: 10, sql: include_str!("migrations/0010_fleet_lists.sql") },
    Migration { number: 11, sql: include_str!("migrations/0011_refused.sql") },
    Migration { number: 12, sql: include_str!("migrations/0012_composition.sql") },
    Migration { number: 13, sql: include_str!("migrations/0013_follow.sql") },
    Migration { number: 14, sql: include_str!("migrations/0014_ended_rollouts.sql") },
    Migration { number: 15, sql: include_str!("migrations/0015_clocks.sql") },
    Migration { number: 16, sql: include_str!("migrations/0016_programs.sql") },
    Migration { number: 17, sql: include_str!("migrations/0017_stages.sql") },
    Migration { number: 18, sql: include_str!("migrations/0018_artifacts.sql") },
];

/// Schemas that are only added to, each with the oldest one whose servers can go on working: what they do not know has
/// defaults, and they write nothing that a newer one would read wrongly. All others are for servers of their own.
const ADDED_TO: &[(i64, i64)] = &[(18, 17)];

/// The oldest schema whose servers can work with a database of this one.
pub(crate) fn floor(number: i64) -> i64 {
    ADDED_TO.iter().find(|(added, _)| *added == number).map_or(number, |(_, floor)| *floor)
}

/// Whether this server can work with a database of the schema `found`, of which a newer server said its `floor`.
pub(crate) fn works_with(found: i64, floor: i64) -> bool {
    found <= newest() || floor <= newest()
}

/// The version of the schema that this server knows.
pub fn newest() -> i64 {
    ALL.last().map_or(0, |migration| migration.number)
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn a_newer_schema_is_worked_with_when_it_says_so() {
        assert!(works_with(newest(), newest()));
        assert!(works_with(1, 1), "an older one is brought up to date");
        assert!(works_with(newest() + 1, newest()));
        assert!(!works_with(newest() + 1, newest() + 1));
        assert!(ALL.iter().all(|step| floor(step.number) <= step.number));
    }

    #[test]
    fn what_was_there_before_it_was_counted_is_counted() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(ALL[0].sql).unwrap();
        db.execute_batch(
            "INSERT INTO device VALUES
                 ('d', 's', 'n', NULL, 'ready', '{}', '', '[]', 'unmanaged', 0, 0, 0, 0, 0, 0, 0, 0, 0);
             INSERT INTO event VALUES ('d', 'e', 1, 0, 0, '{}'), ('d', 'e', 2, 0, 0, 'é');
             INSERT INTO epoch VALUES ('d', 'e', 2);
             INSERT INTO check_result VALUES ('d', 'a', 0, 1, 'pass', 'p', 1, '{}'),
                 ('d', 'a', 1, NULL, 'fail', 'p', 1, '{}');",
        )
        .unwrap();
        db.execute_batch(ALL[1].sql).unwrap();
        let counted = |kind: &str| -> (i64, i64) {
            let sql = "SELECT entries, bytes FROM kept WHERE device = 'd' AND kind = ?1";
            db.query_row(sql, [kind], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
        };
        assert_eq!((counted("event"), counted("ended_check")), ((2, 4), (1, 2)));
    }

    #[test]
    fn what_an_assignment_pinned_before_pins_were_kept_is_its_first() {
        let db = Connection::open_in_memory().unwrap();
        for step in ALL.iter().filter(|step| step.number < 4) {
            db.execute_batch(step.sql).unwrap();
        }
        db.execute_batch(
            "INSERT INTO document VALUES ('d', x'7b7d');
             INSERT INTO profile VALUES ('base', '', 3, 0);
             INSERT INTO revision VALUES ('base', 3, 'd', '', 'admin:kim', 0);
             INSERT INTO assignment VALUES
                 ('as-1', 'base', 3, 'label', 'laptop', 5, 'audit', '{}', 'admin:kim', 7);",
        )
        .unwrap();
        let step = ALL.iter().find(|step| step.number == 4).unwrap();
        db.execute_batch(step.sql).unwrap();
        let pin: (i64, i64, i64, String) = db
            .query_row("SELECT number, revision, precedence, mode FROM pin WHERE undone IS NULL", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .unwrap();
        assert_eq!(pin, (1, 3, 5, "audit".to_owned()));
    }
}
