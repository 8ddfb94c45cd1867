//! Postal addresses in free text: a house number with an English street, postcodes of the United Kingdom, post-office boxes, and Chinese
//! addresses from the street to the house number.

use std::sync::LazyLock;

use regex::Regex;

use super::{Finds, Kind};

/// A house number, one to four words with a capital letter, and the word for a kind of street, alone or abbreviated.
static STREET: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x) [0-9]{1,5}[A-Za-z]? ,? \s+ (?: [A-Z][A-Za-z.'’-]* \s+ ){1,4}
        (?: Street | STREET | St | ST | Road | ROAD | Rd | RD | Avenue | AVENUE | Ave | AVE | Lane | LANE | Ln | LN | Drive | DRIVE | Dr | DR
          | Boulevard | BOULEVARD | Blvd | BLVD | Court | COURT | Ct | CT | Place | PLACE | Pl | PL | Square | SQUARE | Sq | SQ | Terrace
          | TERRACE | Close | CLOSE | Way | WAY | Crescent | CRESCENT | Parkway | PARKWAY | Pkwy | PKWY | Highway | HIGHWAY | Hwy | HWY
          | Gardens | GARDENS | Grove | GROVE | Mews | MEWS | Circle | CIRCLE )
        \b \.? (?: ,? \s* (?: Apt | Apartment | Flat | Unit | Suite | Ste | \# ) \.? \s* [0-9A-Za-z]{1,5} \b )?",
    )
});

/// Royal Mail's form of a whole postcode (BS 7666), with its space. It stands for some fifteen households.
static POSTCODE: LazyLock<Regex> =
    LazyLock::new(|| pattern("[A-PR-UWYZ][A-HK-Y]?[0-9][A-HJKPS-UW0-9]? [0-9][ABD-HJLNP-UW-Z]{2}"));

static BOX: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\bP\.? ?O\.? ?Box \#?[0-9]{1,6}"));

/// A street with a house number, or a residential compound with building and room, with the province, city and district before it.
static HAN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x) \p{Han}{1,30} (?: 路 | 街 | 道 | 巷 | 弄 | 胡同 | 村 | 里 ) \s* [0-9]{1,5} \s* (?: 号 | 弄 )
          (?: \s* [0-9A-Za-z一二三四五六七八九十]{1,5} \s* (?: 号楼 | 号 | 栋 | 幢 | 座 | 单元 | 层 | 楼 | 室 ) )*
        | \p{Han}{2,30} [0-9]{1,4} (?: 号楼 | 栋 | 幢 | 座 ) (?: \s* [0-9A-Za-z]{1,5} \s* (?: 单元 | 层 | 楼 | 室 ) )+",
    )
});

fn pattern(form: &str) -> Regex {
    Regex::new(form).expect("a pattern that a test compiles")
}

pub(super) fn find(text: &str, found: &mut Finds) {
    for form in [&STREET, &POSTCODE, &BOX] {
        super::each(form, text, |span| {
            found.push(Kind::Address, span);
            true
        });
    }
    for address in HAN.find_iter(text) {
        found.push(Kind::Address, address.range());
    }
}
