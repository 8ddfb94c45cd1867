//! Given names that are common where English is spoken, in lower case and in order. A fact of public statistics (Social Security Administration,
//! Office for National Statistics), and no more than a sample: who bears a rare name is found by the words around it, or not.

#[rustfmt::skip]
const NAMES: [&str; 282] = [
    "aaron", "abigail", "adam", "ahmed", "aisha", "alan", "albert", "alex", "alexander", "alexis", "ali",
    "alice", "amanda", "amber", "amelia", "amy", "ana", "andrea", "andrew", "angela", "ann", "anna", "anne",
    "anthony", "antonio", "arthur", "ashley", "austin", "barbara", "benjamin", "betty", "beverly", "bill",
    "billy", "bob", "bobby", "bradley", "brandon", "brenda", "brian", "brittany", "bruce", "bryan", "carl",
    "carlos", "carmen", "carol", "carolyn", "catherine", "charles", "charlotte", "cheryl", "chloe", "chris",
    "christian", "christina", "christine", "christopher", "claire", "colin", "cynthia", "daniel",
    "danielle", "dave", "david", "deborah", "debra", "denise", "dennis", "derek", "diana", "diane",
    "dmitri", "donald", "donna", "doris", "dorothy", "douglas", "dylan", "edith", "edward", "elena",
    "elizabeth", "ella", "ellen", "emily", "emma", "eric", "ethan", "eugene", "eva", "evelyn", "fatima",
    "fiona", "florence", "frances", "francisco", "frank", "gabriel", "gary", "george", "gerald", "gillian",
    "giovanni", "gloria", "grace", "graham", "gregory", "hannah", "hans", "harold", "harriet", "harry",
    "heather", "helen", "henry", "hugh", "ian", "ingrid", "isabella", "ivan", "jack", "jacob", "jacqueline",
    "james", "jane", "janet", "janice", "jasmine", "jason", "jean", "jeffrey", "jennifer", "jeremy",
    "jerry", "jesse", "jessica", "jim", "joan", "joe", "john", "johnny", "jonathan", "jordan", "jose",
    "joseph", "joshua", "joyce", "juan", "judith", "judy", "julie", "justin", "karen", "kate", "katherine",
    "kathleen", "kathryn", "kayla", "keith", "kelly", "kenneth", "kevin", "kimberly", "klaus", "kyle",
    "larry", "laura", "lauren", "lawrence", "leah", "leo", "liam", "lily", "linda", "lisa", "logan", "lori",
    "louis", "louise", "lucy", "luis", "madison", "manuel", "margaret", "maria", "marie", "marilyn", "mark",
    "martha", "mary", "matthew", "maureen", "max", "megan", "melissa", "michael", "michelle", "miguel",
    "mike", "mohammed", "muhammad", "nancy", "natalie", "natasha", "nathan", "neil", "nicholas", "nicole",
    "nigel", "noah", "olga", "oliver", "olivia", "omar", "oscar", "pamela", "patricia", "patrick", "paul",
    "pauline", "pedro", "peter", "philip", "pierre", "priya", "rachel", "rahul", "ralph", "randy", "ravi",
    "raymond", "rebecca", "richard", "robert", "roger", "ronald", "rosa", "rose", "roy", "russell", "ruth",
    "ryan", "sam", "samantha", "samuel", "sandra", "sara", "sarah", "scott", "sean", "sergei", "sharon",
    "sheila", "shirley", "simon", "sophia", "stephanie", "stephen", "steve", "steven", "stuart", "susan",
    "teresa", "terry", "theresa", "thomas", "timothy", "tom", "trevor", "tyler", "ursula", "victoria",
    "vincent", "virginia", "walter", "wayne", "william", "willie", "wolfgang", "zachary", "zoe",
];

/// Whether the word, in lower case, is one of them.
pub(super) fn hold(word: &str) -> bool {
    NAMES.binary_search(&word).is_ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_stand_in_order() {
        assert!(super::NAMES.is_sorted());
    }
}
