//! Mail addresses (RFC 5321, without quoted local parts and address literals).

use std::sync::LazyLock;

use regex::Regex;

use super::{Finds, Kind};

static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?x)
        [A-Za-z0-9.!\#$%&'*+/=?^_`{|}~-]{1,64} @
        (?: [A-Za-z0-9] (?: [A-Za-z0-9-]{0,61} [A-Za-z0-9] )? \. )+ [A-Za-z]{2,63}",
    )
    .expect("a pattern that a test compiles")
});

pub(super) fn find(text: &str, found: &mut Finds) {
    for address in ADDRESS.find_iter(text) {
        found.push(Kind::Email, address.range());
    }
}
