//! Variables of the other programs: an environment may be one for all of them, such as that of a machine where all are tried.
//!
//! `tests/tests/environment.rs` proves that the list is whole.

/// Sections, and keys at the top, of `coordinator.toml`; of a section that both have, its keys.
const OTHERS: [&str; 9] = [
    "auditors",
    "enrolment",
    "folders",
    "limits",
    "operator",
    "listen",
    "reconnect_grace_s",
    "identity.consortium",
    "identity.log_key",
];

/// Whether a variable, without its prefix, sets a key of another program and none of this one.
pub(super) fn has(name: &str) -> bool {
    let key = name.to_ascii_lowercase().replace("__", ".");
    OTHERS.iter().any(|other| {
        key.strip_prefix(other)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::has;

    #[test]
    fn the_others_variables_are_told_from_own_ones_with_a_mistake() {
        for others in [
            "OPERATOR__LISTEN",
            "LISTEN",
            "LIMITS__IDLE_S",
            "IDENTITY__LOG_KEY",
        ] {
            assert!(has(others), "{others}");
        }
        for own in [
            "LINK__LISTEN",
            "IDENTITY__KEY",
            "IDENTITY__LOGKEY",
            "LISTENS",
            "OPERATORS__X",
            "LIMTS__X",
        ] {
            assert!(!has(own), "{own}");
        }
    }
}
