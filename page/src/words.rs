//! Numbers and times as pages and command lines write them for people.

use maud::{Markup, html};
use time::OffsetDateTime;
use time::macros::format_description;

/// Unix milliseconds as a time that machines read too.
pub fn moment(milliseconds: u64) -> Markup {
    let Some(at) = utc(milliseconds) else {
        return html! { "-" };
    };
    html! { time datetime=(at.replace(' ', "T").replace("TUTC", "Z")) { (at) } }
}

fn utc(milliseconds: u64) -> Option<String> {
    let seconds = i64::try_from(milliseconds / 1000).ok()?;
    let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()?
        .format(&form)
        .ok()
}

/// A span of so many milliseconds, in a unit that fits.
pub fn took(milliseconds: u64) -> String {
    match milliseconds {
        0..1000 => format!("{milliseconds} ms"),
        1000..10_000 => format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100),
        _ => span(milliseconds / 1000),
    }
}

/// So many seconds, in the largest unit that fits.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A line in which commands stand between backticks.
pub fn coded(line: &str) -> Markup {
    html! {
        @for (at, part) in line.split('`').enumerate() {
            @if at % 2 == 0 { (part) } @else { code { (part) } }
        }
    }
}

/// A number with its noun.
pub fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 {
        format!("1 {one}")
    } else {
        format!("{count} {many}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_stand_out_and_everything_is_escaped() {
        assert_eq!(
            coded("run `a <b>` & go").into_string(),
            "run <code>a &lt;b&gt;</code> &amp; go"
        );
        assert_eq!(coded("nothing").into_string(), "nothing");
    }

    #[test]
    fn times_are_told_for_people_and_machines() {
        assert_eq!(
            moment(1_700_000_000_123).into_string(),
            "<time datetime=\"2023-11-14T22:13:20Z\">2023-11-14 22:13:20 UTC</time>"
        );
        assert_eq!(moment(u64::MAX).into_string(), "-");
        assert_eq!(
            [0, 260, 1_260, 9_999, 10_000, 600_000].map(took),
            ["0 ms", "260 ms", "1.2 s", "9.9 s", "10 s", "10 min"]
        );
        assert_eq!(
            (counted(1, "bank", "banks"), counted(0, "bank", "banks")),
            ("1 bank".into(), "0 banks".into())
        );
    }
    #[test]
    fn spans_are_told_in_a_unit_that_fits() {
        let told = [0, 119, 120, 7199, 7200, 172_800].map(span);
        assert_eq!(told, ["0 s", "119 s", "2 min", "119 min", "2 h", "2 days"]);
    }
}
