//! Names of persons, by common given names and surnames, titles, and the words that announce a name. The weakest of the detectors: there are more
//! names than lists have, and many are words as well.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::{Finds, Kind, given_names, surnames};

/// Most characters of a cell that may be one name as a whole.
const NAME_LENGTH: usize = 60;

static TITLED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\b(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Sir|Dame|Herr|Frau|Mme|MR|MRS|MS|MISS|DR)\.? (\p{Lu}[\p{L}'’-]*\.?(?: \p{Lu}[\p{L}'’-]*\.?){0,3})",
    )
});

/// Words and initials with a capital letter, which may be a name.
static CAPITALS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\p{Lu}[\p{L}'’-]*\.?(?:,? \p{Lu}[\p{L}'’-]*\.?){1,3}"));

/// What stands behind a name in Chinese, and what announces one.
static HAN_TITLED: LazyLock<Regex> = LazyLock::new(|| pattern(r"(\p{Han}{2,4})(?:先生|女士|小姐|太太)"));
static HAN_ANNOUNCED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?:姓名|户名|持卡人|联系人|借款人|收款人|付款人|申请人|担保人|法人代表|法定代表人)(?:为|是)?\s*[:：]?\s*(\p{Han}{2,4})",
    )
});

/// Second words after which a given name is no person's: streets, firms, places.
const NOT_A_SURNAME: [&str; 36] = [
    "airport",
    "avenue",
    "bank",
    "beach",
    "bridge",
    "building",
    "centre",
    "center",
    "city",
    "college",
    "company",
    "corp",
    "county",
    "group",
    "holdings",
    "hospital",
    "hotel",
    "inc",
    "island",
    "lake",
    "limited",
    "llc",
    "ltd",
    "park",
    "plc",
    "river",
    "road",
    "school",
    "square",
    "station",
    "street",
    "tower",
    "trust",
    "university",
    "valley",
    "way",
];

/// Words of Chinese tables that begin with the character of a surname.
const NOT_A_HAN_NAME: [&str; 40] = [
    "高中",
    "高级",
    "高等",
    "高管",
    "高风险",
    "高收入",
    "金融",
    "金融业",
    "金属",
    "江苏",
    "江西",
    "江苏省",
    "江西省",
    "黄金",
    "白银",
    "白领",
    "方便",
    "马上",
    "石油",
    "石化",
    "余额",
    "万元",
    "文化",
    "常规",
    "常用",
    "程序",
    "范围",
    "程度",
    "钱包",
    "毛利",
    "向上",
    "武汉",
    "武汉市",
    "沈阳",
    "沈阳市",
    "石家庄",
    "严重",
    "任意",
    "马来西亚",
    "孔雀",
];

fn pattern(form: &str) -> Regex {
    Regex::new(form).expect("a pattern that a test compiles")
}

/// Finds names in Latin letters.
pub(super) fn find_latin(text: &str, found: &mut Finds) {
    if is_name(text) {
        found.push(Kind::Name, 0..text.len());
        return;
    }
    for titled in TITLED.captures_iter(text) {
        found.extend_name(titled.get(1));
    }
    for capitals in CAPITALS.find_iter(text) {
        for span in names_in(capitals.as_str()) {
            found.push(
                Kind::Name,
                capitals.start() + span.start..capitals.start() + span.end,
            );
        }
    }
}

/// Finds names in ideographs.
pub(super) fn find_han(text: &str, found: &mut Finds) {
    if is_han_name(text) {
        found.push(Kind::Name, 0..text.len());
        return;
    }
    for announced in HAN_ANNOUNCED.captures_iter(text) {
        found.extend_name(announced.get(1));
    }
    for titled in HAN_TITLED.captures_iter(text) {
        // Characters before the surname belong to the sentence.
        let Some(characters) = titled.get(1) else {
            continue;
        };
        let starts = characters.as_str().char_indices().map(|(start, _)| start);
        let name = starts
            .into_iter()
            .find(|&start| surnames::han_length(&characters.as_str()[start..]).is_some());
        if let Some(start) = name {
            found.push(Kind::Name, characters.start() + start..characters.end());
        }
    }
}

impl Finds {
    fn extend_name(&mut self, name: Option<regex::Match<'_>>) {
        if let Some(name) = name {
            self.push(Kind::Name, name.range());
        }
    }
}

/// Whether the text as a whole is a name: a single name of the lists, or a given name with a surname in either order, in any case.
fn is_name(text: &str) -> bool {
    if text.len() > NAME_LENGTH || text.bytes().any(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let words: Vec<String> = words(text).map(|(_, word)| word.to_lowercase()).collect();
    match &words[..] {
        [only] => given_names::hold(only) || surnames::hold(only),
        [first, .., last] if words.len() <= 4 => {
            given_names::hold(first) && surnames::hold(last)
                || surnames::hold(first) && given_names::hold(&words[1])
        }
        _ => false,
    }
}

/// Whether the text as a whole is two to four ideographs that begin with a surname.
fn is_han_name(text: &str) -> bool {
    let length = text.chars().count();
    let surname = surnames::han_length(text);
    let given = surname.and_then(|surname| length.checked_sub(surname));
    matches!(given, Some(1 | 2))
        && text
            .chars()
            .all(|letter| matches!(letter, '\u{4e00}'..='\u{9fff}'))
        && !NOT_A_HAN_NAME.contains(&text)
}

/// Names in a run of words with capital letters.
fn names_in(run: &str) -> Vec<Range<usize>> {
    let words: Vec<(usize, &str)> = words(run).collect();
    let lower: Vec<String> = words.iter().map(|(_, word)| word.to_lowercase()).collect();
    let end = |place: usize| words[place].0 + words[place].1.len();
    let mut names = Vec::new();
    let mut place = 0;
    while place + 1 < words.len() {
        let initial = lower[place].chars().count() == 1;
        let mut last = place + 1;
        let goes_on = |last: usize| {
            lower[last].chars().count() == 1
                || given_names::hold(&lower[last])
                || surnames::hold(&lower[last + 1])
        };
        while last + 1 < words.len() && goes_on(last) {
            last += 1;
        }
        let given = given_names::hold(&lower[place]) && !NOT_A_SURNAME.contains(&lower[last].as_str());
        let turned = surnames::hold(&lower[place]) && given_names::hold(&lower[place + 1]);
        if given || turned || initial && surnames::hold(&lower[last]) {
            names.push(words[place].0..end(last));
            place = last + 1;
        } else {
            place += 1;
        }
    }
    names
}

/// Words with their places, without the points behind initials.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut next = 0;
    text.split([' ', ',', '.', '\t'])
        .map(move |word| {
            let start = next;
            // Each separator is one byte.
            next += word.len() + 1;
            (start, word)
        })
        .filter(|(_, word)| !word.is_empty())
}
