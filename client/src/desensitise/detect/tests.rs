#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::card::luhn;
use super::iban::is_iban;
use super::*;

/// What is found, as the text itself with the kind behind.
fn found(text: &str) -> Vec<(&str, Kind)> {
    find(text)
        .into_iter()
        .map(|found| (&text[found.span], found.kind))
        .collect()
}

fn all(kind: Kind, texts: &[&str]) {
    for text in texts {
        assert_eq!(found(text), [(*text, kind)], "{text}");
        let inside = format!("see: {text}; thanks");
        assert_eq!(found(&inside), [(*text, kind)], "{inside}");
    }
}

fn none(kind: Kind, texts: &[&str]) {
    for text in texts {
        let of_it: Vec<_> = found(text)
            .into_iter()
            .filter(|(_, other)| *other == kind)
            .collect();
        assert_eq!(of_it, [], "{text}");
    }
}

/// Numbers for tests, as the networks and processors publish them.
#[test]
fn published_card_numbers_are_found() {
    all(
        Kind::Card,
        &[
            "4111111111111111",
            "4012888888881881",
            "4222222222222",
            "5555555555554444",
            "5105105105105100",
            "2223003122003222",
            "378282246310005",
            "371449635398431",
            "30569309025904",
            "38520000023237",
            "6011111111111117",
            "6011000990139424",
            "3530111333300000",
            "3566002020360505",
            "6200000000000005",
            "6205500000000000004",
            "2200000000000004",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "3782 822463 10005",
        ],
    );
    none(
        Kind::Card,
        &[
            "4111111111111112",   // check digit
            "7992739871300008",   // no issuer begins with 7
            "411111111111",       // too short
            "0.4111111111111111", // a fraction
            "4111111111111111.5",
            "x4111111111111111",
            "41111111111111110000000",
            "4111  1111 1111 1111",
        ],
    );
    assert_eq!(
        found("no. 4111 1111 1111 1111 2026-05-01"),
        [("4111 1111 1111 1111", Kind::Card)]
    );
    assert_eq!(
        found("卡号4111111111111111有误"),
        [("4111111111111111", Kind::Card)]
    );
}

/// The example of ISO/IEC 7812-1's formula that is told everywhere.
#[test]
fn luhn_has_its_known_answer() {
    assert!(luhn(&digits_of("79927398713")));
    for other in "012456789".chars() {
        assert!(!luhn(&digits_of(&format!("7992739871{other}"))));
    }
}

/// Examples of SWIFT's register.
#[test]
fn registered_ibans_are_found() {
    all(
        Kind::Iban,
        &[
            "AD1200012030200359100100",
            "BE68539007547034",
            "CH9300762011623852957",
            "DE89370400440532013000",
            "ES9121000418450200051332",
            "FR1420041010050500013M02606",
            "GB29NWBK60161331926819",
            "GE29NB0000000101904917",
            "NO9386011117947",
            "MT84MALT011000012345MTLCAST001S",
            "GB29 NWBK 6016 1331 9268 19",
            "de89 3704 0044 0532 0130 00",
            "FR14 2004 1010 0505 0001 3M02 606",
        ],
    );
    none(
        Kind::Iban,
        &[
            "DE88370400440532013000",
            "DE8937040044053201300",
            "DE893704004405320130001",
            "US89370400440532013000",
            "XDE89370400440532013000",
        ],
    );
    assert!(is_iban(b"DE89370400440532013000") && !is_iban(b"DE8"));
}

/// GB 11643-1999 has the first as its example; the others are of python-stdnum, the Bundeszentralamt für Steuern and Spain's administration.
#[test]
fn national_numbers_are_found_by_their_checks() {
    all(
        Kind::NationalId,
        &[
            "11010519491231002X",
            "11010519491231002x",
            "440524188001010014",
            "360426199101010071",
            "536-90-4399",
            "078-05-1120",
            "900-70-1234",
            "AB123456C",
            "AB 12 34 56 C",
            "12345678Z",
            "54362315-K",
            "X2482300W",
            "Y1234567X",
            "86095742719",
            "36 574 261 809",
            "A123456(3)",
        ],
    );
    none(
        Kind::NationalId,
        &[
            "110105194912310020", // check character
            "11010519491331002X", // thirteenth month
            "99010519491231002X", // no region
            "000-12-3456",
            "666-12-3456",
            "900-12-3456",
            "123-00-4567",
            "123-45-0000",
            "123-45 6789",
            "123456789",
            "QQ123456C",
            "BG123456A",
            "AB123456E",
            "12345678A",
            "X2482300A",
            "36574261890",
            "36554266806",
            "A123456(4)",
        ],
    );
}

