//! Surnames that are common where English is spoken, in lower case and in order, and a hundred of the most common of China with some of two
//! characters. Facts of public statistics (United States Census Bureau, Office for National Statistics, China's Ministry of Public Security).

#[rustfmt::skip]
const LATIN: [&str; 141] = [
    "adams", "ahmed", "ali", "allen", "alvarez", "anderson", "bailey", "baker", "becker", "begum",
    "bennett", "bernard", "brooks", "brown", "campbell", "carter", "castillo", "chavez", "clark", "collins",
    "cook", "cooper", "cox", "cruz", "davies", "davis", "diaz", "dubois", "dupont", "edwards", "evans",
    "fernandez", "ferrari", "fischer", "fitzgerald", "flores", "foster", "garcia", "gomez", "gonzalez",
    "gray", "green", "gutierrez", "hall", "harris", "hernandez", "hill", "hoffmann", "howard", "hughes",
    "hunt", "hussain", "jackson", "james", "jenkins", "jimenez", "johnson", "jones", "kaur", "kelly",
    "khan", "kim", "king", "lee", "lewis", "lloyd", "long", "lopez", "marshall", "martin", "martinez",
    "mccarthy", "mendoza", "meyer", "miller", "mitchell", "moore", "morales", "moreau", "morgan", "morris",
    "mueller", "muller", "murphy", "murray", "myers", "nelson", "nguyen", "o'brien", "o'connor", "o'neill",
    "ortiz", "palmer", "parker", "patel", "perez", "peterson", "phillips", "price", "ramirez", "ramos",
    "reed", "reyes", "richardson", "rivera", "roberts", "robinson", "rodriguez", "rogers", "ross", "rossi",
    "ruiz", "russo", "sanchez", "sanders", "schmidt", "schneider", "schulz", "scott", "shah", "simpson",
    "singh", "smith", "stevens", "stewart", "taylor", "thomas", "thompson", "torres", "turner", "wagner",
    "walker", "ward", "watson", "weber", "white", "williams", "wilson", "wood", "wright", "young",
];

/// By how many bear them. They are surnames of some 85 in 100 in China.
const HAN: &str = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢\
                   姚沈钟姜崔谭陆范汪廖石金韦贾夏付方邹熊白孟秦邱侯江尹薛闫段雷龙黎史陶贺毛郝顾龚邵万覃武钱戴严欧莫孔向常汤";

#[rustfmt::skip]
const HAN_OF_TWO: [&str; 18] = [
    "上官", "东方", "令狐", "公孙", "南宫", "司徒", "司马", "夏侯", "宇文", "尉迟", "慕容", "欧阳", "独孤", "皇甫", "端木", "诸葛", "轩辕",
    "长孙",
];

/// Whether the word, in lower case, is one of them.
pub(super) fn hold(word: &str) -> bool {
    LATIN.binary_search(&word).is_ok()
}

/// How many characters of the text are a Chinese surname at its beginning.
pub(super) fn han_length(text: &str) -> Option<usize> {
    if HAN_OF_TWO.iter().any(|surname| text.starts_with(surname)) {
        return Some(2);
    }
    let first = text.chars().next()?;
    HAN.contains(first).then_some(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surnames_stand_in_order_and_once() {
        assert!(LATIN.is_sorted());
        let mut once: Vec<_> = HAN.chars().collect();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), HAN.chars().count());
        assert_eq!(han_length("欧阳修"), Some(2));
        assert_eq!(han_length("王小明"), Some(1));
        assert_eq!(han_length("北京"), None);
    }
}
