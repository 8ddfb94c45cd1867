//! The operator's own machine, when it is another one than the coordinator's: being enrolled, and the operator's page through TLS.

pub(crate) mod enrolment;
pub(crate) mod tunnel;
