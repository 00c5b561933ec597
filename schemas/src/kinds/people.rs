use crate::{Actor, DataClass, Hash, Label, Name, Timestamp};

facts! {
    /// Content `profile`: name and department, sealed; the log knows a handle only.
    UserApplied { user: Name, role: Name, }
    UserApproved { user: Name, role: Name, }
    UserTrained { user: Name, course: Name, }
    UserPledged { user: Name, pledge_sha256: Hash, }
    UserActivated { user: Name, approver_key: Option<Label>, }
    UserDeactivated { user: Name, reason: DeactivationReason, }
    AuthSucceeded { subject: Actor, method: Name, }
    /// Who tried is known only when the credential was; of a signature, whose it was said to be.
    AuthFailed { subject: Option<Actor>, method: Name, reason: AuthFailure, source: Option<Label>, }
    AccessDenied { subject: Actor, resource: Label, rule: Name, }
    /// Data of this class that is the subject's may be sent for this purpose, which is the role
    /// of the agent that sends it: until it is withdrawn, or until a time that was said.
    ConsentGiven { subject: Name, purpose: Name, data_class: DataClass, until: Option<Timestamp>, }
    ConsentWithdrawn { subject: Name, purpose: Name, data_class: DataClass, }
}

words! {
    DeactivationReason { Left, Moved, Requested, Incident, }
    AuthFailure {
        Missing, Unknown, Suspended, Retired, Expired,
        /// Several agents have it: nobody can say whose words these would be.
        Shared,
    }
}
