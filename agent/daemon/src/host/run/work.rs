//! What kinds of commands there are, and what each may take.

use std::time::Duration;

/// What kind of work a command is, which decides its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// A tool that is done at once.
    Short,
    /// The end of an account's processes, by one that can do nothing but become that account.
    Ending,
    /// A package manager: long, and its scripts may leave processes behind that are to stay.
    Packages,
    /// A package manager that only fetches or says what it would do. It can be cut off anywhere, and who answers it may never come to an
    /// end.
    Download,
    /// A tool that looks into a file from elsewhere. It can write to a small folder of its own alone, and reach nobody.
    Inspection,
    /// A program of an admin's, with limits of their own.
    Script(Limits),
}

/// What a program may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) limit: Duration,
    /// In bytes.
    pub(crate) memory: u64,
}

impl Work {
    pub(super) fn is_long(self) -> bool {
        matches!(self, Self::Packages | Self::Download | Self::Script(_))
    }

    /// Whether it leaves something half-done where it is cut off.
    pub(super) fn must_end(self) -> bool {
        matches!(self, Self::Packages | Self::Script(_))
    }

    pub(super) fn limit(self) -> Duration {
        match self {
            Self::Short | Self::Inspection => Duration::from_secs(60),
            // Who is to be ended can stop it half-way.
            Self::Ending => Duration::from_secs(10),
            Self::Packages => Duration::from_secs(3600),
            // A turn waits for it, and with that all else that there is to do.
            Self::Download => Duration::from_secs(600),
            Self::Script(limits) => limits.limit,
        }
    }

    /// How long it may take to end when it is told to, before systemd kills it and all that it started. The turn waits for that as well,
    /// and a program may take no notice of being told.
    pub(super) fn time_to_end(self) -> Duration {
        match self {
            Self::Short | Self::Ending | Self::Download | Self::Inspection => Duration::from_secs(5),
            Self::Script(_) => Duration::from_secs(10),
            // It ends after the package that it is at.
            Self::Packages => Duration::from_secs(90),
        }
    }

    /// Memory in bytes at which the kernel slows it (packages) or ends it (short). Ending a package manager half-way
    /// would leave a system that needs repair.
    pub(super) fn memory(self) -> (&'static str, u64) {
        match self {
            Self::Short | Self::Ending | Self::Inspection => ("MemoryMax", 512 << 20),
            Self::Packages | Self::Download => ("MemoryHigh", 2 << 30),
            Self::Script(limits) => ("MemoryMax", limits.memory),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::GRACE;
    use super::*;

    #[test]
    fn what_takes_no_notice_of_being_told_to_end_is_killed_within_seconds_unless_it_has_packages_half_way() {
        let script = Work::Script(Limits { limit: Duration::from_secs(600), memory: 512 << 20 });
        for work in [Work::Short, Work::Ending, Work::Download, Work::Inspection, script] {
            assert!(work.time_to_end() <= Duration::from_secs(10), "{work:?}");
        }
        assert!(Work::Packages.time_to_end() < GRACE, "it has ended when it is no longer waited for");
    }
}
