//! A configuration for the tests of this crate, whose keys are some of a bank's.

use serde::Deserialize;
use toml::{Table, Value};

use crate::{Problem, Program, Settings, ranges};

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sample {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) link: Link,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Link {
    pub(crate) idle_s: u64,
    pub(crate) stall_s: u64,
    pub(crate) proxy: String,
    pub(crate) hosts: Vec<String>,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            idle_s: 30,
            stall_s: 30,
            proxy: String::new(),
            hosts: Vec::new(),
        }
    }
}

impl Settings for Sample {
    const PROGRAM: Program = Program::Client;
    const REQUIRED: &'static str = "name";
    const REQUIRED_HINT: &'static str = "set it to a name, such as \"bank-a\"";

    fn defaults() -> Table {
        toml::from_str("name = \"bank-a\"\n[link]\nidle_s = 30\nstall_s = 30\nproxy = \"\"\nhosts = []\n")
            .expect("it is TOML")
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.name.is_empty() {
            problems.push(Problem {
                key: "name",
                text: "found an empty text, expected a name".to_owned(),
            });
        }
        problems.extend(ranges([
            ("link.idle_s", self.link.idle_s, 5, 600),
            ("link.stall_s", self.link.stall_s, 1, 600),
        ]));
        problems
    }

    fn is_secret(key: &str, value: &Value) -> bool {
        key == "link.proxy" && value.as_str().is_some_and(|text| text.contains('@'))
    }
}
