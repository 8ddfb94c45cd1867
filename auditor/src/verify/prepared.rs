use veilsum_protocol::model::Preparation;
use veilsum_protocol::task::Schema;

/// What a task's statistics round told of its columns.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) task: String,
    pub(crate) schema: Schema,
    pub(crate) counts: Preparation,
}
