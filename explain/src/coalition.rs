//! Sets of features, packed into bits: which features a row has and which it is without.

/// Bits of a word.
const WORD: usize = u64::BITS as usize;

/// Many sets of the same players.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coalitions {
    players: usize,
    words: usize,
    bits: Vec<u64>,
}

/// A set of players.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coalition<'a> {
    players: usize,
    bits: &'a [u64],
}

impl Coalitions {
    /// None yet, of so many players.
    pub fn new(players: usize) -> Self {
        Self {
            players,
            words: players.div_ceil(WORD).max(1),
            bits: Vec::new(),
        }
    }

    /// How many players there are to choose from.
    pub fn players(&self) -> usize {
        self.players
    }

    /// How many sets.
    pub fn len(&self) -> usize {
        self.bits.len() / self.words
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bits.is_empty()
    }

    /// The sets in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Coalition<'_>> {
        self.bits.chunks_exact(self.words).map(|bits| Coalition {
            players: self.players,
            bits,
        })
    }

    /// One set more. Players that are not there are passed over.
    pub fn push(&mut self, members: impl IntoIterator<Item = usize>) {
        let start = self.bits.len();
        self.bits.resize(start + self.words, 0);
        for member in members.into_iter().filter(|member| *member < self.players) {
            self.bits[start + member / WORD] |= 1 << (member % WORD);
        }
    }

    /// One set more: all players.
    pub fn push_all(&mut self) {
        self.push(0..self.players);
    }
}

impl<'a> Coalition<'a> {
    /// How many players there are to choose from.
    pub fn players(self) -> usize {
        self.players
    }

    /// Whether a player is in it; a player that is not there is not.
    pub fn contains(self, player: usize) -> bool {
        let word = self.bits.get(player / WORD).copied().unwrap_or(0);
        word >> (player % WORD) & 1 == 1
    }

    /// Its members, ascending.
    pub fn members(self) -> impl Iterator<Item = usize> + 'a {
        (0..self.players).filter(move |player| self.contains(*player))
    }

    /// How many members it has.
    pub fn size(self) -> usize {
        self.bits.iter().map(|word| word.count_ones() as usize).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_more_players_than_a_word_has_bits() {
        let mut coalitions = Coalitions::new(130);
        coalitions.push([0, 63, 64, 129, 130, 9_999]);
        coalitions.push([]);
        coalitions.push_all();
        let members: Vec<Vec<usize>> = coalitions.iter().map(|set| set.members().collect()).collect();
        assert_eq!(members[0], [0, 63, 64, 129]);
        assert!(members[1].is_empty());
        assert_eq!(members[2], (0..130).collect::<Vec<_>>());
        assert_eq!(
            coalitions.iter().map(Coalition::size).collect::<Vec<_>>(),
            [4, 0, 130]
        );
    }
}