/// Numbers that regulators keep for drama (Ofcom, NANPA), and the form of China's.
#[test]
fn telephone_numbers_are_found() {
    all(
        Kind::Phone,
        &[
            "+442079460958",
            "+44 20 7946 0958",
            "+1 (415) 555-0132",
            "+86 138 0013 8000",
            "(415) 555-0132",
            "415-555-0132",
            "415.555.0132",
            "1-415-555-0132",
            "07700 900123",
            "07700900123",
            "020 7946 0958",
            "0117 496 0999",
            "13800138000",
            "138 0013 8000",
            "138-0013-8000",
            "010-62345678",
            "0755-23456789",
        ],
    );
    none(
        Kind::Phone,
        &[
            "4155550132",
            "115-555-0132",
            "411-555-0132",
            "415-911-0132",
            "12800138000",
            "138001380001",
            "1380013800",
            "2024-01-31",
            "+1 23",
            "0.13800138000",
        ],
    );
    assert_eq!(found("手机13800138000，请回电"), [("13800138000", Kind::Phone)]);
}

#[test]
fn mail_addresses_are_found() {
    all(
        Kind::Email,
        &[
            "a@b.example",
            "ann.lee+bank@mail.bank.example",
            "x_1@sub-domain.example",
        ],
    );
    none(
        Kind::Email,
        &["a@b", "@b.example", "a@.example", "5 @ 3.50", "a@b.c"],
    );
    assert_eq!(
        found("邮箱wang@bank.example。"),
        [("wang@bank.example", Kind::Email)]
    );
}

#[test]
fn account_numbers_are_found_behind_their_words() {
    for (text, number) in [
        ("Account no. 12345678 closed", "12345678"),
        ("acct # 0012-345678", "0012-345678"),
        ("A/C 12345678", "12345678"),
        ("sort code 12-34-56 12345678", "12-34-56 12345678"),
        ("账号：622200001234", "622200001234"),
        ("账户为 1234567890", "1234567890"),
    ] {
        assert_eq!(found(text), [(number, Kind::Account)], "{text}");
    }
    none(
        Kind::Account,
        &[
            "12345678",
            "account closed",
            "accounts 12",
            "on account of 12345",
            "balance 12345678",
        ],
    );
}

#[test]
fn addresses_are_found_in_free_text() {
    for (text, address) in [
        ("lives at 221B Baker Street since May", "221B Baker Street"),
        ("1600 Pennsylvania Ave., Washington", "1600 Pennsylvania Ave."),
        ("12 Old Mill Rd Apt 4", "12 Old Mill Rd Apt 4"),
        ("10 DOWNING STREET", "10 DOWNING STREET"),
        ("SW1A 2AA", "SW1A 2AA"),
        ("send to P.O. Box 123", "P.O. Box 123"),
        ("北京市朝阳区建国路88号", "北京市朝阳区建国路88号"),
        (
            "广东省深圳市南山区科技园路1号3栋502室",
            "广东省深圳市南山区科技园路1号3栋502室",
        ),
        ("阳光花园12栋3单元", "阳光花园12栋3单元"),
    ] {
        assert_eq!(found(text), [(address, Kind::Address)], "{text}");
    }
    none(
        Kind::Address,
        &[
            "paid 3 times",
            "5 years on the Way",
            "Street 5",
            "路",
            "第3号",
            "10 Percent Growth",
        ],
    );
}

#[test]
fn names_are_found_by_lists_titles_and_words_around_them() {
    for (text, name) in [
        ("James Smith", "James Smith"),
        ("SMITH, JAMES", "SMITH, JAMES"),
        ("maria garcia", "maria garcia"),
        ("spoke to Ann Okonkwo today", "Ann Okonkwo"),
        ("spoke to Mr. Okonkwo today", "Okonkwo"),
        ("signed J. R. Smith", "J. R. Smith"),
        ("Mary Jane Watson called", "Mary Jane Watson"),
        ("王小明", "王小明"),
        ("欧阳修", "欧阳修"),
        ("客户姓名：李四，已婚", "李四"),
        ("已通知张伟先生", "张伟"),
    ] {
        assert_eq!(found(text), [(name, Kind::Name)], "{text}");
    }
    none(
        Kind::Name,
        &[
            "north",
            "mortgage",
            "own",
            "Virginia Beach",
            "Jordan River",
            "Grant Street",
            "Total Amount",
            "高中",
            "金融业",
            "江苏",
            "本科",
            "自营职业",
        ],
    );
}

