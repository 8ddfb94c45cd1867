//! One key of a configuration file, set as an administrator would with an editor: every other line and comment stays.

/// The text with `key` of `[section]` set to `value`, which is TOML. A section or key that is not there is added.
pub(crate) fn set(text: &str, section: &str, key: &str, value: &str) -> String {
    let head = format!("[{section}]");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let is_head = |line: &String| line.split('#').next().is_some_and(|line| line.trim() == head);
    let Some(start) = lines.iter().position(is_head) else {
        lines.extend([String::new(), head, format!("{key} = {value}")]);
        return lines.join("\n") + "\n";
    };
    let first = start.saturating_add(1);
    let end = lines
        .iter()
        .skip(first)
        .position(|line| line.trim_start().starts_with('['))
        .map_or(lines.len(), |within| first.saturating_add(within));
    let is_key = |line: &String| line.split_once('=').is_some_and(|(name, _)| name.trim() == key);
    let found = lines
        .iter()
        .take(end)
        .skip(first)
        .position(is_key)
        .map(|within| first.saturating_add(within));
    let new = format!("{key} = {value}");
    match found.and_then(|at| lines.get_mut(at)) {
        Some(line) => *line = new,
        None => lines.insert(first, new),
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::set;

    const TEXT: &str =
        "name = \"a\"\n[data]   # the table\nfile = \"data.csv\"   # here\n\n[link]\nproxy = \"\"\n";

    #[test]
    fn a_key_is_replaced_in_its_section_alone() {
        let changed = set(TEXT, "link", "proxy", "\"http://p:1\"");
        assert_eq!(changed, TEXT.replace("proxy = \"\"", "proxy = \"http://p:1\""));
        let changed = set(TEXT, "data", "file", "\"/x.csv\"");
        assert_eq!(
            changed,
            TEXT.replace("file = \"data.csv\"   # here", "file = \"/x.csv\"")
        );
        // The same key in another section is not this one.
        let changed = set(TEXT, "link", "file", "1");
        assert!(changed.contains("[link]\nfile = 1\nproxy") && changed.contains("data.csv"));
    }

    #[test]
    fn a_section_that_is_missing_is_added() {
        assert_eq!(
            set("name = \"a\"\n", "data", "file", "1"),
            "name = \"a\"\n\n[data]\nfile = 1\n"
        );
    }
}
