//! What a column's name says of it, and which cells bear it out. A name makes weaker forms tell: nine digits in a column `ssn` are what they are
//! elsewhere only with dashes.

use super::kind::Kind;

/// Names of columns without what stands between their words, with what they announce.
#[rustfmt::skip]
const NAMES: [(Kind, &[&str]); 8] = [
    (Kind::Card, &["card", "cardno", "cardnum", "cardnumber", "creditcard", "creditcardnumber", "pan", "银行卡", "银行卡号", "信用卡号", "卡号"]),
    (Kind::Iban, &["iban"]),
    (Kind::Account, &[
        "account", "accountid", "accountno", "accountnr", "accountnum", "accountnumber", "accno", "acct", "acctid", "acctno", "acctnum",
        "acctnumber", "bankaccount", "bankaccountnumber", "kontonummer", "账号", "帐号", "账户", "帐户", "银行账号",
    ]),
    (Kind::NationalId, &[
        "dni", "idcard", "idcardno", "idcardnumber", "idno", "idnumber", "identitynumber", "nationalid", "nationalidentitynumber",
        "nationalinsurancenumber", "nie", "nino", "passport", "passportno", "passportnumber", "socialsecuritynumber", "ssn", "steuerid", "taxid",
        "tin", "居民身份证", "证件号", "证件号码", "身份证", "身份证号", "身份证号码", "护照号",
    ]),
    (Kind::Phone, &[
        "cell", "cellphone", "homephone", "mobile", "mobileno", "mobilenumber", "mobilephone", "phone", "phoneno", "phonenumber", "tel",
        "telephone", "telephonenumber", "workphone", "手机", "手机号", "手机号码", "电话", "电话号码", "联系电话",
    ]),
    (Kind::Email, &["email", "emailaddress", "mail", "mailaddress", "邮箱", "电子邮箱", "电子邮件"]),
    (Kind::Address, &[
        "address", "addressline", "addressline1", "addressline2", "addr", "homeaddress", "postaladdress", "street", "streetaddress", "住址", "地址",
        "家庭住址", "家庭地址", "联系地址",
    ]),
    (Kind::Name, &[
        "applicantname", "borrowername", "cardholder", "cardholdername", "clientname", "customername", "familyname", "firstname", "forename",
        "fullname", "givenname", "holdername", "lastname", "name", "surname", "借款人", "姓名", "客户姓名", "户名", "持卡人", "联系人",
    ]),
];

/// From this share of its cells on a column is what its name says: half, for a name that half of the cells belie means something else.
pub(super) const THRESHOLD: f64 = 0.5;

/// What the name announces.
pub(super) fn of(column: &str) -> Option<Kind> {
    let name: String = column
        .chars()
        .filter(|letter| letter.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    let announced = NAMES.iter().find(|(_, names)| names.contains(&name.as_str()));
    announced.map(|&(kind, _)| kind)
}

/// Whether the cell could be what the column's name announces.
pub(super) fn bears_out(kind: Kind, cell: &str) -> bool {
    let digits = cell.bytes().filter(u8::is_ascii_digit).count();
    let letters = cell.chars().filter(|letter| letter.is_alphabetic()).count();
    // A decimal fraction is an amount, whatever the column is called.
    let number = |range: std::ops::RangeInclusive<usize>, signs: &str| {
        range.contains(&digits)
            && cell
                .chars()
                .all(|letter| letter.is_ascii_digit() || signs.contains(letter))
    };
    match kind {
        Kind::Card => number(12..=19, " -"),
        Kind::Iban => cell.len() >= 15 && digits >= 2 && letters >= 2,
        Kind::Account => number(6..=20, " -/"),
        Kind::NationalId => digits >= 6 && cell.len() <= 30 && !cell.contains('.'),
        Kind::Phone => number(7..=15, " -()+/."),
        Kind::Email => cell.contains('@'),
        Kind::Address => cell.chars().count() >= 6 && letters >= 3 && (digits >= 1 || cell.contains(' ')),
        Kind::Name => digits == 0 && letters >= 2 && cell.chars().count() <= 60,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_however_they_are_written() {
        for (name, kind) in [
            ("SSN", Some(Kind::NationalId)),
            ("card_number", Some(Kind::Card)),
            ("accountNo", Some(Kind::Account)),
            ("Mobile phone", Some(Kind::Phone)),
            ("身份证号", Some(Kind::NationalId)),
            ("客户姓名", Some(Kind::Name)),
            ("account_balance", None),
            ("open_accounts", None),
            ("card_type", None),
        ] {
            assert_eq!(of(name), kind, "{name}");
        }
    }

    #[test]
    fn a_name_alone_makes_no_identifier() {
        for (kind, cell, bears) in [
            (Kind::Phone, "1", false),
            (Kind::Phone, "5550123", true),
            (Kind::Phone, "yes", false),
            (Kind::Account, "1234.56", false),
            (Kind::Account, "12345678", true),
            (Kind::NationalId, "123456789", true),
            (Kind::NationalId, "12345678.90", false),
            (Kind::Address, "own", false),
            (Kind::Name, "Zbigniew", true),
        ] {
            assert_eq!(bears_out(kind, cell), bears, "{cell}");
        }
    }
}
