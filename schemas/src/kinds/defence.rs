use crate::{Actor, EventId, Hash, Label, Name};

facts! {
    AlertRaised { alert: EventId, detector: Name, severity: super::scanner::Severity, positions: Vec<u64>, subject: Option<Actor>, }
    IncidentOpened { incident: EventId, severity: IncidentSeverity, alerts: Vec<EventId>, }
    IncidentEscalated { incident: EventId, severity: IncidentSeverity, to: Label, }
    IncidentContained { incident: EventId, measure: Name, }
    IncidentClosed { incident: EventId, cause: Name, }
    GuardrailChanged { guardrail: Name, before: Option<Hash>, after: Hash, }
    DrillCompleted { drill: Name, passed: bool, duration_seconds: u64, }
}

words! {
    /// Sev 1 is the gravest.
    IncidentSeverity { Sev1, Sev2, Sev3, }
}
