//! How far an API token reaches: what its role allows, narrowed to its scopes when it has any.

use muster_proto::rest::{Role, Scope};

/// What a path of the API is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noun {
    /// Devices and what they report.
    Devices,
    /// First-login passwords.
    Passwords,
    /// Enrollment tokens.
    Enrollment,
    /// People.
    People,
    /// Profiles.
    Profiles,
    /// Artifacts.
    Artifacts,
    /// Assignments, pauses and removals.
    Assignments,
    /// How devices comply.
    Compliance,
    /// The audit.
    Audit,
    /// Admins and API tokens.
    Access,
    /// That something changed.
    Events,
    /// Figures of the server.
    Metrics,
}

/// What is done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It is looked at.
    Read,
    /// It is changed, or a secret of it told.
    Write,
}

impl Noun {
    /// The scope that is needed; `None` where no scope is enough.
    fn scope(self, access: Access) -> Option<Scope> {
        Some(match (self, access) {
            (Self::Devices, Access::Read) => Scope::DevicesRead,
            (Self::Devices, Access::Write) => Scope::DevicesWrite,
            (Self::Passwords, Access::Write) => Scope::PasswordsWrite,
            (Self::Enrollment, Access::Read) => Scope::EnrollmentRead,
            (Self::Enrollment, Access::Write) => Scope::EnrollmentWrite,
            (Self::People, Access::Read) => Scope::PeopleRead,
            (Self::People, Access::Write) => Scope::PeopleWrite,
            (Self::Profiles, Access::Read) => Scope::ProfilesRead,
            (Self::Profiles, Access::Write) => Scope::ProfilesWrite,
            (Self::Artifacts, Access::Read) => Scope::ArtifactsRead,
            (Self::Artifacts, Access::Write) => Scope::ArtifactsWrite,
            (Self::Assignments, Access::Read) => Scope::AssignmentsRead,
            (Self::Assignments, Access::Write) => Scope::AssignmentsWrite,
            (Self::Compliance, Access::Read) => Scope::ComplianceRead,
            (Self::Compliance, Access::Write) => Scope::ComplianceWrite,
            (Self::Audit, Access::Read) => Scope::AuditRead,
            (Self::Access, Access::Read) => Scope::AccessRead,
            (Self::Events, Access::Read) => Scope::EventsRead,
            (Self::Metrics, Access::Read) => Scope::MetricsRead,
            (Self::Passwords, Access::Read)
            | (Self::Audit | Self::Access | Self::Events | Self::Metrics, Access::Write) => return None,
        })
    }
}

/// Whether scopes reach this; none at all narrow nothing.
pub fn reach(scopes: &[Scope], noun: Noun, access: Access) -> bool {
    let has = |access| noun.scope(access).is_some_and(|scope| scopes.contains(&scope));
    scopes.is_empty() || has(access) || (access == Access::Read && has(Access::Write))
}

/// Whether the scope is of any use to a token of this role: an auditor's can't change anything.
pub fn fits(scope: Scope, role: Role) -> bool {
    match scope {
        Scope::DevicesRead
        | Scope::EnrollmentRead
        | Scope::PeopleRead
        | Scope::ProfilesRead
        | Scope::ArtifactsRead
        | Scope::AssignmentsRead
        | Scope::ComplianceRead
        | Scope::AuditRead
        | Scope::AccessRead
        | Scope::EventsRead
        | Scope::MetricsRead => true,
        Scope::DevicesWrite
        | Scope::PasswordsWrite
        | Scope::EnrollmentWrite
        | Scope::PeopleWrite
        | Scope::ProfilesWrite
        | Scope::ArtifactsWrite
        | Scope::AssignmentsWrite
        | Scope::ComplianceWrite => role == Role::Admin,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_without_scopes_reaches_what_its_role_does() {
        assert!(reach(&[], Noun::Access, Access::Write));
        assert!(reach(&[], Noun::Passwords, Access::Read));
    }

    #[test]
    fn a_scope_reaches_its_noun_and_no_other() {
        let scopes = [Scope::DevicesRead];
        assert!(reach(&scopes, Noun::Devices, Access::Read));
        assert!(!reach(&scopes, Noun::Devices, Access::Write));
        assert!(
            !reach(&scopes, Noun::Passwords, Access::Write),
            "a device's secrets are a scope of their own"
        );
        assert!(!reach(&scopes, Noun::Profiles, Access::Read));
    }

    #[test]
    fn who_may_change_a_thing_may_look_at_it() {
        assert!(reach(&[Scope::ProfilesWrite], Noun::Profiles, Access::Read));
    }

    #[test]
    fn no_scope_reaches_who_administers() {
        let all = [Scope::AccessRead, Scope::DevicesWrite, Scope::AssignmentsWrite, Scope::PasswordsWrite];
        assert!(!reach(&all, Noun::Access, Access::Write));
    }

    #[test]
    fn an_auditors_token_takes_no_scope_that_changes_something() {
        assert!(fits(Scope::AuditRead, Role::Auditor));
        assert!(!fits(Scope::PasswordsWrite, Role::Auditor));
        assert!(fits(Scope::PasswordsWrite, Role::Admin));
    }
}
