//! National account numbers. They have no form of their own in most countries, so what is found is a number behind the words that announce it,
//! and the pair of sort code and account number of the United Kingdom.

use std::sync::LazyLock;

use regex::Regex;

use super::{Finds, Kind, digits_of, stands_alone};

static ANNOUNCED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?xi)
        (?: \b (?: account | acct | acc | a/c ) (?: \s* (?: number | num | nos? | nr | \# ) )? \.?
          | 账号 | 帐号 | 账户 | 帐户 | 卡号 | 存折 )
        \s* (?: is | 为 | 是 )? \s* [:：=]? \s*
        ( [0-9] [0-9\ -]{4,30} [0-9] )",
    )
    .expect("a pattern that a test compiles")
});

/// Six digits of the sort code, eight of the account.
static SORT_CODE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[0-9]{2}-[0-9]{2}-[0-9]{2}[ ,/]{1,2}[0-9]{8}").expect("a pattern that a test compiles")
});

pub(super) fn find(text: &str, found: &mut Finds) {
    super::each(&SORT_CODE, text, |span| {
        found.push(Kind::Account, span);
        true
    });
    for announced in ANNOUNCED.captures_iter(text) {
        let Some(number) = announced.get(1) else {
            continue;
        };
        if (6..=20).contains(&digits_of(number.as_str()).len()) && stands_alone(text, &number.range()) {
            found.push(Kind::Account, number.range());
        }
    }
}
