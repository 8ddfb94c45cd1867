use std::fs;
use std::path::Path;

use veilsum_protocol::task::Schema;

use super::DataError;

/// Reads the bank's own schema file and proves it equal to the task's schema: so the bank itself has said what
/// its columns are, and a task cannot make it read others.
///
/// # Errors
/// A file that cannot be read or parsed, another version, or the first line in which the two differ.
pub fn read_schema(file: &Path, task: &Schema) -> Result<Schema, DataError> {
    let text = fs::read_to_string(file).map_err(|source| DataError::Unreadable {
        file: file.to_owned(),
        source,
        advice: "put the agreed schema there, or set data.schema in bank.toml and start the daemon again",
    })?;
    let own = Schema::parse(&text).map_err(|source| DataError::Schema {
        file: file.to_owned(),
        source,
    })?;
    let differs = |found, expected| DataError::File {
        file: file.to_owned(),
        found,
        expected,
        advice: "take part only in tasks whose schema is yours: agree on one with the consortium, then put it into \
                 this file",
    };
    if own.version != task.version {
        let version = |of: &Schema| format!("schema version {}", of.version);
        return Err(differs(
            version(&own),
            format!("{}, as in the task", version(task)),
        ));
    }
    match own.difference(task) {
        None => Ok(own),
        Some((mine, theirs)) => Err(differs(
            format!("`{mine}`"),
            format!("`{theirs}`, as in the task"),
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SCHEMA: &str = r#"
        version = 2
        label = "y"
        [[column]]
        name = "x"
        type = "number"
        min = 0
        max = 9
    "#;

    #[test]
    fn the_bank_s_schema_must_be_the_task_s() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("schema.toml");
        let task = Schema::parse(SCHEMA).unwrap();
        let refused = |text: &str| {
            fs::write(&path, text).unwrap();
            read_schema(&path, &task).unwrap_err().to_string()
        };
        let version = refused(&SCHEMA.replace("version = 2", "version = 1"));
        assert!(
            version
                .contains("schema.toml: found schema version 1, expected schema version 2, as in the task")
        );
        let range = refused(&SCHEMA.replace("max = 9", "max = 8"));
        assert!(
            range.contains("found `max = 8.0`, expected `max = 9.0`, as in the task"),
            "{range}"
        );
        let syntax = refused(&SCHEMA.replace("max = 9", "max = "));
        assert!(
            syntax.contains("schema.toml: ") && syntax.contains("line 8"),
            "{syntax}"
        );
        fs::write(&path, SCHEMA).unwrap();
        assert_eq!(read_schema(&path, &task).unwrap(), task);
        fs::remove_file(&path).unwrap();
        let gone = read_schema(&path, &task).unwrap_err().to_string();
        assert!(gone.contains("cannot be read"), "{gone}");
    }
}
