//! Variables of the other programs: an environment may be one for all of them, such as that of a machine where all are tried.
//!
//! `tests/tests/environment.rs` proves that the list is whole.

/// Sections, and keys at the top, of `bank.toml`; of a section that both have, its keys.
const OTHERS: [&str; 11] = [
    "data",
    "compute",
    "link",
    "page",
    "name",
    "consortium",
    "state",
    "identity.signing_key",
    "identity.witness_key",
    "identity.hold_out_salt",
    "identity.desensitise_key",
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
        for others in ["LINK__IDLE_S", "NAME", "DATA__FILE", "IDENTITY__WITNESS_KEY"] {
            assert!(has(others), "{others}");
        }
        for own in [
            "LIMITS__NAME",
            "IDENTITY__KEY",
            "IDENTITY__WITNES_KEY",
            "NAMES",
            "LINKS__X",
            "OPERATR__X",
        ] {
            assert!(!has(own), "{own}");
        }
    }
}
