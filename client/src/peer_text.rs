//! Text that a peer chose, on its way to the operator's terminal.

/// Most characters that are shown.
const MOST: usize = 512;

/// One line of at most 512 characters without anything that steers a terminal: control characters, and marks that reorder what
/// stands beside them, are left out, line feeds and tabs become spaces, and what was cut off is counted.
pub(crate) fn shown(text: &str) -> String {
    let mut harmless = text.chars().filter_map(|character| match character {
        '\n' | '\t' => Some(' '),
        // Direction marks (Unicode, UAX 9).
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => None,
        other if other.is_control() => None,
        other => Some(other),
    });
    let mut line: String = harmless.by_ref().take(MOST).collect();
    match harmless.count() {
        0 => {}
        more => line.push_str(&format!("... ({more} more characters)")),
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_left_out() {
        assert_eq!(
            shown("\u{1b}[2J\u{7}gone\r\nnext\u{9b}31m \u{202e}live\u{0}"),
            "[2Jgone next31m live"
        );
        assert_eq!(
            shown("naïve, 名 and \"quotes\" stay"),
            "naïve, 名 and \"quotes\" stay"
        );
    }

    #[test]
    fn a_flood_is_cut_and_counted() {
        assert_eq!(shown(&"é".repeat(512)), "é".repeat(512));
        let cut = shown(&"é".repeat(4 << 20));
        assert_eq!(cut, "é".repeat(512) + "... (4193792 more characters)");
    }
}