#[test]
fn what_tables_are_full_of_is_not_found() {
    for cell in [
        "",
        "0",
        "1",
        "53210",
        "53210.55",
        "-17.25",
        "1e3",
        "0.123456789012345",
        "2024-01-31",
        "20240131",
        "2024-01-31T10:15:00Z",
        "1706695200",
        "1706695200000",
        "north",
        "debt_consolidation",
        "RENT",
        "A",
        "15.3%",
        "USD 1,250,000.00",
        "36 months",
        "10+ years",
        "<1 year",
        "贷款",
        "已结清",
        "NaN",
        "C-00017",
    ] {
        assert_eq!(find(cell), [], "{cell}");
    }
}

#[test]
fn identifiers_are_masked_where_they_stand() {
    let text = "Mr Smith, card 4111 1111 1111 1111, mail a@b.example, tel 07700 900123";
    let masked = |kinds| super::masked(text, kinds);
    assert_eq!(
        masked(Kinds::all()).unwrap(),
        "Mr [name], card [card], mail [email], tel [phone]"
    );
    assert_eq!(
        masked(Kinds::NONE.with(Kind::Phone)).unwrap(),
        "Mr Smith, card 4111 1111 1111 1111, mail a@b.example, tel [phone]"
    );
    assert_eq!(masked(Kinds::NONE.with(Kind::Iban)), None);
}

/// Of random numbers of sixteen digits, 3 in 100 pass, and of eleven digits 4 in 1000 as a German tax number and 7 in 100 as a Chinese mobile:
/// the thresholds stand on this.
#[test]
fn chance_stays_below_the_thresholds() {
    let mut state = 1_u64;
    let mut share = |digits: u32, kind: Kind| {
        let hits = (0..20_000).filter(|_| {
            let number: String = (0..digits)
                .map(|_| {
                    // Knuth's MMIX generator; its upper bits are good enough for digits.
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    char::from(b'0' + u8::try_from((state >> 33) % 10).unwrap())
                })
                .collect();
            kinds(&number).holds(kind)
        });
        hits.count() as f64 / 20_000.0
    };
    for (digits, kind, from, to) in [
        (16, Kind::Card, 0.025, 0.04),
        (11, Kind::NationalId, 0.002, 0.006),
        (11, Kind::Phone, 0.06, 0.08),
        (18, Kind::NationalId, 0.0, 0.001),
    ] {
        let share = share(digits, kind);
        assert!((from..to).contains(&share), "{digits} {kind:?}: {share}");
        assert!(share < kind.threshold(), "{digits} {kind:?}: {share}");
    }
}

proptest! {
    /// Any text at all: nothing panics, spans lie in order on the borders of characters, and what was masked is found no more.
    #[test]
    fn any_text_can_be_looked_at(text in prop_oneof![any::<String>(), "[0-9 .,+@()A-Za-z号路室市王先生-]{0,80}", "(?s).{0,200}"]) {
        let found = find(&text);
        let mut end = 0;
        for Found { span, .. } in &found {
            prop_assert!(end <= span.start && span.start < span.end);
            prop_assert!(text.get(span.clone()).is_some());
            end = span.end;
        }
        prop_assert_eq!(masked(&text, Kinds::all()).is_some(), !found.is_empty());
    }

    #[test]
    fn a_card_with_another_check_digit_is_none(first in "4[0-9]{14}", check in 0_u8..10) {
        let number = format!("{first}{check}");
        let right = luhn(&digits_of(&number));
        prop_assert_eq!(kinds(&number).holds(Kind::Card), right);
        // Exactly one of the ten digits checks.
        let checks = (0..10).filter(|digit| luhn(&digits_of(&format!("{first}{digit}")))).count();
        prop_assert_eq!(checks, 1);
    }

    #[test]
    fn an_iban_with_one_digit_changed_is_none(place in 2_usize..22, digit in 0_u8..10) {
        let good = b"DE89370400440532013000";
        let mut other = *good;
        other[place] = b'0' + digit;
        prop_assert_eq!(is_iban(&other), other == *good);
    }

    #[test]
    fn a_card_is_found_in_any_words(before in "[a-z ]{0,20}", after in "[a-z ]{0,20}") {
        let text = format!("{before} 4111 1111 1111 1111 {after}");
        prop_assert!(kinds(&text).holds(Kind::Card));
    }
}
