//! Whose key is whose. One environment may hold the variables of all programs, so each must tell another one's from its own with a
//! mistake in it.

/// A program that has a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// The operator's daemon and command line, which reads `coordinator.toml`.
    Coordinator,
    /// The bank's daemon and command line, which reads `bank.toml`.
    Client,
}

const COORDINATOR: [&str; 11] = [
    "listen",
    "reconnect_grace_s",
    "folders",
    "identity.consortium",
    "identity.certificate",
    "identity.key",
    "identity.log_key",
    "limits",
    "enrolment",
    "auditors",
    "operator",
];

const CLIENT: [&str; 13] = [
    "name",
    "consortium",
    "state",
    "identity.certificate",
    "identity.key",
    "identity.signing_key",
    "identity.witness_key",
    "identity.hold_out_salt",
    "identity.desensitise_key",
    "data",
    "compute",
    "link",
    "page",
];

impl Program {
    /// All that there are.
    pub const ALL: [Self; 2] = [Self::Coordinator, Self::Client];

    /// Its sections and its keys at the top; of a section that another program has as well, its keys. Each program's tests compare this
    /// with its defaults, and `tests/tests/environment.rs` with what the others pass over.
    pub fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Coordinator => &COORDINATOR,
            Self::Client => &CLIENT,
        }
    }

    /// Whether `key` is one of [`Program::keys`], or within one.
    pub fn has(self, key: &str) -> bool {
        self.keys().iter().any(|own| {
            key.strip_prefix(own)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }

    /// Whether a variable, without its prefix, sets a key of another program and none of this one.
    pub(crate) fn passes_over(self, variable: &str) -> bool {
        let key = variable.to_ascii_lowercase().replace("__", ".");
        !self.has(&key) && Self::ALL.into_iter().any(|program| program.has(&key))
    }
}

#[cfg(test)]
mod tests {
    use super::Program::{self, Client, Coordinator};

    fn passed_over(program: Program, others: &[&str], own: &[&str]) {
        for variable in others {
            assert!(program.passes_over(variable), "{program:?}: {variable}");
        }
        for variable in own {
            assert!(!program.passes_over(variable), "{program:?}: {variable}");
        }
    }

    #[test]
    fn the_others_variables_are_told_from_own_ones_with_a_mistake() {
        passed_over(
            Coordinator,
            &["LINK__IDLE_S", "NAME", "DATA__FILE", "IDENTITY__WITNESS_KEY"],
            &[
                "LIMITS__NAME",
                "IDENTITY__KEY",
                "IDENTITY__WITNES_KEY",
                "NAMES",
                "LINKS__X",
                "OPERATR__X",
                "",
            ],
        );
        passed_over(
            Client,
            &[
                "OPERATOR__LISTEN",
                "LISTEN",
                "LIMITS__IDLE_S",
                "IDENTITY__LOG_KEY",
            ],
            &[
                "LINK__LISTEN",
                "IDENTITY__KEY",
                "IDENTITY__LOGKEY",
                "LISTENS",
                "OPERATORS__X",
                "LIMTS__X",
                "",
            ],
        );
    }

    #[test]
    fn no_program_claims_the_whole_of_a_section_that_another_has_a_part_of() {
        let all = || Program::ALL.into_iter().flat_map(Program::keys);
        for (section, _) in all().filter_map(|key| key.split_once('.')) {
            assert!(all().all(|key| *key != section), "{section}");
        }
    }
}
