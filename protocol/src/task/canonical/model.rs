use crate::model::{Activation, ModelSpec, Norm};

use super::{Form, list, real, text};

/// The lines of a task's table `model`.
pub(super) fn body(out: &mut Form, model: &ModelSpec) {
    let sizes = |sizes: &[u32]| list(sizes.iter().map(u32::to_string));
    out.line("family", text(model.family()));
    match model {
        ModelSpec::Logistic => {}
        ModelSpec::Mlp(mlp) => {
            out.line("hidden", sizes(&mlp.hidden));
            let name = match mlp.activation {
                Activation::Relu => "relu",
                Activation::Tanh => "tanh",
            };
            out.line("activation", text(name));
            // A model without these has the form that it had before there were such keys.
            if mlp.dropout > 0.0 {
                out.line("dropout", real(mlp.dropout));
            }
            if let Some(most) = mlp.embedding {
                out.line("embedding", most);
            }
        }
        ModelSpec::Cnn(cnn) => {
            out.line("filters", sizes(&cnn.filters));
            out.line("kernel", cnn.kernel);
            out.line("pool", cnn.pool);
            out.line("dense", sizes(&cnn.dense));
            let name = match cnn.norm {
                Norm::None => "none",
                Norm::Group => "group",
            };
            out.line("norm", text(name));
        }
        ModelSpec::Recurrent(recurrent) => {
            out.line("units", recurrent.units);
            out.line("layers", recurrent.layers);
            out.line("dropout", real(recurrent.dropout));
        }
        ModelSpec::EmbeddingBag(bag) => {
            out.line("dimension", bag.dimension);
            out.line("hidden", sizes(&bag.hidden));
        }
        ModelSpec::TextCnn(text_cnn) => {
            out.line("dimension", text_cnn.dimension);
            out.line("filters", sizes(&text_cnn.filters));
            out.line("widths", sizes(&text_cnn.widths));
        }
        ModelSpec::Transformer(transformer) => {
            out.line("dimension", transformer.dimension);
            out.line("heads", transformer.heads);
            out.line("layers", transformer.layers);
            out.line("feed_forward", transformer.feed_forward);
            out.line("dropout", real(transformer.dropout));
        }
    }
}
